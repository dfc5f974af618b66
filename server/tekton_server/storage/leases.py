"""Leases on disk: who owns which, and the beats that were heard, by whichever server.

A lease is its owner's, the server that its row names, for as long as that server is in `servers`; afterwards it is an
orphan, and whoever writes the row first takes it. So no two servers ever own one, and nothing has to be handed over.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.storage.engine import driven

# How many rows come at once, so that a large registry stops nobody's loop.
PART = 2000
_COLUMNS = "instance_uuid::text, server_id, session_epoch, last_heartbeat, metrics::text, version, written_by"
_TX = "pg_current_xact_id()::text::bigint"
# NULL where the server that asks is none of them: it was given up, and so takes nothing.
_LIVING = "((SELECT array_agg(server_id) FROM servers HAVING bool_or(server_id = $1))::uuid[])"
# Rows go in key order, so that two servers that flush at once cannot deadlock. A greater epoch is a newer stream.
_FLUSH = f"""
WITH stored AS (
    INSERT INTO leases
        (instance_uuid, server_id, session_epoch, last_heartbeat, metrics, version, written_tx, written_by)
    SELECT u::uuid, $1, e, b, m::json, 1, {_TX}, $1
    FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::text[]) AS t(u, e, b, m) ORDER BY u
    ON CONFLICT (instance_uuid) DO UPDATE
    SET server_id = CASE WHEN excluded.session_epoch > leases.session_epoch OR leases.server_id <> ALL ({_LIVING})
                    THEN excluded.server_id ELSE leases.server_id END,
        session_epoch = greatest(leases.session_epoch, excluded.session_epoch),
        last_heartbeat = greatest(leases.last_heartbeat, excluded.last_heartbeat),
        metrics = coalesce(excluded.metrics, leases.metrics),
        version = leases.version + 1, written_tx = excluded.written_tx, written_by = excluded.written_by
    RETURNING *
)
SELECT {_COLUMNS} FROM stored WHERE server_id <> $1
"""
_FORGET = """
DELETE FROM leases WHERE instance_uuid IN (
    SELECT instance_uuid FROM leases WHERE instance_uuid = ANY($1::uuid[]) ORDER BY instance_uuid FOR UPDATE
)
"""
# Whatever a later transaction writes is not in this snapshot, and neither is what one of these still writes.
_HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_CHANGED = f"SELECT {_COLUMNS} FROM leases WHERE written_tx >= $1 AND written_by <> $2"
_ALL = f"SELECT {_COLUMNS} FROM leases"
# What another server takes at the same moment is skipped: the survivors share the orphans, and nobody waits.
_ADOPT = f"""
WITH orphans AS (
    SELECT instance_uuid FROM leases WHERE server_id <> ALL ({_LIVING}) LIMIT {PART} FOR UPDATE SKIP LOCKED
)
UPDATE leases SET server_id = $1, version = version + 1, written_tx = {_TX}, written_by = $1
FROM orphans WHERE leases.instance_uuid = orphans.instance_uuid
RETURNING {_COLUMNS.replace("instance_uuid", "leases.instance_uuid", 1)}
"""
_ENTER = f"""
INSERT INTO leases (instance_uuid, server_id, session_epoch, last_heartbeat, version, written_tx, written_by)
SELECT u::uuid, $1, 0, b, 1, {_TX}, $1 FROM unnest($2::text[], $3::timestamptz[]) AS t(u, b) ORDER BY u
ON CONFLICT (instance_uuid) DO NOTHING
"""
_THESE = f"{_ALL} WHERE instance_uuid = ANY($1::uuid[])"
_JUDGED = f"""
SELECT {_COLUMNS}, coalesce(standing.mine, false), coalesce(standing.behind, 0)::float8
FROM leases CROSS JOIN (
    SELECT bool_or(server_id = $2) AS mine,
           extract(epoch FROM clock_timestamp() - min(stored_until) FILTER (WHERE server_id <> $2)) AS behind
    FROM servers
) standing
WHERE instance_uuid = ANY($1::uuid[]) ORDER BY instance_uuid FOR UPDATE OF leases
"""


class FlushedBeat(NamedTuple):
    """The last beat of one lease; the figures as JSON, None where there is no need to store any."""

    instance_uuid: str
    session_epoch: int
    last_heartbeat: datetime
    metrics: str | None = None


class StoredLease(NamedTuple):
    """A row: whose the lease is, and the last beat that anybody stored. A later `version` is newer."""

    instance_uuid: str
    server_id: UUID
    session_epoch: int
    last_heartbeat: datetime
    metrics: str | None
    version: int
    written_by: UUID


class Judged(NamedTuple):
    """The rows of leases that are to expire, locked; and how sure they are.

    `member`: whether the server that asks is in `servers`. `behind`: of the last so many seconds, another server may
    have heard beats that it has not stored.
    """

    rows: Sequence[StoredLease]
    member: bool
    behind: float


class LeaseStore:
    """The leases table. Methods raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine, server_id: UUID) -> None:
        self._engine = engine
        self.server_id = server_id

    async def flush(self, beats: Sequence[FlushedBeat]) -> list[StoredLease]:
        """Store the newest beats, each instance's once, in one statement; gives those that another server owns."""
        columns = ([], [], [], []) if not beats else map(list, zip(*beats, strict=True))
        return await self._rows(_FLUSH, self.server_id, *columns)

    async def forget(self, ended: Collection[str]) -> None:
        """Forget leases that have ended."""
        async with driven(self._engine) as connection:
            await connection.execute(_FORGET, [UUID(one) for one in ended])

    async def horizon(self) -> int:
        """Give where `changed` begins to see what others write from now on."""
        async with driven(self._engine) as connection:
            return await read_horizon(connection)

    async def changed(self, horizon: int) -> AsyncGenerator[list[StoredLease], None]:
        """Read what other servers wrote last since a horizon, in parts; some of it perhaps once more."""
        async for part in self._parts(_CHANGED, horizon, self.server_id):
            yield part

    async def everything(self) -> AsyncGenerator[list[StoredLease], None]:
        """Read all rows, in parts."""
        async for part in self._parts(_ALL):
            yield part

    async def adopt(self) -> list[StoredLease]:
        """Take over some leases whose owner is gone; ask again until none come."""
        return await self._rows(_ADOPT, self.server_id)

    async def enter(self, beats: Sequence[FlushedBeat]) -> list[StoredLease]:
        """Take over leases that nobody has stored yet; gives the rows of all of them, whosever they are."""
        uuids = [beat.instance_uuid for beat in beats]
        await self._rows(_ENTER, self.server_id, uuids, [beat.last_heartbeat for beat in beats])
        return await self._rows(_THESE, [UUID(one) for one in uuids])

    async def _rows(self, statement: str, *values: Any) -> list[StoredLease]:
        async with driven(self._engine) as connection:
            return [StoredLease(*row) for row in await connection.fetch(statement, *values)]

    async def _parts(self, statement: str, *values: Any) -> AsyncGenerator[list[StoredLease], None]:
        async with driven(self._engine) as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(statement, *values)
            while rows := await cursor.fetch(PART):
                yield [StoredLease(*row) for row in rows]


async def read_horizon(connection: asyncpg.Connection[Any]) -> int:
    """Read where the changes begin that this snapshot does not hold."""
    found: int = await connection.fetchval(_HORIZON)
    return found


async def read_judged(connection: asyncpg.Connection[Any], instance_uuids: Sequence[str], server_id: UUID) -> Judged:
    """Read and lock leases that are to expire: until the end of the transaction nobody stores a beat of theirs."""
    found = await connection.fetch(_JUDGED, [UUID(one) for one in instance_uuids], server_id)
    member, behind = (found[0][-2], found[0][-1]) if found else (False, 0.0)
    return Judged([StoredLease(*row[:-2]) for row in found], member, behind)
