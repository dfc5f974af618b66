"""The servers on one database: each renews its row, by the database's clock, and one that does not is given up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.storage.engine import driven

_JOIN = """
INSERT INTO servers (server_id, address, started_at, renewed_at, stored_until)
VALUES ($1, $2, clock_timestamp(), clock_timestamp(), clock_timestamp())
ON CONFLICT (server_id) DO UPDATE SET renewed_at = excluded.renewed_at, stored_until = excluded.stored_until
"""
_RENEW = """
WITH renewed AS (
    UPDATE servers
    SET renewed_at = clock_timestamp(), stored_until = clock_timestamp() - make_interval(secs => $2)
    WHERE server_id = $1 RETURNING server_id
)
SELECT server_id, extract(epoch FROM clock_timestamp() - renewed_at)::float8,
       EXISTS (SELECT FROM renewed)
FROM servers
"""
_BURY = """
DELETE FROM servers
WHERE server_id = ANY($1) AND renewed_at < clock_timestamp() - make_interval(secs => $2)
RETURNING server_id
"""
_LEAVE = "DELETE FROM servers WHERE server_id = $1"
_ALONE = "DELETE FROM servers WHERE server_id <> $1"


class Standing(NamedTuple):
    """Whether the row of the server that asks was there, and since how many seconds each other has not renewed its."""

    member: bool
    others: Mapping[UUID, float]


class ServerStore:
    """The servers table. Methods raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine, server_id: UUID) -> None:
        self._engine = engine
        self._server_id = server_id

    async def join(self, address: str) -> None:
        """Put this server in."""
        await self._rows(_JOIN, self._server_id, address)

    async def be_alone(self) -> None:
        """Take every other server out: nobody else can be using this database."""
        await self._rows(_ALONE, self._server_id)

    async def renew(self, behind: float) -> Standing:
        """Renew the row of this server, which has stored all beats but those of the last `behind` seconds."""
        rows = await self._rows(_RENEW, self._server_id, behind)
        others = {server_id: age for server_id, age, _ in rows if server_id != self._server_id}
        return Standing(any(renewed for _, _, renewed in rows), others)

    async def bury(self, servers: Collection[UUID], lease: float) -> set[UUID]:
        """Take servers out that have not renewed for `lease` seconds; gives those that this call took."""
        return {row[0] for row in await self._rows(_BURY, list(servers), lease)}

    async def leave(self) -> None:
        """Take this server out: its leases are orphans from now on."""
        await self._rows(_LEAVE, self._server_id)

    async def _rows(self, statement: str, *values: Any) -> list[Any]:
        async with driven(self._engine) as connection:
            return await connection.fetch(statement, *values)
