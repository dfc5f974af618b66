"""What is taken of budgets. Whoever takes holds the locks of the budgets that it counts against, over all servers.

A lease counts while it is open: not ended, not past its time, and its instance leased in this very database. So one
that was killed holds nothing from the moment on at which its end is recorded, and nobody has to do anything for it.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton.core.ids import lookup_key
from tekton.core.model_records import BudgetTerms
from tekton_server.domain.routing.budgets import Held, Want
from tekton_server.storage.engine import driven

# Any fixed number that no other user of two-number locks has in this database.
_LOCK = 0x746B6202
_TAKE_LOCKS = f"SELECT pg_advisory_xact_lock({_LOCK}, k) FROM unnest($1::int[]) AS k"
# A budget's tokens are those of open leases, and what was used of others until a minute after their end.
_MINUTE = "interval '60 seconds'"
_BEGUN = "date_trunc({period}, clock_timestamp() AT TIME ZONE 'UTC')"
_UTC = f"{_BEGUN} AT TIME ZONE 'UTC'"
_OPEN = """
    l.ended_at IS NULL AND l.expires_at > clock_timestamp() AND (l.instance_uuid IS NULL OR EXISTS (
        SELECT 1 FROM instances i WHERE i.instance_uuid = l.instance_uuid AND i.leased))
"""
_HELD = f"""
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS t(component, model_id, period, ord)
), counted AS (
    SELECT l.component, l.model_id, l.tokens, l.cost, l.used_tokens, l.ended_at, ({_OPEN}) AS open
    FROM budget_leases l WHERE l.ended_at IS NULL OR l.ended_at > clock_timestamp() - {_MINUTE}
)
SELECT count(c.component) FILTER (WHERE c.open) AS in_flight,
    coalesce(sum(CASE WHEN c.open THEN c.tokens WHEN c.ended_at IS NOT NULL THEN c.used_tokens END), 0)::bigint
        AS tokens,
    coalesce(sum(c.cost) FILTER (WHERE c.open), 0) + (
        SELECT coalesce(sum(b.cost), 0) FROM budget_costs b
        WHERE a.component IN ('', b.component) AND a.model_id IN ('', b.model_id)
        AND b.hour >= {_UTC.format(period="a.period")}
    ) AS cost,
    coalesce(extract(epoch FROM min(c.ended_at) FILTER (WHERE c.used_tokens > 0) + {_MINUTE} - clock_timestamp()), 1)
        ::float8 AS tokens_in,
    extract(epoch FROM ({_BEGUN.format(period="a.period")} + ('1 ' || a.period)::interval) AT TIME ZONE 'UTC'
        - clock_timestamp())::float8 AS cost_in
FROM asked a LEFT JOIN counted c ON a.component IN ('', c.component) AND a.model_id IN ('', c.model_id)
GROUP BY a.ord, a.component, a.model_id, a.period ORDER BY a.ord
"""
_KNOWN = f"""
SELECT lease_id::text, component, model_id, tokens, cost, expires_at, ({_OPEN}) AS open
FROM budget_leases l WHERE lease_id = ANY($1::uuid[])
"""
_TAKE = """
INSERT INTO budget_leases
    (lease_id, component, instance_uuid, model_id, tokens, cost, taken_at, expires_at, used_tokens, used_cost, settled)
SELECT i, c, u, m, t, d, now.at, now.at + make_interval(secs => s), 0, 0, false
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::float8[], $7::float8[])
    AS given(i, c, u, m, t, d, s), clock_timestamp() AS now(at)
ORDER BY i ON CONFLICT (lease_id) DO NOTHING
RETURNING lease_id::text, expires_at
"""
# One that ran out meanwhile may still say what it used: that was spent all the same.
_SETTLE = f"""
WITH settled AS (
    UPDATE budget_leases SET ended_at = clock_timestamp(), used_tokens = $2, used_cost = $3, settled = true
    WHERE lease_id = $1 AND NOT settled RETURNING component, model_id
), spent AS (
    INSERT INTO budget_costs (component, model_id, hour, cost)
    SELECT component, model_id, {_UTC.format(period="'hour'")}, $3 FROM settled WHERE $3 > 0
    ON CONFLICT (component, model_id, hour) DO UPDATE SET cost = budget_costs.cost + excluded.cost
)
SELECT EXISTS (SELECT 1 FROM settled) AS now, EXISTS (SELECT 1 FROM budget_leases WHERE lease_id = $1) AS known
"""
_END = f"UPDATE budget_leases l SET ended_at = clock_timestamp() WHERE ended_at IS NULL AND NOT ({_OPEN})"
_FORGET = "DELETE FROM budget_leases WHERE ended_at < clock_timestamp() - interval '1 hour'"
_FORGET_COSTS = "DELETE FROM budget_costs WHERE hour < clock_timestamp() - interval '40 days'"


class Taken(NamedTuple):
    """A lease as it is stored. `open` is whether it counts."""

    lease_id: str
    component: str
    model_id: str
    tokens: int
    cost: float
    expires_at: datetime
    open: bool


class Ledger:
    """What is taken, inside a transaction that holds the locks."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    async def known(self, lease_ids: Iterable[str]) -> dict[str, Taken]:
        """Find leases that were taken before."""
        found = await self._connection.fetch(_KNOWN, [UUID(one) for one in lease_ids])
        return {row["lease_id"]: Taken(*row) for row in found}

    async def held(self, budgets: Sequence[BudgetTerms]) -> list[Held]:
        """Read what is taken of budgets."""
        return await _held(self._connection, budgets)

    async def take(self, wants: Sequence[Want]) -> dict[str, datetime]:
        """Store leases; gives when each ends at the latest. One that another server stored meanwhile is left out."""
        rows = [
            (
                UUID(want.lease_id),
                lookup_key(want.component_id),
                UUID(want.instance_uuid) if want.instance_uuid else None,
                want.model_id,
                want.tokens,
                want.cost,
                want.seconds,
            )
            for want in wants
        ]
        return dict(await self._connection.fetch(_TAKE, *map(list, zip(*rows, strict=True)))) if rows else {}


class BudgetStore:
    """The tables of budgets. Methods raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def locked(self, budgets: Iterable[BudgetTerms]) -> AsyncIterator[Ledger]:
        """Open a transaction in which nobody else takes of these budgets; it is committed at the end of the block."""
        # Sorted, so that two that lock several at once cannot wait for each other.
        locks = sorted({_signed(zlib.crc32(budget.key.encode())) for budget in budgets})
        async with driven(self._engine) as connection, connection.transaction():
            if locks:
                await connection.execute(_TAKE_LOCKS, locks)
            yield Ledger(connection)

    async def held(self, budgets: Sequence[BudgetTerms]) -> list[Held]:
        """Read what is taken of budgets, to be shown."""
        async with driven(self._engine) as connection:
            return await _held(connection, budgets)

    async def settle(self, lease_id: str, tokens: int, cost: float) -> bool | None:
        """End a lease and count what was used of it; False where that was done before, None where there is none."""
        async with driven(self._engine) as connection:
            row = await connection.fetchrow(_SETTLE, UUID(lease_id), tokens, cost)
        return None if row is None or not row["known"] else bool(row["now"])

    async def sweep(self) -> None:
        """End what no longer counts, and forget what ended long ago."""
        async with driven(self._engine) as connection:
            for statement in (_END, _FORGET, _FORGET_COSTS):
                await connection.execute(statement)


async def _held(connection: asyncpg.Connection[Any], budgets: Sequence[BudgetTerms]) -> list[Held]:
    columns = (
        [lookup_key(budget.component_id) for budget in budgets],
        [budget.model_id for budget in budgets],
        [budget.cost_period.value for budget in budgets],
    )
    return [Held(*row) for row in await connection.fetch(_HELD, *columns)]


def _signed(number: int) -> int:
    return number - 2**32 if number >= 2**31 else number
