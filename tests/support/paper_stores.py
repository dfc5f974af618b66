"""What storage asks of the paper database beside the journal: the leases table, the servers table, and the notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from uuid import UUID

from tekton_server.storage.leases import FlushedBeat, LeaseStore, StoredLease
from tekton_server.storage.notices import Notices
from tekton_server.storage.servers import ServerStore, Standing
from tests.support.paper_database import Member, PaperDatabase, Row

_LOOK = 0.05


class PaperLeaseStore(LeaseStore):
    """The leases table, for one server."""

    def __init__(self, database: PaperDatabase, server_id: UUID) -> None:
        self._db = database
        self.server_id = server_id

    async def flush(self, beats: Sequence[FlushedBeat]) -> list[StoredLease]:
        await self._db.trip(self.server_id)
        while self.server_id in self._db.stuck:
            await asyncio.sleep(_LOOK)
            await self._db.trip(self.server_id)
        await self._db.unjudged([beat.instance_uuid for beat in beats])
        db, foreign = self._db, []
        tx = db.write()
        for uuid, epoch, last, metrics in sorted(beats):
            row = StoredLease(uuid, self.server_id, epoch, last, metrics, 1, self.server_id)
            if uuid in db.leases:
                was = db.leases[uuid].lease
                takes = epoch > was.session_epoch or db.orphan(was, self.server_id)
                row = StoredLease(
                    uuid,
                    self.server_id if takes else was.server_id,
                    max(epoch, was.session_epoch),
                    max(last, was.last_heartbeat),
                    metrics or was.metrics,
                    was.version + 1,
                    self.server_id,
                )
            db.leases[uuid] = Row(row, tx)
            if row.server_id != self.server_id:
                foreign.append(row)
        await db.trip(self.server_id)
        return foreign

    async def forget(self, ended: Collection[str]) -> None:
        await self._db.trip(self.server_id)
        for uuid in ended:
            self._db.leases.pop(uuid, None)

    async def horizon(self) -> int:
        await self._db.trip(self.server_id)
        return self._db.tx + 1

    async def changed(self, horizon: int) -> AsyncGenerator[list[StoredLease], None]:
        await self._db.trip(self.server_id)
        rows = self._db.leases.values()
        yield [row.lease for row in rows if row.tx >= horizon and row.lease.written_by != self.server_id]

    async def everything(self) -> AsyncGenerator[list[StoredLease], None]:
        await self._db.trip(self.server_id)
        yield [row.lease for row in self._db.leases.values()]

    async def adopt(self) -> list[StoredLease]:
        await self._db.trip(self.server_id)
        db, taken = self._db, []
        tx = db.write()
        for uuid, (lease, _) in db.leases.items():
            if db.orphan(lease, self.server_id) and not db.is_judged(uuid):
                mine = lease._replace(server_id=self.server_id, version=lease.version + 1, written_by=self.server_id)
                db.leases[uuid] = Row(mine, tx)
                taken.append(mine)
        await db.trip(self.server_id)
        return taken

    async def enter(self, beats: Sequence[FlushedBeat]) -> list[StoredLease]:
        await self._db.trip(self.server_id)
        db, tx = self._db, self._db.write()
        for uuid, _, last, _ in beats:
            row = StoredLease(uuid, self.server_id, 0, last, None, 1, self.server_id)
            db.leases.setdefault(uuid, Row(row, tx))
        await db.trip(self.server_id)
        return [db.leases[beat.instance_uuid].lease for beat in beats]


class PaperServerStore(ServerStore):
    """The servers table, for one of them."""

    def __init__(self, database: PaperDatabase, server_id: UUID) -> None:
        self._db = database
        self._server_id = server_id

    async def join(self, address: str) -> None:
        await self._db.trip(self._server_id)
        now = self._db.loop.time()
        self._db.servers[self._server_id] = Member(now, now)

    async def renew(self, behind: float) -> Standing:
        await self._db.trip(self._server_id)
        servers, now = self._db.servers, self._db.loop.time()
        member = self._server_id in servers
        if member:
            servers[self._server_id] = Member(now, now - behind)
        others = {server: now - one.renewed_at for server, one in servers.items() if server != self._server_id}
        await self._db.trip(self._server_id)
        return Standing(member, others)

    async def bury(self, servers: Collection[UUID], lease: float) -> set[UUID]:
        await self._db.trip(self._server_id)
        known, now = self._db.servers, self._db.loop.time()
        gone = {server for server in servers if server in known and known[server].renewed_at < now - lease}
        for server in gone:
            del known[server]
        return gone


class PaperNotices(Notices):
    """What tells a server that another one has written."""

    def __init__(self, database: PaperDatabase, server_id: UUID) -> None:
        self._db = database
        self._server_id = server_id
        self._news = database.listeners[server_id] = asyncio.Event()

    async def next(self, patience: float) -> int:
        try:
            async with asyncio.timeout(patience):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        await self._db.trip(self._server_id)
        return len(self._db.commits)

    def reset(self) -> None:
        self._news.clear()
