"""Answers that are remembered for a while, so that a request sent again is answered again and not done again."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.storage.errors import translated

REMEMBERED = "10 minutes"
TOMBSTONES_KEPT = "24 hours"

_FORGET_REQUESTS = text(f"DELETE FROM requests WHERE recorded_at < clock_timestamp() - interval '{REMEMBERED}'")
_FORGET_TOMBSTONES = text(
    f"DELETE FROM tombstones WHERE recorded_at < clock_timestamp() - interval '{TOMBSTONES_KEPT}'"
)


class RequestKey(NamedTuple):
    """Who asked what under which id; ids of different callers and RPCs have nothing to do with each other."""

    principal: str
    rpc: str
    request_id: str


class Request(NamedTuple):
    """A request that carries an id."""

    key: RequestKey
    body_hash: str


class Answered(NamedTuple):
    """What was answered to it: the hash of its body, and the reply as JSON."""

    body_hash: str
    reply: str


async def forget_old(engine: AsyncEngine) -> None:
    """Delete remembered answers and tombstones whose time is over.

    Raises:
        StorageUnavailableError: the database cannot be asked.
    """
    with translated():
        async with engine.begin() as connection:
            await connection.execute(_FORGET_REQUESTS)
            await connection.execute(_FORGET_TOMBSTONES)
