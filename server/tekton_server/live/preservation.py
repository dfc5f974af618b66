"""Self-preservation at work: it counts sessions, follows the operator's word, and tells of itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from tekton_server.domain.preservation import WINDOWS, Change, Preservation, Word
from tekton_server.live.lease import Clock
from tekton_server.live.pace import Pace
from tekton_server.live.presence import Roll

log = logging.getLogger(__name__)

_ENDED = {
    "recovered": "enough sessions are back",
    "time": "it has lasted for three timeouts",
    "operator": "an operator said so",
}


class Told(msgspec.Struct, frozen=True):
    """How it stands. `until`: when it ends by itself at the latest; None where only an operator's word ends it."""

    word: Word
    said_at: datetime | None
    active: bool
    since: datetime | None
    until: datetime | None
    sessions: int
    missing: int
    kept: int
    reason: str


class SelfPreservation:
    """The mode of this server. `kept` is how many leases are overdue and not evicted."""

    def __init__(self, pace: Pace, clock: Clock, kept: Callable[[], int]) -> None:
        self._mode = Preservation()
        self._pace = pace
        self._clock = clock
        self._kept = kept
        self._said_at: datetime | None = None
        self.roll = Roll(self._mode)
        self.times = 0
        """How often it began."""
        self.ended = float("-inf")
        """When it ended last, in monotonic seconds."""

    @property
    def active(self) -> bool:
        """Whether evictions are stopped."""
        return self._mode.active

    def look(self, now: float) -> None:
        """Count who is missing, and begin or end."""
        self.roll.returned(now)
        self._tell(self._mode.look(now, self.roll.sessions, self._pace.timing.timeout))

    def say(self, word: Word, at: datetime | None) -> None:
        """Take an operator's word, given at some time; the one that stands changes nothing."""
        self._said_at = at
        if word is not self._mode.word:
            log.warning("an operator has set self-preservation to %s", word)
            self._tell(self._mode.say(word, self._clock(), self.roll.sessions))

    def told(self) -> Told:
        """Tell how it stands."""
        mode, now, at = self._mode, self._clock(), datetime.now(UTC)
        since = None if mode.since is None else at - timedelta(seconds=now - mode.since)
        lasts = timedelta(seconds=WINDOWS * self._pace.timing.timeout)
        until = since + lasts if since is not None and mode.word is Word.AUTO else None
        count = mode.count(self.roll.sessions)
        return Told(
            word=mode.word,
            said_at=self._said_at,
            active=mode.active,
            since=since,
            until=until,
            sessions=count.sessions,
            missing=count.missing,
            kept=self._kept(),
            reason=self.trouble or ("an operator has switched it off" if mode.word is Word.OFF else ""),
        )

    @property
    def trouble(self) -> str | None:
        """What stands in the answer about health while it is on."""
        if not self.active:
            return None
        if self._mode.word is Word.ON:
            return f"an operator has stopped evictions; {self._kept()} overdue leases are kept until it is set to auto"
        count = self._mode.count(self.roll.sessions)
        return (
            f"{count.missing} of {count.sessions} heartbeat sessions are missing, too many for each to have died; "
            f"evictions are stopped for three timeouts at most, {self._kept()} overdue leases are kept"
        )

    def _tell(self, change: Change | None) -> None:
        if change is None:
            return
        count = change.sessions
        if change.active:
            self.times += 1
            why = "an operator said so" if change.why == "operator" else "too many for each of them to have died"
            log.warning(
                "self-preservation begins: %d of %d sessions are missing, %s; evictions stop",
                count.missing, count.sessions, why,
            )  # fmt: skip
            return
        self.ended = self._clock()
        log.warning(
            "self-preservation ends: %s; %d of %d sessions are missing, %d overdue leases are evicted now",
            _ENDED[change.why], count.missing, count.sessions, self._kept(),
        )  # fmt: skip
