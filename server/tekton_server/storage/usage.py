"""What instances and machines use, on disk: the newest of each half minute, forgotten by age.

None of it is worth a lock or a revision: a newer figure takes the place of an older one, whoever writes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton.core.machine import Machine
from tekton_server.domain.usage import Usage
from tekton_server.storage.engine import driven
from tekton_server.storage.errors import translated

log = logging.getLogger(__name__)

SLOT = 30.0
"""The step of the history, in seconds."""
_SLOT = f"date_bin('{SLOT:g} seconds', clock_timestamp(), timestamptz 'epoch')"
# Rows go in key order, so that two servers that flush at once cannot deadlock.
_FLUSH = f"""
INSERT INTO usage_samples (instance_uuid, slot, at, server_id, usage)
SELECT u::uuid, {_SLOT}, t, $1, j::json
FROM unnest($2::text[], $3::timestamptz[], $4::text[]) AS told(u, t, j) ORDER BY u
ON CONFLICT (instance_uuid, slot) DO UPDATE
SET at = excluded.at, server_id = excluded.server_id, usage = excluded.usage WHERE usage_samples.at <= excluded.at
"""
_NEWEST = """
SELECT DISTINCT ON (instance_uuid) instance_uuid::text, at, usage::text FROM usage_samples
WHERE instance_uuid = ANY($1::uuid[]) ORDER BY instance_uuid, at DESC
"""
_LATELY = """
SELECT DISTINCT ON (instance_uuid) instance_uuid::text, at, usage::text FROM usage_samples
WHERE slot >= clock_timestamp() - make_interval(secs => $2) AND server_id <> $1 ORDER BY instance_uuid, at DESC
"""
_HISTORY = """
SELECT slot, sum((usage ->> 'cpu_cores')::float8), sum((usage ->> 'rss_bytes')::float8),
       sum((usage ->> 'gpu_bytes')::float8)
FROM usage_samples
WHERE instance_uuid = ANY($1::uuid[]) AND slot >= clock_timestamp() - make_interval(secs => $2)
GROUP BY slot ORDER BY slot
"""
_PUT_MACHINE = """
INSERT INTO machines (server_id, at, figures) VALUES ($1, clock_timestamp(), $2::json)
ON CONFLICT (server_id) DO UPDATE SET at = excluded.at, figures = excluded.figures
"""
_MACHINES = """
SELECT figures::text FROM machines JOIN servers USING (server_id)
WHERE server_id <> $1 AND at >= clock_timestamp() - make_interval(secs => $2) ORDER BY server_id
"""
# One server at a time; "tekton" and 4 in ASCII.
_LOCK = 0x74656B746F6E04
_MY_TURN = text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
# In small steps, so that no statement holds up a flush; and so many steps at most in one sweep.
_STEP, _STEPS = 5000, 400
_FORGET = text("""
DELETE FROM usage_samples WHERE (instance_uuid, slot) IN (
    SELECT instance_uuid, slot FROM usage_samples WHERE slot < clock_timestamp() - make_interval(secs => :age)
    ORDER BY slot LIMIT :step
)
""")
_FORGET_MACHINES = text("DELETE FROM machines WHERE server_id NOT IN (SELECT server_id FROM servers)")

_encode = msgspec.json.Encoder().encode
_read_usage = msgspec.json.Decoder(Usage).decode
_read_machine = msgspec.json.Decoder(Machine).decode
_T = TypeVar("_T")


class Told(NamedTuple):
    """What an instance uses, and when that was told or measured."""

    instance_uuid: str
    at: datetime
    usage: Usage


class Point(NamedTuple):
    """What instances used together in a half minute; 0 is also what nobody told."""

    slot: datetime
    cpu_cores: float
    rss_bytes: float
    gpu_bytes: float


class UsageStore:
    """The tables of figures. Methods raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine, server_id: UUID) -> None:
        self._engine = engine
        self._server_id = server_id

    async def flush(self, told: Sequence[Told]) -> None:
        """Store the newest figures, each instance's once, in one statement."""
        uuids, times = [one.instance_uuid for one in told], [one.at for one in told]
        figures = [_encode(one.usage).decode() for one in told]
        async with driven(self._engine) as connection:
            await connection.execute(_FLUSH, self._server_id, uuids, times, figures)

    async def newest(self, instance_uuids: Sequence[str]) -> list[Told]:
        """Read the newest figures of instances; those that have none are left out."""
        async with driven(self._engine) as connection:
            found = await connection.fetch(_NEWEST, [UUID(one) for one in instance_uuids])
        return list(_told(found))

    async def lately(self, seconds: float) -> list[Told]:
        """Read the newest figures that other servers have stored since so many seconds, give or take a half minute."""
        async with driven(self._engine) as connection:
            found = await connection.fetch(_LATELY, self._server_id, seconds + SLOT)
        return list(_told(found))

    async def history(self, instance_uuids: Sequence[str], seconds: float) -> list[Point]:
        """Read what instances used together, in steps of half a minute, the oldest first."""
        async with driven(self._engine) as connection:
            found = await connection.fetch(_HISTORY, [UUID(one) for one in instance_uuids], seconds)
        return [Point(row[0], *(value or 0.0 for value in tuple(row)[1:])) for row in found]

    async def put_machine(self, machine: Machine) -> None:
        """Store the newest figures of this server's machine."""
        async with driven(self._engine) as connection:
            await connection.execute(_PUT_MACHINE, self._server_id, _encode(machine).decode())

    async def machines(self, seconds: float) -> list[Machine]:
        """Read the figures of the machines of the other servers that live, where they are not older than that."""
        async with driven(self._engine) as connection:
            found = await connection.fetch(_MACHINES, self._server_id, seconds)
        return [machine for row in found if (machine := _decoded(_read_machine, row[0])) is not None]

    async def forget_old(self, seconds: float) -> None:
        """Forget figures that are older than so many seconds, and machines of servers that are gone, unless another
        server does.
        """
        with translated():
            for _ in range(_STEPS):
                async with self._engine.begin() as connection:
                    if not await connection.scalar(_MY_TURN):
                        return
                    await connection.execute(_FORGET_MACHINES)
                    gone = await connection.execute(_FORGET, {"age": seconds, "step": _STEP})
                    if gone.rowcount < _STEP:
                        return


def _told(rows: Iterable[tuple[str, datetime, str]]) -> Iterable[Told]:
    for instance_uuid, at, stored in rows:
        usage = _decoded(_read_usage, stored)
        if usage is not None:
            yield Told(instance_uuid, at, usage)


def _decoded(decode: Callable[[str], _T], stored: str) -> _T | None:
    """Read what a server stored; a newer one may say what this one does not understand. Figures are only figures."""
    try:
        return decode(stored)
    except msgspec.MsgspecError as error:
        log.debug("figures of another server are passed over: %s", error)
        return None
