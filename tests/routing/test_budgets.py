"""Budgets: nobody ever takes more than there is, and what is not used, or held by the dead, is there for others."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from sqlalchemy import make_url

from tekton.core.errors import ResourceConstraintError
from tekton.core.ids import new_uuid
from tekton.core.model_records import BudgetTerms, CostPeriod
from tekton_server.domain.commands import SetBudget
from tekton_server.domain.routing.budgets import Held, Want, concerning, shortage
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.routing.budgets import BudgetDesk
from tekton_server.storage.budgets import _held
from tekton_server.storage.database import Database
from tests.routing.fleet import Plane, asked, serve
from tests.support.client import new_id
from tests.support.live import opened
from tests.support.postgres import Cluster

BUDGETS = "/api/tekton/budgets"
LEASES = f"{BUDGETS}/leases"
ROOT = Path(__file__).parents[2]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    """A control plane whose leases last 1.5 s."""
    async with asked(cluster.new_database(), tmp_path_factory.mktemp("budgets"), timeout=1.5) as made:
        yield made


def want(model_id: str = "m", component_id: str = "c", tokens: int = 0, cost: float = 0.0) -> Want:
    return Want(new_uuid(), component_id, "", model_id, tokens, cost, 60.0)


def test_every_budget_of_a_request_counts() -> None:
    """Of its component and model, of either, and of all together; "-" and "_" are equal."""
    terms = [
        BudgetTerms(component_id=component, model_id=model, max_in_flight=at)
        for at, (component, model) in enumerate((("my-app", "m"), ("my_app", ""), ("", "m"), ("", ""), ("my-app", "x")))
    ]
    budgets = {one.key: one for one in terms}
    assert [one.max_in_flight for one in concerning(budgets, want(component_id="my_app"))] == [0, 1, 2, 3]
    assert [one.max_in_flight for one in concerning(budgets, want(component_id=""))] == [2, 3]


def test_a_shortage_names_its_figure_and_when_to_try_again() -> None:
    """And says so where that can never help."""
    terms = BudgetTerms(
        model_id="m", max_in_flight=2, tokens_per_minute=100, cost_limit=1.0, cost_period=CostPeriod.DAY
    )
    held = Held(in_flight=1, tokens=90, cost=0.75, tokens_in=12.2, cost_in=3600)
    assert shortage(terms, held, want(tokens=10, cost=0.25)) is None
    for wanted, figure, wait in (
        (want(tokens=11), "tokens_per_minute", 13),
        (want(cost=0.26), "cost_limit", 3600),
        (want(tokens=101), "tokens_per_minute", None),
    ):
        error = shortage(terms, held, wanted)
        assert error is not None and error.details["figure"] == figure and error.retry_after == wait
        assert error.details.get("retry_after") == wait
    error = shortage(terms, held._replace(in_flight=2), want())
    assert error is not None and error.details["figure"] == "max_in_flight" and error.retry_after == 1


async def test_concurrent_takers_never_exceed_a_budget(cluster: Cluster) -> None:
    """Two servers, eighty takers at once, three figures: what is taken is never more than there is, at any moment."""
    url, chance = make_url(cluster.new_database()), random.Random(7)
    limits = BudgetTerms(model_id="m", max_in_flight=6, tokens_per_minute=5000, cost_limit=20.0)
    async with opened(url) as one, opened(url, migrated=True) as other:
        await one.writer.submit(SetBudget(terms=limits))
        await other.confirm()
        held: dict[str, Want] = {}
        used = most = granted = 0
        spent, hints = 0.0, list[float | None]()

        async def take(live: LiveRegistry, turns: list[tuple[int, float, bool]]) -> None:
            nonlocal used, most, granted, spent
            for tokens, cost, all_used in turns:
                wanted = want(tokens=tokens, cost=cost)
                try:
                    await live.routing.budgets.take(wanted)
                except ResourceConstraintError as error:
                    hints.append(error.retry_after)
                    continue
                granted += 1
                held[wanted.lease_id] = wanted
                most = max(most, len(held))
                assert len(held) <= 6
                assert used + sum(one.tokens for one in held.values()) <= 5000
                assert spent + sum(one.cost for one in held.values()) <= 20.0 + 1e-6
                await asyncio.sleep(0)
                # Counted as used before anybody else can take it.
                del held[wanted.lease_id]
                used, spent = used + tokens * all_used, spent + cost * all_used
                await live.routing.budgets.give_back(wanted.lease_id, tokens * all_used, cost * all_used)

        turns = [
            [(chance.randint(1, 120), chance.random(), chance.random() < 0.5) for _ in range(5)] for _ in range(80)
        ]
        await asyncio.gather(*(take((one, other)[at % 2], some) for at, some in enumerate(turns)))
        assert granted > 20 and most == 6
        (shown,) = await other.routing.budgets.shown()
        assert (shown.held.in_flight, shown.held.tokens) == (0, used)
        assert shown.held.cost == pytest.approx(spent)
        assert one.routing.budgets.refused + other.routing.budgets.refused == len(hints) > 0 and None not in hints


async def post(plane: Plane, path: str, **fields: Any) -> httpx.Response:
    return await plane.http.post(path, json=fields)


async def budget(plane: Plane, **fields: Any) -> None:
    answer = await plane.http.put(BUDGETS, json=fields)
    assert answer.status_code == 200, answer.text


async def taken(plane: Plane, model_id: str) -> dict[str, Any]:
    listed = (await plane.http.get(BUDGETS)).json()["budgets"]
    found: dict[str, Any] = next(one["taken"] for one in listed if one["model_id"] == model_id)
    return found


async def test_over_budget_is_1007_and_what_is_returned_can_be_taken_again(plane: Plane) -> None:
    """Requests in flight are free at once, used tokens after a minute."""
    model = new_id("m")
    await budget(plane, model_id=model, max_in_flight=2, tokens_per_minute=1000)
    first = await post(plane, LEASES, model_id=model, input_tokens=400, output_tokens=200)
    assert first.status_code == 201 and first.json()["tokens"] == 600
    over = await post(plane, LEASES, model_id=model, input_tokens=500)
    error = over.json()["error"]
    assert (over.status_code, error["code"], error["reason"]) == (422, 1007, "resource_constraint")
    assert error["details"]["figure"] == "tokens_per_minute" and error["details"]["taken"] == 600
    assert int(over.headers["retry-after"]) >= 1
    returned = await post(plane, f"{LEASES}/{first.json()['lease_id']}/return", input_tokens=100)
    assert returned.json() == {"success": True, "returned": True}
    assert await taken(plane, model) == {"in_flight": 0, "tokens": 100, "cost": 0}
    second = await post(plane, LEASES, model_id=model, input_tokens=900)
    assert second.status_code == 201
    over = await post(plane, LEASES, model_id=model, input_tokens=101)
    # Of what is used, the first comes back within the minute.
    assert 1 < int(over.headers["retry-after"]) <= 60
    again = await post(plane, f"{LEASES}/{first.json()['lease_id']}/return", input_tokens=100)
    assert again.json() == {"success": True, "returned": False}
    never = await post(plane, LEASES, model_id=model, input_tokens=1001)
    assert "retry-after" not in never.headers and "ask for less" in never.json()["error"]["message"]


async def test_money_counts_until_the_period_ends(plane: Plane) -> None:
    """What was estimated while it is in flight, and what was spent afterwards; prices are those of the model."""
    model = new_id("m")
    priced = {"id": model, "provider": "us", "tier": 1, "context_window": 9, "input_price": 5e5, "output_price": 1e6}
    assert (await plane.http.post("/api/tekton/models", json=priced)).status_code == 201
    await budget(plane, model_id=model, cost_limit=10.0, cost_period="month")
    first = await post(plane, LEASES, model_id=model, input_tokens=4, output_tokens=4)
    assert first.json()["cost"] == 6
    over = await post(plane, LEASES, model_id=model, cost=4.5)
    assert over.status_code == 422 and over.json()["error"]["details"]["figure"] == "cost_limit"
    await post(plane, f"{LEASES}/{first.json()['lease_id']}/return", cost=5.25)
    assert (await post(plane, LEASES, model_id=model, cost=4.5)).status_code == 201
    assert (await taken(plane, model))["cost"] == 9.75


async def test_a_lease_ends_by_itself(plane: Plane) -> None:
    """After its time; who then tells what it used is heard all the same."""
    model = new_id("m")
    await budget(plane, model_id=model, max_in_flight=1, tokens_per_minute=100)
    lease = await post(plane, LEASES, model_id=model, input_tokens=100, ttl_seconds=1)
    assert (await post(plane, LEASES, model_id=model)).status_code == 422
    async with asyncio.timeout(10):
        while (await taken(plane, model))["in_flight"]:
            await asyncio.sleep(0.1)
    await plane.running.app.live.routing.budgets._store.sweep()
    late = await post(plane, f"{LEASES}/{lease.json()['lease_id']}/return", input_tokens=40)
    assert late.json()["returned"] is True
    assert await taken(plane, model) == {"in_flight": 0, "tokens": 40, "cost": 0}


async def test_the_same_lease_taken_twice_is_one(plane: Plane) -> None:
    """Also at once; for something else it is refused, and once it has ended too."""
    model, lease_id = new_id("m"), new_uuid()
    await budget(plane, model_id=model, max_in_flight=1)
    asked = {"model_id": model, "input_tokens": 5, "lease_id": lease_id}
    answers = await asyncio.gather(*(post(plane, LEASES, **asked) for _ in range(5)))
    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["expires_at"] for one in answers}) == 1
    assert (await taken(plane, model))["in_flight"] == 1
    other = await post(plane, LEASES, **(asked | {"input_tokens": 6}))
    assert (other.status_code, other.json()["error"]["reason"]) == (409, "request_mismatch")
    await post(plane, f"{LEASES}/{lease_id}/return")
    ended = await post(plane, LEASES, **asked)
    assert (ended.status_code, ended.json()["error"]["reason"]) == (409, "stale_session")
    unknown = await post(plane, f"{LEASES}/{new_uuid()}/return")
    assert (unknown.status_code, unknown.json()["error"]["reason"]) == (409, "stale_session")


async def test_the_same_lease_taken_on_two_servers_at_once_is_one(cluster: Cluster) -> None:
    """Where no budget makes one wait for the other; and nobody who is served with it fails for it."""
    url = make_url(cluster.new_database())
    async with opened(url) as one, opened(url, migrated=True) as other:
        for _ in range(10):
            same = want()
            wants = [(one, same), (other, same), (one, want()), (other, want())]
            first, second, *_ = await asyncio.gather(*(live.routing.budgets.take(which) for live, which in wants))
            assert first == second
        differing = want()
        answers = await asyncio.gather(
            one.routing.budgets.take(differing),
            other.routing.budgets.take(differing._replace(model_id="another")),
            return_exceptions=True,
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["RequestMismatchError", "datetime"]


async def test_the_end_of_a_month_is_in_utc_wherever_the_database_is(cluster: Cluster) -> None:
    """The hint is the time until then."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        connection = await asyncpg.connect(Database(url).dsn)
        await connection.execute("SET timezone = 'America/Los_Angeles'")
        (held,) = await _held(connection, [BudgetTerms(model_id="m", cost_limit=1.0, cost_period=CostPeriod.MONTH)])
        now = datetime.now(UTC)
        ends = now.replace(year=now.year + now.month // 12, month=now.month % 12 + 1, day=1, hour=0, minute=0, second=0)
        assert held.cost_in == pytest.approx((ends - now).total_seconds(), abs=5)
        assert live.view.revision == 0
        await connection.close()


async def test_kill_9_of_a_holder_returns_what_it_held(plane: Plane) -> None:
    """As soon as its lease has timed out: nobody has to say anything, and the time of the leases was an hour."""
    model, component = new_id("m"), new_id("holder")
    await budget(plane, model_id=model, max_in_flight=3, tokens_per_minute=300, cost_limit=3.0)
    here = {"TEKTON_HOST": "127.0.0.1", "TEKTON_PORT": str(plane.running.port)}
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    holder = subprocess.Popen(
        [sys.executable, "-m", "tests.routing.holder", component, model, "3"],
        stdout=subprocess.PIPE,
        env=os.environ | here | {"PYTHONPATH": paths},
        cwd=ROOT,
    )
    try:
        assert holder.stdout is not None
        said = await asyncio.to_thread(holder.stdout.readline)
        assert said == b"held\n"
        assert await taken(plane, model) == {"in_flight": 3, "tokens": 300, "cost": 3}
        assert (await post(plane, LEASES, model_id=model)).status_code == 422
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    async with asyncio.timeout(15):
        while (await post(plane, LEASES, model_id=model, input_tokens=300, cost=3.0)).status_code != 201:
            await asyncio.sleep(0.1)
    assert await taken(plane, model) == {"in_flight": 1, "tokens": 300, "cost": 3}


async def test_deregistering_a_holder_returns_what_it_held(plane: Plane) -> None:
    """So does its goodbye; and whoever has no lease of its own takes nothing."""
    model, component = new_id("m"), new_id("c")
    await budget(plane, model_id=model, max_in_flight=1)
    instance = await serve(plane.api, component)
    asked = {"model_id": model, "component_id": component, "instance_uuid": instance}
    assert (await post(plane, LEASES, **asked)).status_code == 201
    assert (await post(plane, LEASES, model_id=model)).status_code == 422
    await plane.http.delete(f"/api/tekton/components/{component}?instance_uuid={instance}")
    assert (await post(plane, LEASES, **asked)).json()["error"]["reason"] == "stale_session"
    assert (await post(plane, LEASES, model_id=model)).status_code == 201
    nobody = await post(plane, LEASES, **(asked | {"component_id": new_id("nobody")}))
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (404, 1001)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"model_id": ""}, "model_id"),
        ({"model_id": "a b"}, "model_id"),
        ({"component_id": "x\0y"}, "component_id"),
        ({"component_id": "c" * 900_000}, "component_id"),
        ({"input_tokens": -1}, "input_tokens"),
        ({"output_tokens": "many"}, "output_tokens"),
        ({"input_tokens": 2**31 - 1, "output_tokens": 2**31 - 1}, "input_tokens"),
        ({"cost": -0.5}, "cost"),
        ({"ttl_seconds": 0.5}, "ttl_seconds"),
        ({"ttl_seconds": 4000}, "ttl_seconds"),
        ({"lease_id": "mine"}, "lease_id"),
        ({"instance_uuid": "x", "component_id": "c"}, "instance_uuid"),
        ({"instance_uuid": "7e0b2a4e-0000-4000-8000-000000000000"}, "component_id"),
    ],
)
async def test_what_cannot_be_taken_is_refused_by_its_field(plane: Plane, wrong: dict[str, Any], field: str) -> None:
    """And nothing is taken."""
    answer = await post(plane, LEASES, **({"model_id": "m"} | wrong))
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["details"]["violations"][0]["field"] == field


async def test_a_configured_budget_counts_until_another_is_set(cluster: Cluster) -> None:
    """And again once that is removed."""
    url = make_url(cluster.new_database())
    configured = BudgetTerms(model_id="m", max_in_flight=0)
    async with opened(url) as live:
        desk = BudgetDesk(live.view, {configured.key: configured}, live.routing.budgets._store._engine)
        with pytest.raises(ResourceConstraintError):
            await desk.take(want())
        await live.writer.submit(SetBudget(terms=BudgetTerms(model_id="m", max_in_flight=1)))
        await desk.take(want())
        (shown,) = await desk.shown()
        assert (shown.configured, shown.revision, shown.held.in_flight) == (False, 1, 1)


async def test_old_leases_and_costs_are_forgotten(cluster: Cluster) -> None:
    """An hour after they ended, and after the longest period."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        connection = await asyncpg.connect(Database(url).dsn)
        lease = want(tokens=5)
        await live.routing.budgets.take(lease)
        await live.routing.budgets.give_back(lease.lease_id, 5, 1.5)
        assert await connection.fetchval("SELECT sum(cost) FROM budget_costs") == 1.5
        await connection.execute("UPDATE budget_leases SET ended_at = ended_at - interval '2 hours'")
        await connection.execute("UPDATE budget_costs SET hour = hour - interval '41 days'")
        await live.routing.budgets._store.sweep()
        for table in ("budget_leases", "budget_costs"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
        await connection.close()
