"""Errors that components have reported: added one by one, swept by age and by number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton.core.ids import lookup_key
from tekton_server.domain.error_reports import ErrorReport
from tekton_server.storage.engine import driven
from tekton_server.storage.errors import translated

KEPT = "72 hours"
# The newest of each component, and of all.
OF_ONE, OF_ALL = 100, 10_000
_COLUMNS = "component_id, instance_uuid::text, error_type, message, code, at, stack_trace, context::text"
_ADD = """
INSERT INTO error_reports
    (key, component_id, instance_uuid, error_type, message, code, at, stack_trace, context, reported_at)
SELECT $1, $2, $3, $4, $5, $6, coalesce($7, now), $8, $9::json, now FROM (SELECT clock_timestamp() AS now) AS clock
RETURNING id
"""
_LIST = f"""
SELECT id, reported_at, {_COLUMNS} FROM error_reports WHERE key = $1 AND id < $2 ORDER BY id DESC LIMIT $3
"""
_LAST = f"""
SELECT DISTINCT ON (key) id, reported_at, {_COLUMNS} FROM error_reports
WHERE key = ANY($1::text[]) ORDER BY key, id DESC
"""
# One server at a time; "tekton" and 5 in ASCII.
_LOCK = 0x74656B746F6E05
_MY_TURN = text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
_SWEEP = text(f"""
WITH ranked AS (
    SELECT id, row_number() OVER (PARTITION BY key ORDER BY id DESC) AS own,
           row_number() OVER (ORDER BY id DESC) AS place
    FROM error_reports
)
DELETE FROM error_reports USING ranked WHERE error_reports.id = ranked.id
AND (own > {OF_ONE} OR place > {OF_ALL} OR reported_at < clock_timestamp() - interval '{KEPT}')
""")
END = 2**63 - 1


class KeptReport(NamedTuple):
    """A report as it is kept."""

    id: int
    reported_at: datetime
    report: ErrorReport


class ErrorReportStore:
    """The error_reports table. Methods raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, report: ErrorReport) -> int:
        """Keep a report, and give its id."""
        async with driven(self._engine) as connection:
            found: int = await connection.fetchval(
                _ADD,
                lookup_key(report.component_id),
                report.component_id,
                UUID(report.instance_uuid),
                report.error_type,
                report.message,
                report.code,
                report.at,
                report.stack_trace,
                msgspec.json.encode(report.context).decode(),
            )
        return found

    async def list(self, component_id: str, before: int, most: int) -> list[KeptReport]:
        """Read the reports of a component before one, the newest first."""
        async with driven(self._engine) as connection:
            found = await connection.fetch(_LIST, lookup_key(component_id), before, most)
        return [_kept(tuple(row)) for row in found]

    async def last(self, component_ids: Sequence[str]) -> dict[str, KeptReport]:
        """Read the last report of each component that has one, by their look-up keys."""
        async with driven(self._engine) as connection:
            found = await connection.fetch(_LAST, [lookup_key(one) for one in component_ids])
        return {lookup_key(kept.report.component_id): kept for kept in (_kept(tuple(row)) for row in found)}

    async def sweep(self) -> None:
        """Forget what is too old or too much, unless another server does."""
        with translated():
            async with self._engine.begin() as connection:
                if await connection.scalar(_MY_TURN):
                    await connection.execute(_SWEEP)


def _kept(row: tuple[object, ...]) -> KeptReport:
    report_id, reported_at, component_id, instance_uuid, error_type, message, code, at, stack_trace, context = row
    given = (component_id, instance_uuid, error_type, message, code, at, stack_trace)
    names = ("component_id", "instance_uuid", "error_type", "message", "code", "at", "stack_trace")
    report = ErrorReport(**dict(zip(names, given, strict=True)), context=msgspec.json.decode(str(context)))  # type: ignore[arg-type]
    return KeptReport(report_id, reported_at, report)  # type: ignore[arg-type]
