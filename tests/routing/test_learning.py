"""What is learnt of models outlives servers, is shared by them, and never touches the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from tekton.core.errors import NoRouteError
from tekton.core.model_records import ModelFacts
from tekton_server.domain.commands import RegisterModel
from tekton_server.domain.routing.outcomes import Outcome
from tekton_server.domain.routing.task import Task
from tekton_server.live.registry import LiveRegistry
from tekton_server.storage.database import Database
from tests.support.live import assert_whole, opened
from tests.support.postgres import Cluster

FACTS = ModelFacts(provider="us", tier=2, context_window=8000, endpoint="http://x:1/", capabilities=("code",))
TASK = Task(task_type="code", providers=("us",))


async def register(live: LiveRegistry, model_id: str) -> None:
    await live.writer.submit(RegisterModel(model_id=model_id, facts=FACTS))


def outcome(model_id: str, *, ok: bool = True, **fields: Any) -> Outcome:
    return Outcome(model_id=model_id, task_type="code", ok=ok, **fields)


def requests(live: LiveRegistry, model_id: str) -> float:
    return live.routing.averages.sums(model_id, live.leases.now()).calls


@asynccontextmanager
async def pair(cluster: Cluster) -> AsyncIterator[tuple[LiveRegistry, LiveRegistry]]:
    """Two servers on one database that know of each other."""
    url = make_url(cluster.new_database())
    async with opened(url) as one, opened(url, migrated=True) as other:
        await until(lambda: bool(one.leases.ownership.others and other.leases.ownership.others))
        yield one, other


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(15):
        while not (found if isinstance(found := true(), bool) else await found):
            await asyncio.sleep(0.05)


async def test_averages_outlive_a_server_and_are_no_part_of_the_journal(cluster: Cluster) -> None:
    """A stop stores the last of them; the revision is that of the registration."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        await register(live, "org/model:1")
        decided = await live.routing.route(TASK)
        for at in range(10):
            assert live.routing.report(decided.decision_id, outcome("", ok=at > 1, latency_ms=50.0)) is (at == 0)
            live.routing.averages.add(outcome("org/model:1", ok=at > 1, latency_ms=50.0), live.leases.now())
        assert live.view.revision == 1
    async with opened(url, migrated=True) as again:
        assert requests(again, "org/model:1") == pytest.approx(11, abs=0.2)
        seen = again.routing.averages.observed("code")["org/model:1"]
        assert seen.timed and 0.1 < seen.error_rate < 0.4
        assert again.view.revision == 1
        assert again.routing.catalogue.get("org/model:1") is not None
        await assert_whole(again, 0)
        assert (await again.store.load()).view.routing.models == again.view.routing.models


async def test_servers_share_what_they_learn_and_count_nothing_twice(cluster: Cluster) -> None:
    """Each tells the database what is new to it, and reads the sum."""
    async with pair(cluster) as (one, other):
        await register(one, "m")
        await until(lambda: other.routing.catalogue.get("m") is not None)
        for live, count in ((one, 3), (other, 5)):
            for _ in range(count):
                live.routing.report("", outcome("m", ok=live is one))
        await until(lambda: all(requests(live, "m") > 7.9 for live in (one, other)))
        await asyncio.gather(one.routing.learning.turn(), other.routing.learning.turn())
        for live in (one, other):
            sums = live.routing.averages.sums("m", live.leases.now())
            assert (sums.calls, sums.failures) == pytest.approx((8, 5), abs=0.1)


async def test_a_decision_is_explained_by_any_server(cluster: Cluster) -> None:
    """Within a second or two; what none of them made is none."""
    async with pair(cluster) as (one, other):
        await register(one, "m")
        decided = await one.routing.route(TASK)

        async def known() -> bool:
            try:
                await other.routing.explain(decided.decision_id)
            except NoRouteError:
                return False
            return True

        await until(known)
        assert await other.routing.explain(decided.decision_id) == await one.routing.explain(decided.decision_id)
        with pytest.raises(NoRouteError):
            await other.routing.explain("7e0b2a4e-0000-4000-8000-000000000000")


async def test_a_server_alone_writes_no_decision(cluster: Cluster) -> None:
    """Nobody else would read it."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        await register(live, "m")
        decided = await live.routing.route(TASK)
        await live.routing.learning.turn()
        assert await live.routing.learning.explanations.find(decided.decision_id) is None


async def test_an_outage_of_the_database_loses_nothing_that_was_learnt(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions and outcomes go on from memory, and are stored once that is possible."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        await register(live, "m")
        connection = await asyncpg.connect(Database(url).dsn)
        await connection.execute("ALTER TABLE model_averages RENAME TO away")
        live.routing.report("", outcome("m"))
        with pytest.raises(Exception, match="model_averages"):
            await live.routing.learning.turn()
        assert (await live.routing.route(TASK)).model_id == "m"
        await connection.execute("ALTER TABLE away RENAME TO model_averages")
        await live.routing.learning.turn()
        stored = await connection.fetchval("SELECT calls FROM model_averages WHERE task_type = 'code'")
        assert stored == pytest.approx(1, abs=0.1)
        await connection.close()


async def test_what_has_faded_and_old_decisions_are_forgotten(cluster: Cluster) -> None:
    """In the database too."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        connection = await asyncpg.connect(Database(url).dsn)
        await connection.execute("""
            INSERT INTO model_averages VALUES
            ('old', '', 1, 0, 0, 0, 0, 0, 0, clock_timestamp() - interval '10 days'),
            ('new', '', 1, 0, 0, 0, 0, 0, 0, clock_timestamp() - interval '10 minutes')
        """)
        await connection.execute("""
            INSERT INTO route_decisions VALUES (gen_random_uuid(), '{}', clock_timestamp() - interval '1 hour')
        """)
        live.routing.learning._forgot = float("-inf")
        await live.routing.learning.turn()
        assert [row[0] for row in await connection.fetch("SELECT model_id FROM model_averages")] == ["new"]
        assert await connection.fetchval("SELECT count(*) FROM route_decisions") == 0
        await connection.close()
    async with opened(url, migrated=True) as again:
        assert requests(again, "new") == pytest.approx(0.5, abs=0.05)
