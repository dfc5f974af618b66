"""What the database forgets: old answers, old tombstones, and the beginning of the journal."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.storage.errors import translated
from tekton_server.storage.requests import REMEMBERED

TOMBSTONES_KEPT = "24 hours"
# One server at a time; "tekton" and 3 in ASCII.
_LOCK = 0x74656B746F6E03
_MY_TURN = text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
# Deleted in small steps, so that no statement holds up the writer; and so many steps at most in one sweep.
_STEP = 1000
_STEPS = 200

_OLD = "DELETE FROM {} WHERE recorded_at < clock_timestamp() - interval '{}'"
_FORGET_REQUESTS = text(_OLD.format("requests", REMEMBERED))
_FORGET_TOMBSTONES = text(_OLD.format("tombstones", TOMBSTONES_KEPT))
# The primary key gives the oldest revisions without a scan. The last one always stays: it is where the next begins.
_COMPACT = text("""
WITH head AS (SELECT max(revision) AS revision FROM journal),
oldest AS (SELECT revision, recorded_at FROM journal WHERE idx = 0 ORDER BY revision LIMIT :step),
due AS (
    SELECT oldest.revision FROM oldest, head
    WHERE oldest.revision < head.revision
    AND (
        oldest.recorded_at < clock_timestamp() - CAST(:age AS interval)
        OR oldest.revision <= head.revision - CAST(:revisions AS bigint)
    )
)
DELETE FROM journal USING due WHERE journal.revision = due.revision
""")


class JournalKept(NamedTuple):
    """How much of the journal is kept: what is younger than `age`, and never more than `revisions`."""

    age: timedelta = timedelta(days=7)
    revisions: int = 1_000_000


async def forget_old(engine: AsyncEngine, kept: JournalKept) -> None:
    """Delete remembered answers and tombstones whose time is over, and compact the journal, unless another server does.

    Raises:
        StorageUnavailableError: the database cannot be asked.
    """
    with translated():
        async with engine.begin() as connection:
            if not await connection.scalar(_MY_TURN):
                return
            await connection.execute(_FORGET_REQUESTS)
            await connection.execute(_FORGET_TOMBSTONES)
        for _ in range(_STEPS):
            async with engine.begin() as connection:
                if not await connection.scalar(_MY_TURN):
                    return
                values = {"step": _STEP, "age": kept.age, "revisions": kept.revisions}
                if (await connection.execute(_COMPACT, values)).rowcount == 0:
                    return
