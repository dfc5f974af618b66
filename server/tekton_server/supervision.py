"""Parts that may end by themselves are started again, with growing pauses, and everybody is told meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tekton.core.backoff import full_jitter
from tekton_server.live.system import SystemState

log = logging.getLogger(__name__)

# Seconds between two tries: drawn from zero up to a bound that doubles from the first to the last of these.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
# A part that ran for so many seconds is well again: its next end counts as the first.
HEALED_AFTER = 60.0
# About ten minutes of trying; then whoever supervises us shall know.
MOST_FAILURES = 25
# Where only somebody else can help, pauses stay as short as after so many.
PATIENT_FAILURES = 6


@dataclass(frozen=True)
class Part:
    """Something that runs beside us. `ended` waits until it ends by itself and says how; `restart` starts it again."""

    key: str
    """What health, metrics and readiness call it."""
    label: str
    """What people call it."""
    ended: Callable[[], Awaitable[str]]
    restart: Callable[[], Awaitable[None]]
    patient: Callable[[BaseException], bool] = lambda error: False
    """Whether a restart that fails so is tried for as long as it takes: only somebody else can help."""
    vital: bool = True
    """Whether nothing can go on without it; what is not is started again for as long as it takes."""


class Supervisor:
    """Watches parts. Until `begin` the end of a part is a failure of the start, and `give_up` is told at once."""

    def __init__(self, state: SystemState, give_up: Callable[[str, BaseException | None], None]) -> None:
        self._state = state
        self._give_up = give_up
        self._begun = False

    def begin(self) -> None:
        """The start is over: from now on what ends is started again."""
        self._begun = True

    async def run(self, part: Part) -> None:
        """Watch one part until cancelled, or until nothing more can be done for it."""
        failures = 0
        self._state.restarts.setdefault(part.key, 0)
        while True:
            began = time.monotonic()
            how = await part.ended()
            what = f"{part.label} ended unexpectedly ({how})"
            if not self._begun:
                return self._give_up(what, None)
            failures = 0 if time.monotonic() - began > HEALED_AFTER else failures
            failures = failures if part.vital else min(failures, PATIENT_FAILURES)
            failures, cause = await self._restarted(part, what, failures)
            if failures > MOST_FAILURES:
                return self._give_up(f"{part.label} was started again {MOST_FAILURES} times in vain", cause)

    async def _restarted(self, part: Part, what: str, failures: int) -> tuple[int, Exception | None]:
        """Start a part again; give how many failures in a row there are by now, and why the last start failed."""
        down_since, cause = time.monotonic(), None
        while (failures := failures + 1) <= MOST_FAILURES:
            pause = full_jitter(failures - 1, base=FIRST_PAUSE, ceiling=LONGEST_PAUSE)
            self._state.trouble(part.key, f"{what}; it is started again")
            log.warning("%s; trying to start it again in %.1f s (try %d)", what, pause, failures)
            await asyncio.sleep(pause)
            try:
                await part.restart()
            except Exception as error:
                cause, what = error, f"{part.label} does not start ({_words(error)})"
                if part.patient(error) or not part.vital:
                    failures = min(failures, PATIENT_FAILURES)
                continue
            self._state.healed(part.key)
            log.warning("%s runs again after %.1f s", part.label, time.monotonic() - down_since)
            return failures, None
        return failures, cause


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
