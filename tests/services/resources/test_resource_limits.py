"""What components may use, over REST and gRPC, and what becomes of those that use more."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tekton.v1 import resource_service_pb2 as pb
from tests.services.resources.usage import client, constrain, limited, read, ready, report, until
from tests.support.client import Stubs, new_id, refused, stubs
from tests.support.postgres import Cluster


async def test_constraints_are_set_read_and_taken_away(http: httpx.AsyncClient, direct: Stubs) -> None:
    """A limit that is none is absent: who looks for it does not find it."""
    name, _ = await ready(direct)
    assert (await read(http, f"/components/{name}/constraints")) == {
        "component_id": name,
        "revision": "0",
        "system": {},
    }
    found = await constrain(http, name, cpu_limit=1.5, memory_limit=512, gpu_limit=0)
    assert (found["cpu_limit"], found["memory_limit"], found["gpu_limit"]) == (1.5, 512, 0)
    assert await read(http, f"/components/{name}/constraints") == found
    assert int(found["revision"]) > 0 and found["updated_at"].endswith("Z")
    none = await constrain(http, name, expected_revision=int(found["revision"]))
    assert not none.keys() & {"cpu_limit", "memory_limit", "gpu_limit"}


async def test_constraints_outlast_the_server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """They are in the journal and in its last values; and go with the component."""
    url, folder = cluster.new_database(), tmp_path_factory.mktemp("kept")
    async with limited(url, folder) as first, stubs(first.direct) as direct, client(first) as http:
        name, _ = await ready(direct)
        found = await constrain(http, name, memory_limit=512)
    async with limited(url, folder, memory_percent_max=90.0) as second, client(second) as http:
        again = await read(http, f"/components/{name}/constraints")
        assert again == found | {"system": {"memory_percent_max": 90}}
        await http.delete(f"/components/{name}")
        assert (await http.get(f"/components/{name}/constraints")).status_code == 404
        assert (await second.app.live.store.load()).view.constraints == {}


async def test_wrong_constraints_are_refused(http: httpx.AsyncClient, direct: Stubs) -> None:
    """By name, and nothing is stored."""
    name, _ = await ready(direct)
    for body in (
        {"cpu_limit": 0},
        {"memory_limit": -1},
        {"gpu_limit": 2**30},
        {"cpu_limit": "NaN"},
        {"cpu_limit": "much"},
    ):
        reply = await http.put(f"/components/{name}/constraints", json=body)
        assert reply.status_code == 400 and next(iter(body)) in reply.json()["error"]["message"], reply.text
    reply = await http.put(f"/components/{name}/constraints", json={"cpu_limit": 1, "expected_revision": 7})
    assert (reply.status_code, reply.json()["error"]["reason"]) == (409, "conflict")
    for other, status in (("nobody", 404), ("tekton_core", 422)):
        assert (await http.put(f"/components/{other}/constraints", json={"cpu_limit": 1})).status_code == status
    assert (await read(http, f"/components/{name}/constraints"))["revision"] == "0"


async def test_a_request_id_makes_setting_repeatable(direct: Stubs) -> None:
    """The same answer, and another body is a mismatch."""
    name, _ = await ready(direct)
    request = pb.SetResourceConstraintsRequest(component_id=name, cpu_limit=2, request_id=new_id("request"))
    first = await direct.resources.SetResourceConstraints(request)
    assert await direct.resources.SetResourceConstraints(request) == first
    request.cpu_limit = 3
    with refused("request_mismatch"):
        await direct.resources.SetResourceConstraints(request)


async def test_an_instance_over_its_limit_is_degraded_and_back_by_itself(
    http: httpx.AsyncClient, direct: Stubs
) -> None:
    """As configured here; the reason and the evidence say why, and a raised limit brings it back too."""
    who = await ready(direct)

    async def status() -> tuple[str, str]:
        found = await read(http, f"/components/{who[0]}/status")
        return found["status"], found["status_reason"]

    await constrain(http, who[0], memory_limit=100)
    await report(http, who, memory_mb=150)
    assert await until(status, lambda one: one[0] == "degraded") == ("degraded", "resource_limit")
    explained = await read(http, f"/components/{who[0]}/explain")
    assert "uses more than its resource constraints" in explained["message"]
    await report(http, who, memory_mb=50)
    assert await until(status, lambda one: one[0] == "ready") == ("ready", "resource_limit_over")
    history = (await read(http, f"/components/{who[0]}/history"))["transitions"]
    assert history[1]["metadata"] == {"memory_limit": {"value": 150, "limit": 100, "unit": "MB"}}
    await report(http, who, memory_mb=150)
    await until(status, lambda one: one[0] == "degraded")
    await constrain(http, who[0], memory_limit=1000)
    await until(status, lambda one: one[0] == "ready")
    await constrain(http, who[0], memory_limit=100)
    await until(status, lambda one: one[0] == "degraded")
    await constrain(http, who[0])
    await until(status, lambda one: one[0] == "ready")


async def test_an_instance_over_its_limit_is_told_to_stop_once_where_that_is_configured(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By a command of its own; one that is within its limits is left alone."""
    folder = tmp_path_factory.mktemp("stops")
    async with (
        limited(cluster.new_database(), folder, over_limit="stopped") as running,
        stubs(running.direct) as direct,
        client(running) as http,
    ):
        over, within = await ready(direct), await ready(direct)
        for who in (over, within):
            await constrain(http, who[0], memory_limit=100)
        await report(http, within, memory_mb=99)
        await report(http, over, memory_mb=150)
        view = running.app.live.view
        async with asyncio.timeout(10):
            while not view.commands.of(over[1]):
                await asyncio.sleep(0.02)
        await report(http, over, memory_mb=160)
        await running.app.live.resources.overuse.act()
        (command,) = view.commands.of(over[1])
        assert (command.kind, command.arguments["reason"]) == ("stop", "resource_limit")
        assert "its limit is 100 MB" in command.arguments["message"] and not view.commands.of(within[1])
