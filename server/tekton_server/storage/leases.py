"""Beats on disk: one statement for all that changed, at most once a second."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.storage.errors import translated

# Rows go in key order, so that two servers that flush at once cannot deadlock.
_FLUSH = text("""
INSERT INTO leases (instance_uuid, server_id, session_epoch, last_heartbeat)
SELECT u, :server_id, e, b
FROM unnest(:uuids, :epochs, :beats) AS t(u, e, b)
ORDER BY u
ON CONFLICT (instance_uuid) DO UPDATE
SET server_id = excluded.server_id, session_epoch = excluded.session_epoch, last_heartbeat = excluded.last_heartbeat
""").bindparams(
    bindparam("server_id", type_=Uuid),
    bindparam("uuids", type_=ARRAY(Uuid)),
    bindparam("epochs", type_=ARRAY(BigInteger)),
    bindparam("beats", type_=ARRAY(DateTime(timezone=True))),
)
_FORGET = text("DELETE FROM leases WHERE instance_uuid = ANY(:uuids)").bindparams(bindparam("uuids", type_=ARRAY(Uuid)))


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

    async def flush(self, beats: Iterable[FlushedBeat], ended: Iterable[str]) -> None:
        """Store the newest beats and forget leases that have ended."""
        beaten = list(beats)
        gone = [UUID(instance_uuid) for instance_uuid in ended]
        if not beaten and not gone:
            return
        with translated():
            async with self._engine.begin() as connection:
                if beaten:
                    values = {
                        "server_id": self._server_id,
                        "uuids": [UUID(b.instance_uuid) for b in beaten],
                        "epochs": [b.session_epoch for b in beaten],
                        "beats": [b.last_heartbeat for b in beaten],
                    }
                    await connection.execute(_FLUSH, values)
                if gone:
                    await connection.execute(_FORGET, {"uuids": gone})
