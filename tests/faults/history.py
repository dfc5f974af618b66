"""What callers, watchers and components saw, and the proof that all of it agrees with the journal.

Everybody records while faults happen; `violations` compares the records with one another and with the journal in the
database afterwards. It asks for what DESIGN promises: no acknowledged write is lost, none is done twice, none that was
refused happened, every watcher sees every revision once and in order, no read goes back in time, and nobody who beats
is failed.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

Keys = tuple[str, ...]


class Outcome(Enum):
    """What a caller knows of an attempt."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused, so it did not happen"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Attempt:
    """One call that writes. An `operation` is tried until it is acknowledged; it names what it writes."""

    operation: str
    began: float
    ended: float
    outcome: Outcome
    revision: int = 0
    said: str = ""


@dataclass(frozen=True)
class Read:
    """One read of a component that was acknowledged before, and the revision it was answered from."""

    connection: str
    began: float
    ended: float
    revision: int


@dataclass(frozen=True)
class Row:
    """One row of the journal. `operation` is the one that wrote it, where the row can tell."""

    revision: int
    kind: str
    key: str
    operation: str = ""
    before: str = ""
    after: str = ""


class Watch:
    """What one watcher saw, over all its connections: a beginning, and revisions with the keys they touched.

    `states`: it watches state changes only, and a key is an instance with its new state.
    """

    def __init__(self, name: str, *, states: bool = False) -> None:
        self.name = name
        self.states = states
        self.beginnings: list[int] = []
        self.seen: list[tuple[int, Keys]] = []
        self.connections = 0
        self._news = asyncio.Condition()

    @property
    def revision(self) -> int:
        """The last revision it knows of."""
        return max((self.beginnings[-1:] or [0])[0], self.seen[-1][0] if self.seen else 0)

    async def began(self, revision: int) -> None:
        """It begins at a revision: with a snapshot, or anew because it was told to."""
        self.beginnings.append(revision)
        self.seen.clear()
        await self._wake()

    async def saw(self, revision: int, keys: Keys) -> None:
        """It was told all of a revision."""
        self.seen.append((revision, keys))
        await self._wake()

    async def reached(self, revision: int, within: float = 20.0) -> None:
        """Wait until it has seen a revision."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: self.beginnings and self.revision >= revision)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()


@dataclass
class Beater:
    """A component that never stopped trying to beat."""

    component_id: str
    instance_uuid: str
    beats: int = 0
    told_lost: list[str] = field(default_factory=list)


class History:
    """Everything that was recorded during one test."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.reads: list[Read] = []
        self.watches: list[Watch] = []
        self.beaters: list[Beater] = []
        self.surprises: list[str] = []
        self._news = asyncio.Condition()

    @property
    def acknowledged(self) -> list[Attempt]:
        """What was acknowledged."""
        return [one for one in self.attempts if one.outcome is Outcome.ACKNOWLEDGED]

    async def attempted(self, attempt: Attempt) -> None:
        """Record an attempt."""
        async with self._news:
            self.attempts.append(attempt)
            self._news.notify_all()

    async def more(self, count: int, within: float = 20.0) -> None:
        """Wait until so many more attempts, begun from now on, are acknowledged."""
        now = time.monotonic()
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: sum(one.began >= now for one in self.acknowledged) >= count)


def violations(history: History, journal: Sequence[Row], *, one_server: bool = True) -> list[str]:
    """Give everything that is wrong, a sentence each. `one_server`: a read knows every write acknowledged before it."""
    found = list(history.surprises)
    found += _journal(journal)
    found += _writes(history.attempts, journal)
    found += _order(history.attempts)
    found += _reads(history.reads, history.acknowledged if one_server else [])
    for watch in history.watches:
        found += _watch(watch, journal)
    for beater in history.beaters:
        found += _beater(beater, journal)
    return found


def _journal(journal: Sequence[Row]) -> Iterator[str]:
    revisions = sorted({row.revision for row in journal})
    if revisions != list(range(1, len(revisions) + 1)):
        yield "the journal's revisions are not 1..N"


def _writes(attempts: Sequence[Attempt], journal: Sequence[Row]) -> Iterator[str]:
    done: dict[str, list[int]] = defaultdict(list)
    for row in journal:
        if row.operation:
            done[row.operation].append(row.revision)
    tried: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        tried[attempt.operation].append(attempt)
    for operation, tries in tried.items():
        times, outcomes = len(done[operation]), Counter(one.outcome for one in tries)
        if times > 1:
            yield f"{operation} was done {times} times, at {done[operation]}"
        elif times == 0 and outcomes[Outcome.ACKNOWLEDGED]:
            yield f"{operation} was acknowledged and is lost"
        elif times and not outcomes[Outcome.ACKNOWLEDGED] and not outcomes[Outcome.UNKNOWN]:
            yield f"{operation} was refused every time ({tries[-1].said}) and happened"
        for one in tries:
            if one.outcome is Outcome.ACKNOWLEDGED and times == 1 and one.revision != done[operation][0]:
                yield f"{operation} was acknowledged as {one.revision} and is {done[operation][0]}"


def _order(attempts: Sequence[Attempt]) -> Iterator[str]:
    """An operation that begins when another was acknowledged gets a later revision."""
    began: dict[str, float] = {}
    for one in attempts:
        began[one.operation] = min(one.began, began.get(one.operation, one.began))
    acknowledged = [one for one in attempts if one.outcome is Outcome.ACKNOWLEDGED]
    by_end = sorted(acknowledged, key=lambda one: one.ended)
    highest, position = 0, 0
    for one in sorted(acknowledged, key=lambda one: began[one.operation]):
        while position < len(by_end) and by_end[position].ended < began[one.operation]:
            highest = max(highest, by_end[position].revision)
            position += 1
        if one.revision < highest:
            yield f"{one.operation} got {one.revision} after {highest} was acknowledged"


def _reads(reads: Sequence[Read], acknowledged: Sequence[Attempt]) -> Iterator[str]:
    by_connection: dict[str, list[Read]] = defaultdict(list)
    for read in reads:
        by_connection[read.connection].append(read)
    for connection, own in by_connection.items():
        for one, other in pairwise(own):
            if other.revision < one.revision:
                yield f"{connection} read {other.revision} after {one.revision}"
    by_end = sorted(acknowledged, key=lambda one: one.ended)
    highest, position = 0, 0
    for read in sorted(reads, key=lambda read: read.began):
        while position < len(by_end) and by_end[position].ended < read.began:
            highest = max(highest, by_end[position].revision)
            position += 1
        if read.revision < highest:
            yield f"{read.connection} read {read.revision} after {highest} was acknowledged"


def _watch(watch: Watch, journal: Sequence[Row]) -> Iterator[str]:
    """After its last beginning a watcher sees exactly the journal, as far as it came."""
    if not watch.beginnings:
        yield f"{watch.name} never began"
        return
    if watch.beginnings != sorted(watch.beginnings):
        yield f"{watch.name} began at {watch.beginnings}, going back"
    expected: dict[int, Keys] = {}
    for row in journal:
        # Commands are told to their instances alone.
        key = _state_key(row) if watch.states else "" if row.kind == "command" else row.key
        if key and watch.beginnings[-1] < row.revision <= watch.revision:
            expected[row.revision] = (*expected.get(row.revision, ()), key)
    seen = [revision for revision, _ in watch.seen]
    for one, other in pairwise(seen):
        if other <= one:
            yield f"{watch.name} saw {other} after {one}"
    if missed := sorted(set(expected) - set(seen)):
        yield f"{watch.name} missed {missed[:5]} ({len(missed)} in all)"
    for revision, keys in watch.seen:
        if keys != expected.get(revision):
            yield f"{watch.name} saw {keys} at {revision}, and the journal holds {expected.get(revision)}"


def _state_key(row: Row) -> str:
    return f"{row.key} {row.after}" if row.kind == "instance" and row.after and row.after != row.before else ""


def _beater(beater: Beater, journal: Sequence[Row]) -> Iterator[str]:
    failed = [row.revision for row in journal if row.key == beater.instance_uuid and row.after == "failed"]
    if failed:
        yield f"{beater.component_id} kept beating and was failed at {failed}"
    if beater.told_lost:
        yield f"{beater.component_id} kept beating and was told {beater.told_lost}"
