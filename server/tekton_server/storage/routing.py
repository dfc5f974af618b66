"""What routing keeps in tables of its own: what was learnt of models, and explanations for the other servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.domain.routing.averages import LEAST, Key, Sums
from tekton_server.storage.engine import driven

_SUMS = Sums._fields
_LISTED = ", ".join(_SUMS)
# What is left since a row was written: $1 is the half-life in seconds. PostgreSQL refuses what is too near to zero.
_FADED = "power(0.5, least(200, greatest(0, extract(epoch FROM {now} - a.as_of)) / $1::float8))"
_NOW = _FADED.format(now="clock_timestamp()")
_GIVEN = ", ".join(f"${number}::float8[]" for number in range(4, 4 + len(_SUMS)))
# Rows go in key order, so that two servers that store at once cannot deadlock.
_ADD = f"""
INSERT INTO model_averages AS a (task_type, model_id, {_LISTED}, as_of)
SELECT given.*, now.at
FROM unnest($2::text[], $3::text[], {_GIVEN}) AS given(task_type, model_id, {_LISTED}), clock_timestamp() AS now(at)
ORDER BY model_id, task_type
ON CONFLICT (model_id, task_type) DO UPDATE SET
{", ".join(f"{name} = a.{name} * {_FADED.format(now='excluded.as_of')} + excluded.{name}" for name in _SUMS)},
as_of = greatest(a.as_of, excluded.as_of)
RETURNING task_type, model_id, {_LISTED}
"""
_READ = f"""
SELECT task_type, model_id, {", ".join(f"{name} * {_NOW} AS {name}" for name in _SUMS)}, as_of FROM model_averages a
"""
_ALL = f"{_READ} WHERE calls * {_NOW} >= {LEAST} ORDER BY as_of"
# A statement that began earlier may have written an earlier time: what was written a moment before is read once more.
_CHANGED = f"{_READ} WHERE as_of >= $2::timestamptz - interval '2 seconds'"
_FORGET = f"DELETE FROM model_averages a WHERE calls * {_NOW} < {LEAST}"

_KEEP = """
INSERT INTO route_decisions (decision_id, explanation, decided_at)
SELECT i::uuid, e::json, clock_timestamp() FROM unnest($1::text[], $2::text[]) AS t(i, e) ON CONFLICT DO NOTHING
"""
_FIND = """
SELECT explanation::text FROM route_decisions
WHERE decision_id = $1 AND decided_at >= clock_timestamp() - make_interval(secs => $2)
"""
_FORGET_DECISIONS = "DELETE FROM route_decisions WHERE decided_at < clock_timestamp() - make_interval(secs => $1)"


class Stored(NamedTuple):
    """What was read, as of now by the database's clock, and when the newest of it was written; None where none was."""

    sums: Sequence[tuple[Key, Sums]]
    until: datetime | None


class AveragesStore:
    """The table of averages. Methods raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine, half_life: float) -> None:
        self._engine = engine
        self._half_life = half_life

    async def add(self, sums: Mapping[Key, Sums]) -> list[tuple[Key, Sums]]:
        """Add sums to what is stored, in one statement; gives what then is."""
        columns: list[list[Any]] = [[key[0] for key in sums], [key[1] for key in sums]]
        columns += (list(values) for values in zip(*sums.values(), strict=True))
        async with driven(self._engine) as connection:
            return [_row(row) for row in await connection.fetch(_ADD, self._half_life, *columns)]

    async def everything(self) -> Stored:
        """Read all that has not faded away."""
        async with driven(self._engine) as connection:
            return _stored(await connection.fetch(_ALL, self._half_life))

    async def changed(self, since: datetime) -> Stored:
        """Read what was written since a time, some of it perhaps once more."""
        async with driven(self._engine) as connection:
            return _stored(await connection.fetch(_CHANGED, self._half_life, since))

    async def forget(self) -> None:
        """Forget what has faded away."""
        async with driven(self._engine) as connection:
            await connection.execute(_FORGET, self._half_life)


def _row(row: Any) -> tuple[Key, Sums]:
    return (row["task_type"], row["model_id"]), Sums(*(row[name] for name in _SUMS))


def _stored(rows: Sequence[Any]) -> Stored:
    return Stored([_row(row) for row in rows], max((row["as_of"] for row in rows), default=None))


class DecisionStore:
    """The table of explanations. Methods raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine, retention: float) -> None:
        self._engine = engine
        self._retention = retention

    async def keep(self, explanations: Mapping[str, str]) -> None:
        """Store explanations, as JSON by the ids of their decisions."""
        async with driven(self._engine) as connection:
            await connection.execute(_KEEP, list(explanations), list(explanations.values()))

    async def find(self, decision_id: str) -> str | None:
        """Read an explanation; None where there is none, or none any more."""
        async with driven(self._engine) as connection:
            found: str | None = await connection.fetchval(_FIND, UUID(decision_id), self._retention)
            return found

    async def forget(self) -> None:
        """Forget those whose time is over."""
        async with driven(self._engine) as connection:
            await connection.execute(_FORGET_DECISIONS, self._retention)
