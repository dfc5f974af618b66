"""What Tekton launches: measured whole, asked for before its start, and stopped for good where it uses too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from tekton.core.view import LaunchDesired, LaunchPhase
from tekton_server.sections import ResourceRules
from tests.support.control_plane import QUIET, ControlPlane, settings_for
from tests.support.launched import launch, launching, left, small
from tests.support.postgres import Cluster

_HOLDS = "import os, time\nheld = bytearray(os.urandom(48 * 2**20))\npid = os.fork()\ntime.sleep(1000)"
FLEET = {
    "holder": launch("python3", "-c", _HOLDS),
    "quiet": small("quiet", restart={"policy": "always", "backoff": {"initial": 0.05, "max": 0.1}}),
    "needs-quiet": {"dependencies": ["large"], **launch()},
    "large": launch(),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane that launches, reads figures often, and stops at once who uses too much."""
    home, url = tmp_path_factory.mktemp("launched"), cluster.new_database()
    settings = msgspec.structs.replace(
        settings_for(url, home / "d", timeout=10),
        monitoring=msgspec.structs.replace(QUIET, collection_interval=0.2),
        resources=ResourceRules(over_limit="stopped", over_limit_after=0),
    )
    async with launching(url, home, FLEET, settings=settings) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=f"{tekton.http}/api/tekton/components", timeout=30) as client:
        yield client


async def done(http: httpx.AsyncClient, verb: str, path: str, **body: Any) -> dict[str, Any]:
    """Make a call that succeeds."""
    reply = await http.request(verb, path, **({"json": body} if verb != "GET" else {}))
    assert reply.status_code < 300, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def used(http: httpx.AsyncClient, component_id: str, source: str, least: float) -> dict[str, Any]:
    """Wait until what a component uses is known from there, and so many MB."""
    async with asyncio.timeout(15):
        while True:
            found = await done(http, "GET", f"/{component_id}/resources")
            sources = [one["source"] for one in found["instances"]]
            if sources == [source] and found["resource_usage"]["memory"]["rss"] >= least:
                return found
            await asyncio.sleep(0.05)


async def test_all_processes_of_a_launch_are_measured_though_it_never_registers(http: httpx.AsyncClient) -> None:
    """Its fork shares the memory, which counts once; and when it has ended nothing is used any more."""
    started = await done(http, "POST", "/holder/start")
    found = await used(http, "holder", "measured", 48)
    assert found["instances"][0]["instance_uuid"] == started["instance_uuid"]
    assert found["resource_usage"]["memory"]["rss"] < 120
    await done(http, "POST", "/holder/stop", force=True, timeout=0)
    after = await done(http, "GET", "/holder/resources")
    assert after["instances"] == []


async def test_a_launch_that_uses_too_much_is_told_before_it_registers(
    tekton: ControlPlane, http: httpx.AsyncClient
) -> None:
    """Memory is often taken at the start; when the launch has ended it is over, and so it is without a limit."""

    async def until_told(wanted: list[tuple[str, str]]) -> None:
        async with asyncio.timeout(15):
            while [(one.figure, one.instance_uuid) for one in tekton.app.live.resources.alarms] != wanted:
                await asyncio.sleep(0.05)

    started = await done(http, "POST", "/holder/start")
    await used(http, "holder", "measured", 40)
    told = [("memory_limit", started["instance_uuid"])]
    for limit, wanted in (({"memory_limit": 1}, told), ({}, []), ({"memory_limit": 1}, told)):
        await done(http, "PUT", "/holder/constraints", **limit)
        await until_told(wanted)
    await done(http, "POST", "/holder/stop", force=True, timeout=0)
    await until_told([])
    await done(http, "PUT", "/holder/constraints")


async def test_what_was_measured_and_what_was_reported_are_told_together(http: httpx.AsyncClient) -> None:
    """The memory as measured, the network as it says itself."""
    started = await done(http, "POST", "/quiet/start", wait=True)
    usage = {"memory_mb": 100_000, "network_sent_bytes": 77}
    await done(http, "POST", "/quiet/resources", instance_uuid=started["instance_uuid"], usage=usage)
    found = await used(http, "quiet", "both", 1)
    assert found["resource_usage"]["network"]["bytes_sent"] == 77
    assert found["resource_usage"]["memory"]["rss"] < 1000


async def test_one_that_uses_too_much_is_stopped_and_not_started_again(
    tekton: ControlPlane, http: httpx.AsyncClient
) -> None:
    """Though its policy is to start it always: that it was wanted stopped counts."""
    started = await done(http, "POST", "/quiet/start", wait=True)
    await done(http, "PUT", "/quiet/constraints", memory_limit=1)
    async with asyncio.timeout(15):
        while (launched := tekton.app.live.view.launches["quiet"]).phase is not LaunchPhase.ENDED:
            await asyncio.sleep(0.05)
    assert (launched.desired, launched.instance_uuid) == (LaunchDesired.STOPPED, started["instance_uuid"])
    assert left(tekton.settings.data_path) == []
    await done(http, "PUT", "/quiet/constraints")


async def test_a_start_that_cannot_be_satisfied_is_1007_and_starts_nothing(
    tekton: ControlPlane, http: httpx.AsyncClient
) -> None:
    """It says which figures are in the way; what runs already is not asked."""
    await done(http, "POST", "/large/start")
    await done(http, "PUT", "/large/constraints", memory_limit=2**24, gpu_limit=2**24)
    assert (await done(http, "POST", "/large/start"))["already_running"] is True
    await done(http, "POST", "/large/stop", force=True, timeout=0)
    reply = await http.post("/large/start", json={})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["reason"]) == (422, 1007, "resource_constraint")
    assert [one["figure"] for one in error["details"]["figures"]] == ["memory_limit", "gpu_limit"]
    assert "memory_limit is 16777216 MB, and free are" in error["message"] and "large" in error["message"]
    assert left(tekton.settings.data_path) == []
    many = await http.post(f"{tekton.http}/api/tekton/start", json={"component_ids": ["needs-quiet"], "quiet": True})
    assert many.json()["error"]["code"] in (1003, 1007) and left(tekton.settings.data_path) == []
