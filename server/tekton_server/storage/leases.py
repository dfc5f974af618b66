"""Beats on disk: one statement for many, at most once a second for each lease."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.storage.engine import driver
from tekton_server.storage.errors import translated

# Rows go in key order, so that two servers that flush at once cannot deadlock.
_FLUSH = """
INSERT INTO leases (instance_uuid, server_id, session_epoch, last_heartbeat)
SELECT u::uuid, $1, e, b FROM unnest($2::text[], $3::bigint[], $4::timestamptz[]) AS t(u, e, b) ORDER BY u
ON CONFLICT (instance_uuid) DO UPDATE
SET server_id = excluded.server_id, session_epoch = excluded.session_epoch, last_heartbeat = excluded.last_heartbeat
"""
_FORGET = "DELETE FROM leases WHERE instance_uuid = ANY($1::uuid[])"


class FlushedBeat(NamedTuple):
    """The last beat of one lease."""

    instance_uuid: str
    session_epoch: int
    last_heartbeat: datetime


class LeaseStore:
    """The leases table. Methods raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine, server_id: UUID) -> None:
        self._engine = engine
        self._server_id = server_id

    async def flush(self, beats: Sequence[FlushedBeat]) -> None:
        """Store the newest beats, each instance's once, in one statement."""
        uuids, epochs, times = ([], [], []) if not beats else map(list, zip(*beats, strict=True))
        with translated():
            async with self._engine.connect() as connection:
                await (await driver(connection)).execute(_FLUSH, self._server_id, uuids, epochs, times)

    async def forget(self, ended: Collection[str]) -> None:
        """Forget leases that have ended."""
        with translated():
            async with self._engine.connect() as connection:
                await (await driver(connection)).execute(_FORGET, [UUID(one) for one in ended])
