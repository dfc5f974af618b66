"""Self-preservation: when many sessions go missing together, rather the network is ill than all of them dead.

A session is one stream, however many leases it carries, or one host whose leases beat by unary calls: a host that dies
with thousands of leases is one session. While the mode is on nobody is evicted. It ends when sessions come back, after
three windows, or by an operator's word, and those missing at that moment never start it again.

Source: the self-preservation of Netflix Eureka, which counts renewals and not sessions, and ends only when they return.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum
from typing import NamedTuple

# At least so many sessions, and more than this share of all.
LEAST = 10
SHARE = 0.15
# How many windows it lasts at most without an operator's word.
WINDOWS = 3


class Word(StrEnum):
    """What an operator has said. ON and OFF stand until changed."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class Count(NamedTuple):
    """How many sessions there are, and how many of them are missing; those that were written off are in neither."""

    sessions: int
    missing: int

    @property
    def too_many(self) -> bool:
        """Whether so many are missing that it is no accident of each."""
        return self.missing >= LEAST and self.missing > SHARE * self.sessions


class Change(NamedTuple):
    """The mode began or ended; `why` is missing, operator, recovered or time."""

    active: bool
    why: str
    sessions: Count


class Preservation:
    """The mode. It is told what happens and when, in monotonic seconds, and reads no clock."""

    def __init__(self) -> None:
        self.word = Word.AUTO
        self.since: float | None = None
        """Since when it is on; None while it is off."""
        self._missing: dict[Hashable, float] = {}
        self._evicted: dict[Hashable, float] = {}
        self._written_off: set[Hashable] = set()

    @property
    def active(self) -> bool:
        """Whether evictions are stopped."""
        return self.since is not None

    def missing(self, session: Hashable, now: float) -> None:
        """A session went missing: all its leases are silent."""
        if session not in self._written_off:
            self._missing.setdefault(session, now)

    def back(self, session: Hashable) -> None:
        """A session is heard again, or it ended on purpose."""
        self._missing.pop(session, None)
        self._written_off.discard(session)

    def evicted(self, session: Hashable) -> None:
        """The last lease of a missing session was evicted: it stays counted as missing until the window is over."""
        since = self._missing.pop(session, None)
        if since is not None:
            self._evicted[session] = since
        self._written_off.discard(session)

    def say(self, word: Word, now: float, sessions: int) -> Change | None:
        """Take an operator's word. Unless it is ON, it is final for those who are missing now."""
        former, self.word = self.word, word
        if word is former:
            return None
        was, count = self.active, self.count(sessions)
        if word is Word.ON:
            self.since = now
            return None if was else Change(True, "operator", count)
        self._write_off()
        self.since = None
        return Change(False, "operator", count) if was else None

    def look(self, now: float, sessions: int, window: float) -> Change | None:
        """Give the change that is due, if any; `sessions` have leases now, the missing among them."""
        while self._evicted and (first := next(iter(self._evicted.items())))[1] <= now - window:
            del self._evicted[first[0]]
        if self.word is not Word.AUTO:
            return None
        if self.since is None:
            return self._begin(now, sessions, window)
        count = self.count(sessions)
        if not count.too_many:
            self.since = None
            return Change(False, "recovered", count)
        if now - self.since < WINDOWS * window:
            return None
        self.since = None
        self._write_off()
        return Change(False, "time", count)

    def count(self, sessions: int) -> Count:
        """Give what is missing now, of so many sessions that have leases."""
        known = sessions - len(self._written_off) + len(self._evicted)
        return Count(known, len(self._missing) + len(self._evicted))

    def _begin(self, now: float, sessions: int, window: float) -> Change | None:
        lately = sum(since > now - window for since in self._missing.values())
        count = Count(self.count(sessions).sessions, lately + len(self._evicted))
        if not count.too_many:
            return None
        self.since = now
        return Change(True, "missing", count)

    def _write_off(self) -> None:
        self._written_off |= self._missing.keys()
        self._missing.clear()
        self._evicted.clear()
