"""A database on paper for liveness in virtual time: the journal, the leases and the servers, as storage's statements
leave them. A round trip takes a millisecond; the database may be down, and the journal's lock held by somebody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from tekton.core.view import Commit, View
from tekton_server.storage.errors import StorageUnavailableError
from tekton_server.storage.journal import Head, JournalSession
from tekton_server.storage.leases import Judged, StoredLease
from tekton_server.storage.requests import Answered, RequestKey
from tekton_server.storage.state import Beat
from tests.support.virtual_time import VirtualLoop

HISTORY = "0badcafe"
WAY = 0.0005
LOCK_TIMEOUT = 5.0
# How often somebody who waits for the lock looks.
_QUEUE = 0.01
_NONE: Mapping[RequestKey, Answered] = {}


class Row(NamedTuple):
    """A lease as it is stored, and by which transaction."""

    lease: StoredLease
    tx: int


class Member(NamedTuple):
    """A server as it is stored."""

    renewed_at: float
    stored_until: float


class Connection:
    """A writer's connection, with at most one transaction on it."""

    def __init__(self, server_id: UUID) -> None:
        self.server_id = server_id
        self.open = True


class PaperDatabase:
    """What is stored. `committed` is told of each commit: which, by whom, and when it was decided."""

    def __init__(self, loop: VirtualLoop, committed: Callable[[Commit, UUID, float], None]) -> None:
        self.loop = loop
        self.committed = committed
        self.commits: list[Commit] = []
        self.batches: list[UUID] = []
        self.leases: dict[str, Row] = {}
        self.servers: dict[UUID, Member] = {}
        self.listeners: dict[UUID, asyncio.Event] = {}
        self.tx = 0
        self.down = False
        """Whether it answers nobody."""
        self.held = False
        """Whether another program holds the journal's lock, or takes it as soon as it is free."""
        self.slow = False
        """Whether commits wait until it is not."""
        self.stuck: set[UUID] = set()
        """The servers whose beats are not stored: the statement hangs."""
        self._cut: set[UUID] = set()
        self._connections: set[Connection] = set()
        self._holder: Connection | None = None
        self._judged: frozenset[str] = frozenset()
        self._judged_free = asyncio.Event()

    def stop(self) -> None:
        """Go down, with all connections and their transactions."""
        self.down, self.held, self.slow = True, False, False
        for connection in list(self._connections):
            self.drop(connection)

    def start(self) -> None:
        """Come back."""
        self.down = False

    def cut_off(self, server_id: UUID) -> None:
        """A server does not reach it any more; its transaction is given up."""
        self._cut.add(server_id)
        for connection in [one for one in self._connections if one.server_id == server_id]:
            self.drop(connection)

    def let_in(self, server_id: UUID) -> None:
        """It reaches it again."""
        self._cut.discard(server_id)

    def connect(self, server_id: UUID) -> Connection:
        """Open a connection."""
        connection = Connection(server_id)
        self._connections.add(connection)
        return connection

    def drop(self, connection: Connection) -> None:
        """End a connection and its transaction."""
        connection.open = False
        self._connections.discard(connection)
        self.unlock(connection)

    async def trip(self, server_id: UUID) -> None:
        """Go one way to the database or back."""
        await asyncio.sleep(WAY)
        if self.down or server_id in self._cut:
            raise _unreachable()

    async def ask(self, connection: Connection | None) -> Connection:
        """Go one way on a connection."""
        if connection is None:
            raise _unreachable()
        await self.trip(connection.server_id)
        if not connection.open:
            raise _unreachable()
        return connection

    async def lock(self, connection: Connection) -> None:
        """Take the journal's lock."""
        try:
            async with asyncio.timeout(LOCK_TIMEOUT):
                while self.held or self._holder is not None:
                    await asyncio.sleep(_QUEUE)
                    await self.ask(connection)
        except TimeoutError:
            raise StorageUnavailableError("the lock was not given") from None
        self._holder = connection

    def unlock(self, connection: Connection) -> None:
        """End the transaction of a connection, if it has one."""
        if self._holder is connection:
            self._holder, self._judged = None, frozenset()
            self._judged_free.set()

    def judge(self, instance_uuids: Collection[str]) -> None:
        """Lock the rows of leases for the transaction that holds the journal's lock."""
        self._judged |= frozenset(instance_uuids)
        self._judged_free.clear()

    async def unjudged(self, instance_uuids: Collection[str]) -> None:
        """Wait until nobody judges these."""
        while not self._judged.isdisjoint(instance_uuids):
            await self._judged_free.wait()

    def is_judged(self, instance_uuid: str) -> bool:
        """Whether a transaction has locked the row of a lease."""
        return instance_uuid in self._judged

    def write(self) -> int:
        """Begin a transaction that writes."""
        self.tx += 1
        return self.tx

    def orphan(self, row: StoredLease, asker: UUID) -> bool:
        """Whether a row's owner is gone; a server that was given up itself cannot say so."""
        return asker in self.servers and row.server_id not in self.servers

    def load(self) -> tuple[View, dict[str, Beat], int]:
        """What a server loads at its start."""
        view = View(HISTORY)
        for commit in self.commits:
            view.fold(commit)
        stored = {uuid: row.lease for uuid, row in self.leases.items()}
        beats = {u: Beat(r.session_epoch, r.last_heartbeat, r.server_id, r.version) for u, r in stored.items()}
        return view, beats, self.tx + 1

    def head(self) -> Head:
        """The end of the journal."""
        last = self.batches[-1] if self.batches else None
        return Head(HISTORY, len(self.commits), last, self.loop.wall())

    def append(self, commits: Sequence[Commit], batch_id: UUID, by: UUID, decided: float) -> None:
        """Make a batch durable, and tell everybody."""
        for commit in commits:
            assert commit.revision == len(self.commits) + 1, "revisions have no gap and never repeat"
            self.commits.append(commit)
            self.batches.append(batch_id)
            self.committed(commit, by, decided)
        for server, event in self.listeners.items():
            if server != by:
                event.set()


def _unreachable() -> StorageUnavailableError:
    return StorageUnavailableError("the database cannot be reached now; try again")


class PaperSession(JournalSession):
    """A writer's connection."""

    def __init__(self, database: PaperDatabase, server_id: UUID) -> None:
        self._db = database
        self._server_id = server_id
        self._at: Connection | None = None
        self._appended: tuple[Sequence[Commit], UUID, float] | None = None

    async def begin(self) -> Head:
        connection = await self._db.ask(self._opened())
        await self._db.lock(connection)
        await self._db.ask(connection)
        return self._db.head()

    async def head(self) -> Head:
        await self._db.ask(self._opened())
        return self._db.head()

    async def after(self, revision: int) -> list[Commit]:
        await self._db.ask(self._at)
        return self._db.commits[revision:]

    async def judged(self, instance_uuids: Sequence[str], server_id: UUID) -> Judged:
        await self._db.ask(self._at)
        db, now = self._db, self._db.loop.time()
        db.judge(instance_uuids)
        others = [member.stored_until for server, member in db.servers.items() if server != server_id]
        found = [db.leases[uuid].lease for uuid in sorted(instance_uuids) if uuid in db.leases]
        if not found:
            return Judged([], False, 0.0)
        return Judged(found, server_id in db.servers, now - min(others, default=now))

    async def remembered(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Answered]:
        return {}

    async def append(
        self, commits: Sequence[Commit], batch_id: UUID, answered: Mapping[RequestKey, Answered] = _NONE
    ) -> None:
        # Nobody else had a turn since the batch was decided.
        self._appended = commits, batch_id, self._db.loop.time()
        await self._db.ask(self._at)

    async def commit(self) -> None:
        connection = await self._db.ask(self._at)
        while self._db.slow:
            await asyncio.sleep(_QUEUE)
            await self._db.ask(connection)
        if self._appended is not None:
            commits, batch_id, decided = self._appended
            self._db.append(commits, batch_id, self._server_id, decided)
        self._end(connection)
        await self._db.ask(connection)

    async def rollback(self) -> None:
        connection = await self._db.ask(self._at)
        self._end(connection)
        await self._db.ask(connection)

    async def batch_at(self, revision: int) -> UUID | None:
        await self._db.ask(self._at)
        return self._db.batches[revision - 1] if 0 < revision <= len(self._db.batches) else None

    def reset(self) -> None:
        self._appended = None
        if self._at is not None:
            self._db.drop(self._at)
            self._at = None

    def _opened(self) -> Connection:
        if self._at is None or not self._at.open:
            self._at = self._db.connect(self._server_id)
        return self._at

    def _end(self, connection: Connection) -> None:
        self._appended = None
        self._db.unlock(connection)
