"""What Tekton knows of itself: its start-up phase, since when it serves, and how its parts are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

# The five documented phases of a start, and what each does here.
PHASES = ("environment", "dependencies", "startup", "verification", "ready")

# Gives None while a part is well, else a sentence about what is wrong.
Check = Callable[[], str | None]


class SystemState:
    """One process's own state."""

    def __init__(self) -> None:
        self.phase = PHASES[0]
        self.ready_at: datetime | None = None
        self.stopping = False
        self._started = time.monotonic()
        self._checks: dict[str, Check] = {}
        self._troubles: dict[str, str] = {}
        self._notices: dict[str, Check] = {}
        self._watchers: list[Callable[[str, bool], None]] = []
        self.restarts: dict[str, int] = {}
        """How often each supervised part was started again."""

    @property
    def ready(self) -> bool:
        """Whether every phase is done and no stop has begun."""
        return self.ready_at is not None and not self.stopping

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def enter(self, phase: str) -> None:
        """Go on to a phase; `ready` is the last."""
        self.phase = phase
        if phase == PHASES[-1]:
            self.ready_at = datetime.now(UTC)

    def add_check(self, part: str, check: Check = lambda: None) -> None:
        """Have a part looked at whenever health is asked, beside what its supervisor tells."""
        self._checks[part] = check
        self.restarts.setdefault(part, 0)

    def add_notice(self, part: str, check: Check = lambda: None) -> None:
        """Have something shown with the health that takes nothing from being ready."""
        self._notices[part] = check

    def watch(self, watcher: Callable[[str, bool], None]) -> None:
        """Tell of every part that is down, and of every one that is up again: its name and whether it is up."""
        self._watchers.append(watcher)

    def trouble(self, part: str, sentence: str) -> None:
        """A part is down: say so until it is healed."""
        self._troubles[part] = sentence
        for watcher in self._watchers:
            watcher(part, False)

    def healed(self, part: str) -> None:
        """A part was started again and runs."""
        self._troubles.pop(part, None)
        self.restarts[part] = self.restarts.get(part, 0) + 1
        for watcher in self._watchers:
            watcher(part, True)

    def health(self) -> dict[str, str | None]:
        """Look at every part, and at what there is to notice."""
        return self.parts() | self._looked_at(self._notices)

    def parts(self) -> dict[str, str | None]:
        """Look at every part that is needed to serve."""
        return self._looked_at(self._checks)

    def _looked_at(self, checks: Mapping[str, Check]) -> dict[str, str | None]:
        return {part: self._troubles.get(part) or check() for part, check in checks.items()}
