"""How often a component that fails is started again: pauses that double, and an end to it.

The same rules, and the same figures by default, as those of a `restart` in components.json.
"""

from __future__ import annotations

from typing import NamedTuple

from tekton.core.backoff import full_jitter


class Recovery(NamedTuple):
    """At most `burst` restarts within `interval` seconds; the pause before one is drawn from zero up to a bound that
    doubles from `initial` to `longest` seconds. After twice the longest without a failure the pauses begin anew."""

    burst: int = 5
    interval: float = 300.0
    initial: float = 1.0
    longest: float = 60.0


class Restarts:
    """Those of one component. Times are monotonic seconds."""

    def __init__(self, recovery: Recovery) -> None:
        self._recovery = recovery
        self._made: list[float] = []
        self._count = 0
        self._well_since: float | None = None

    def pause(self, now: float) -> float | None:
        """Give how many seconds to wait before the next one; None when there have been enough."""
        rules = self._recovery
        if self._well_since is not None and now - self._well_since >= 2 * rules.longest:
            self._count = 0
        self._well_since = None
        self._made = [at for at in self._made if now - at < rules.interval]
        if len(self._made) >= rules.burst:
            return None
        return full_jitter(self._count, base=rules.initial, ceiling=rules.longest)

    def make(self, now: float) -> None:
        """Count one."""
        self._made.append(now)
        self._count += 1

    def succeeded(self, now: float) -> None:
        """The component serves again."""
        self._well_since = now
