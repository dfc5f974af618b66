"""Resources over REST and gRPC: what the machine and the components use, what they may use, and what is too much."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest
import pytest_asyncio
from pynvml import NVML_ERROR_GPU_IS_LOST, NVML_ERROR_NOT_SUPPORTED

from tekton import _gpus
from tekton.core.machine import GB, MB, Gpu
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import resource_service_pb2 as pb
from tekton_server.domain.built_in import CORE_UUID
from tekton_server.domain.usage import Usage
from tekton_server.live.resources import exchange, monitor
from tekton_server.sections import ResourceRules
from tekton_server.storage.usage import Told
from tests.support.client import Stubs, new_id, refused, stubs
from tests.support.control_plane import QUIET, ControlPlane, control_plane, settings_for
from tests.support.fake_nvml import FakeGpu, FakeNvml
from tests.support.postgres import Cluster
from tests.support.shapes import assert_same_types
from tests.support.sse import Events, events

# What the API reference shows, in our own words.
SYSTEM = {
    "cpu": {"overall_percent": 45.2, "per_core": [35.1, 55.3], "cores": 4, "load_average": [2.3, 2.1, 1.9]},
    "memory": {
        "total": 16.0, "used": 8.5, "free": 7.5, "percent": 53.1, "swap_total": 8.0, "swap_used": 1.2, "swap_free": 6.8
    },
    "disk": {"total": 512.0, "used": 256.0, "free": 256.0, "percent": 50.0},
    "gpu": [
        {
            "id": 0, "name": "A", "util": 45, "memory_total": 24.0, "memory_used": 4.2, "memory_free": 19.8,
            "temperature": 65,
        }
    ],
    "timestamp": "2025-04-30T15:20:30Z",
}  # fmt: skip
COMPONENT = {
    "component_id": "rhetor",
    "resource_usage": {
        "cpu_percent": 25.3,
        "memory": {"rss": 512.0, "vms": 1024.0, "percent": 12.5},
        "gpu": {"id": 0, "memory_used": 2.1},
        "network": {"bytes_sent": 1024000, "bytes_recv": 2048000},
        "disk_io": {"read_bytes": 10485760, "write_bytes": 5242880},
    },
    "timestamp": "2025-04-30T15:20:30Z",
}
USAGE = {
    "cpu_percent": 15.2, "memory_mb": 256.5, "memory_percent": 12.5, "gpu_memory_mb": 1024.0, "gpu_util": 45.3,
    "disk_read_bytes": 1024000, "disk_write_bytes": 512000, "network_recv_bytes": 2048000,
    "network_sent_bytes": 1024000,
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane that reads its machine five times a second, and degrades whoever uses too much for a moment."""
    folder = tmp_path_factory.mktemp("resources")
    async with limited(cluster.new_database(), folder, over_limit="degraded") as running:
        yield running


def limited(url: str, folder: Path, **rules: Any) -> Any:
    """Make a control plane with rules of its own."""
    chosen = msgspec.structs.replace(
        settings_for(url, folder, timeout=60),
        monitoring=msgspec.structs.replace(QUIET, collection_interval=0.2),
        resources=ResourceRules(**{"over_limit_after": 0, **rules}),
    )
    return control_plane(url, folder, settings=chosen)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=f"{tekton.http}/api/tekton", timeout=10) as client:
        yield client


async def read(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Read a path that is there."""
    reply = await http.get(path)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def ready(direct: Stubs, component_id: str | None = None) -> tuple[str, str]:
    """Register an instance that is ready; give component and instance."""
    granted = await direct.register(component_id)
    report = lifecycle_pb.UpdateComponentStateRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, state="ready"
    )
    await direct.lifecycle.UpdateComponentState(report)
    return granted.component_id, granted.instance_uuid


async def until(look: Any, good: Any) -> Any:
    """Read until it is good."""
    async with asyncio.timeout(10):
        while not good(found := await look()):
            await asyncio.sleep(0.02)
    return found


async def report(http: httpx.AsyncClient, who: tuple[str, str], **usage: float) -> None:
    """Report what an instance uses."""
    body = {"instance_uuid": who[1], "usage": usage}
    reply = await http.post(f"/components/{who[0]}/resources", json=body)
    assert reply.status_code == 200 and reply.json()["success"] is True, reply.text


# The machine.


async def test_the_machine_is_told_as_documented(http: httpx.AsyncClient) -> None:
    """In GB and percent, with what is in use and free making up the whole; its GPUs are a list, also of none."""
    found = await read(http, "/resources")
    assert_same_types(found, SYSTEM | {"gpu": []})
    assert found["cpu"]["cores"] == len(found["cpu"]["per_core"]) == psutil.cpu_count()
    memory = found["memory"]
    assert memory["total"] == pytest.approx(psutil.virtual_memory().total / 2**30, abs=0.001)
    assert memory["used"] + memory["free"] == pytest.approx(memory["total"], abs=0.01)
    assert memory["percent"] == pytest.approx(100 * memory["used"] / memory["total"], abs=0.1)
    assert found["host"] and found["history"] == [] and found["others"] == []


@pytest.mark.parametrize("part", ["cpu", "memory", "disk"])
async def test_each_part_has_a_path_of_its_own(http: httpx.AsyncClient, part: str) -> None:
    """It looks there as it looks in the whole."""
    found = await read(http, f"/resources/{part}")
    assert found.keys() == {part, "timestamp"}
    assert_same_types(found[part], SYSTEM[part])


async def test_no_gpu_is_an_empty_list_and_says_why(http: httpx.AsyncClient) -> None:
    """Unless this machine has one."""
    found = await read(http, "/resources/gpu")
    assert found["gpu"] or "no NVIDIA GPU can be read" in found["note"]


async def test_gpus_are_told_as_documented_and_whose_their_processes_are(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one does not tell is absent, and of a lost one everything is, which is an event as well."""
    used = FakeGpu(used=round(4.2 * GB), processes={os.getpid(): GB, 1: None})
    tells_little = FakeGpu("B", "GPU-2", fails=dict.fromkeys(("Utilization", "Temperature"), NVML_ERROR_NOT_SUPPORTED))
    broken = FakeGpu("C", "GPU-3")
    monkeypatch.setattr(_gpus, "_pynvml", lambda: FakeNvml(used, tells_little, broken))
    folder = tmp_path_factory.mktemp("gpus")
    async with limited(cluster.new_database(), folder) as running, client(running) as http:
        found = await read(http, "/resources")
        assert_same_types(found, SYSTEM)
        first, second, third = found["gpu"]
        printed = SYSTEM["gpu"][0] | {"name": "NVIDIA RTX 4090"}  # type: ignore[index]
        assert {key: first[key] for key in printed} == printed
        assert [(p["pid"], p["component_id"], p.get("memory_used")) for p in first["processes"]] == [
            (os.getpid(), "tekton_core", 1), (1, "", None)
        ]  # fmt: skip
        assert second["memory_free"] == 20 and "util" not in second and "temperature" not in second
        assert (first["status"], third["status"], third["util"]) == ("ok", "ok", 45)
        core = await read(http, "/components/tekton_core/resources")
        assert core["resource_usage"]["gpu"] == {"id": 0, "memory_used": 1024, "util": 0}
        async with events(f"{running.http}/events/tekton/resources") as stream:
            assert (await stream.next()).data["alarms"] == []
            broken.fails = {"": NVML_ERROR_GPU_IS_LOST}
            exceeded = await following(stream, "threshold_exceeded")
            assert (exceeded["alarm"]["figure"], exceeded["alarm"]["gpu"]) == ("gpu_lost", 2)
            lost = (await read(http, "/resources/gpu"))["gpu"][2]
            assert lost == {"id": 2, "name": "C", "uuid": "GPU-3", "status": "lost", "processes": []}
            broken.fails = {}
            assert (await following(stream, "threshold_cleared"))["alarm"]["figure"] == "gpu_lost"


async def test_the_last_hour_comes_where_it_is_asked_for(http: httpx.AsyncClient) -> None:
    """The oldest first, and no further back than asked."""
    found = await until(lambda: read(http, "/resources?history_seconds=3600"), lambda one: len(one["history"]) > 3)
    times = [point["timestamp"] for point in found["history"]]
    assert times == sorted(times) and times[-1] == found["timestamp"]
    assert all(0 <= point["cpu_percent"] <= 100 and point["memory_percent"] > 0 for point in found["history"])
    short = await read(http, "/resources?history_seconds=0.3")
    assert 1 <= len(short["history"]) <= 3


@pytest.mark.parametrize("seconds", ["-1", "86401", "NaN", "Infinity", "many"])
async def test_a_history_that_cannot_be_is_refused_by_its_name(http: httpx.AsyncClient, seconds: str) -> None:
    """Of the machine and of a component."""
    for path in ("/resources", "/components/tekton_core/resources"):
        reply = await http.get(path, params={"history_seconds": seconds})
        assert reply.status_code == 400 and "history_seconds" in reply.json()["error"]["message"]


async def test_figures_that_cannot_be_read_are_unavailable_and_come_back(
    tekton: ControlPlane, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old ones are not told as new ones."""
    machines = tekton.app.live.resources.machines
    monkeypatch.setattr(machines, "_stale_after", -1.0)
    machines.trouble = "the disk is gone"
    for path in ("/resources", "/resources/cpu", "/resources/memory", "/resources/gpu", "/resources/disk"):
        reply = await http.get(path)
        assert reply.status_code == 503 and reply.json()["error"]["reason"] == "unavailable"
    monkeypatch.undo()
    await read(http, "/resources")


# Components.


async def test_what_a_component_reports_is_told_as_documented(http: httpx.AsyncClient, direct: Stubs) -> None:
    """In MB, by the names of the reply."""
    who = await ready(direct)
    await report(http, who, **USAGE)
    found = await read(http, f"/components/{who[0]}/resources")
    assert_same_types(found, COMPONENT)
    usage = found["resource_usage"]
    assert (usage["cpu_percent"], usage["memory"]["rss"], usage["memory"]["percent"]) == (15.2, 256.5, 12.5)
    assert usage["gpu"] == {"id": 0, "memory_used": 1024, "util": 45.3}
    assert usage["network"] == {"bytes_sent": 1024000, "bytes_recv": 2048000}
    assert usage["disk_io"] == {"read_bytes": 1024000, "write_bytes": 512000}
    (instance,) = found["instances"]
    assert (instance["instance_uuid"], instance["status"], instance["source"]) == (who[1], "ready", "reported")


async def test_the_newest_report_counts_whole(http: httpx.AsyncClient, direct: Stubs) -> None:
    """What it does not say is not known any more."""
    who = await ready(direct)
    await report(http, who, cpu_percent=50, memory_mb=100)
    await report(http, who, cpu_percent=10)
    usage = (await read(http, f"/components/{who[0]}/resources"))["resource_usage"]
    assert (usage["cpu_percent"], usage["memory"]["rss"]) == (10, 0)


async def test_a_component_uses_what_its_leased_instances_use(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Those that have ended are told apart no longer; without any, the newest one's last word stands."""
    name = new_id()
    one, two = await ready(direct, name), await ready(direct, name)
    await report(http, one, cpu_percent=50, memory_mb=100)
    await report(http, two, cpu_percent=25)
    found = await read(http, f"/components/{name}/resources")
    assert (found["resource_usage"]["cpu_percent"], len(found["instances"])) == (75, 2)
    for who in (one, two):
        await http.delete(f"/components/{name}", params={"instance_uuid": who[1]})
    # The last figures are stored when an instance ends, and read from there.
    stored = await until(lambda: read(http, f"/components/{name}/resources"), lambda one: one["instances"])
    assert stored["resource_usage"]["cpu_percent"] == 25


async def test_a_component_of_which_nothing_is_known_has_zeros(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Who reads the documented figures finds them; that there is no instance says that they are nobody's."""
    who = await ready(direct)
    found = await read(http, f"/components/{who[0]}/resources")
    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "component_id": who[0],
        "resource_usage": {
            "cpu_percent": 0,
            "memory": {"rss": 0, "vms": 0, "percent": 0},
            "network": {"bytes_sent": 0, "bytes_recv": 0},
            "disk_io": {"read_bytes": 0, "write_bytes": 0},
        },
        "instances": [],
        "history": [],
    }


async def test_tekton_itself_is_measured_with_its_database_and_gateway(http: httpx.AsyncClient) -> None:
    """It is a component like the others, but reports nothing."""
    found = await until(
        lambda: read(http, "/components/tekton_core/resources"), lambda one: one["resource_usage"]["cpu_percent"] > 0
    )
    usage, (instance,) = found["resource_usage"], found["instances"]
    assert usage["memory"]["rss"] > 50 and instance["source"] == "measured"
    body = {"instance_uuid": CORE_UUID, "usage": {"cpu_percent": 1}}
    reply = await http.post("/components/tekton_core/resources", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, 1002)


async def test_history_has_half_minutes(http: httpx.AsyncClient, direct: Stubs, tekton: ControlPlane) -> None:
    """Once the reports are stored; the newest of each counts."""
    who = await ready(direct)
    for percent in (10, 20, 30):
        await report(http, who, cpu_percent=percent, memory_mb=64)
    path = f"/components/{who[0]}/resources?history_seconds=60"
    found = await until(lambda: read(http, path), lambda one: one["history"])
    assert found["history"][-1]["cpu_percent"] in (10, 20, 30) and found["history"][-1]["memory_mb"] == 64
    assert found["history"][-1]["timestamp"][17:19] in ("00", "30")


async def test_only_who_holds_the_lease_reports(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Nobody, nobody's instance, an ended one, and a stale grant."""
    who = await ready(direct)
    body = {"instance_uuid": who[1], "usage": {"cpu_percent": 1}}
    for path, more, status, reason in (
        ("/components/nobody/resources", {}, 404, "component_not_found"),
        (f"/components/{who[0]}/resources", {"instance_uuid": CORE_UUID}, 404, "component_not_found"),
        (f"/components/{who[0]}/resources", {"fencing_token": "00000000.1"}, 409, "stale_session"),
        (f"/components/{who[0]}/resources", {"usage": {}}, 400, "validation_error"),
        (f"/components/{who[0]}/resources", {"usage": {"cpu_percent": "NaN"}}, 400, "validation_error"),
        (f"/components/{who[0]}/resources", {"usage": {"memory_percent": 101}}, 400, "validation_error"),
        (f"/components/{who[0]}/resources", {"instance_uuid": ""}, 400, "validation_error"),
    ):
        reply = await http.post(path, json=body | more)
        assert (reply.status_code, reply.json()["error"]["reason"]) == (status, reason), reply.text
    await http.delete(f"/components/{who[0]}", params={"instance_uuid": who[1]})
    reply = await http.post(f"/components/{who[0]}/resources", json=body)
    assert (reply.status_code, reply.json()["error"]["reason"]) == (409, "stale_session")


async def test_reports_take_no_revision_and_are_stored_together(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand reports of fifty instances are a few statements, each with one row for an instance at most."""
    store = tekton.app.live.resources._store
    flush, sizes = store.flush, []

    async def counted(told: Any) -> None:
        sizes.append(len(told))
        await flush(told)

    monkeypatch.setattr(store, "flush", counted)
    everybody = await asyncio.gather(*(ready(direct) for _ in range(50)))
    before, began = tekton.app.live.view.revision, time.monotonic()

    async def said(who: tuple[str, str], percent: int) -> None:
        request = pb.ReportComponentResourcesRequest(
            component_id=who[0], instance_uuid=who[1], usage=pb.ReportedUsage(cpu_percent=percent)
        )
        await direct.resources.ReportComponentResources(request)

    for percent in range(20):
        await asyncio.gather(*(said(who, percent) for who in everybody))
    async with asyncio.timeout(10):
        while sum(sizes) < 50:
            await asyncio.sleep(0.05)
    # One every two seconds, however long the reports took, and however much comes while it is under way.
    most = 2 + (time.monotonic() - began) / (0.8 * exchange.FLUSH_EVERY)
    assert tekton.app.live.view.revision == before and len(sizes) <= most, sizes


async def test_reports_outlast_the_server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What was told is known to the next one."""
    url, folder = cluster.new_database(), tmp_path_factory.mktemp("again")
    async with limited(url, folder) as first, stubs(first.direct) as direct, client(first) as http:
        who = await ready(direct)
        await report(http, who, cpu_percent=42)
    async with limited(url, folder) as second, client(second) as http:
        found = await read(http, f"/components/{who[0]}/resources")
        assert found["resource_usage"]["cpu_percent"] == 42 and found["instances"][0]["source"] == "reported"


async def test_a_database_that_hangs_holds_up_no_figures_for_long(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known here is told; what is not is unavailable, long before the call's own deadline."""
    one, two = await ready(direct), await ready(direct)
    await report(http, one, memory_mb=7)
    resources, waiting = tekton.app.live.resources, asyncio.Event()

    async def hang(*_: Any) -> Any:
        await waiting.wait()

    monkeypatch.setattr(monitor, "ASKED_WITHIN", 0.1)
    monkeypatch.setattr(resources._store, "newest", hang)
    monkeypatch.setattr(resources._store, "history", hang)
    with monkeypatch.context() as several:
        several.setattr(resources._leases.ownership, "others", frozenset({new_id()}))
        assert (await read(http, f"/components/{one[0]}/resources"))["resource_usage"]["memory"]["rss"] == 7
    for path in (f"/components/{two[0]}/resources", f"/components/{one[0]}/resources?history_seconds=60"):
        reply = await http.get(path)
        assert (reply.status_code, reply.json()["error"]["reason"]) == (503, "unavailable")


async def test_servers_of_one_database_know_what_each_other_heard(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Usage, machines, and what is too much; the owner of the lease is the one who acts."""
    url = cluster.new_database()
    async with (
        limited(url, tmp_path_factory.mktemp("one"), over_limit="degraded") as one,
        limited(url, tmp_path_factory.mktemp("two"), over_limit="degraded") as two,
        stubs(one.direct) as direct,
        client(one) as here,
        client(two) as there,
        events(f"{two.http}/events/tekton/resources") as stream,
    ):
        who = await ready(direct)
        await constrain(here, who[0], memory_limit=100)
        await report(there, who, memory_mb=150)
        exceeded = await following(stream, "limit_exceeded")
        assert exceeded["alarm"]["instance_uuid"] == who[1]
        # The first one granted the lease and owns it, and has heard of the report by the database only.
        assert one.app.live.leases.get(who[1]).mine and not two.app.live.leases.get(who[1]).mine  # type: ignore[union-attr]

        async def status() -> str:
            return str((await read(here, f"/components/{who[0]}/status"))["status"])

        await until(status, lambda found: found == "degraded")
        used = (await read(here, f"/components/{who[0]}/resources"))["resource_usage"]
        assert used["memory"]["rss"] == 150
        assert (await read(here, "/resources"))["others"] == [], "they run on one machine"
        two.app.live.resources._sampler._reader.host = "another-machine"  # type: ignore[union-attr]
        found = await until(lambda: read(here, "/resources"), lambda one: one["others"])
        (other,) = found["others"]
        assert other["host"] == "another-machine"
        assert_same_types({**other, "gpu": SYSTEM["gpu"]}, SYSTEM)


async def test_a_word_that_another_server_stored_does_not_hide_what_was_measured_here(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is newer."""
    who = await ready(direct)
    resources, now = tekton.app.live.resources, datetime.now(UTC)
    newer = Told(who[1], now + timedelta(seconds=5), Usage(rss_bytes=1 * MB, sent_bytes=5))

    async def stored(_: Any) -> list[Told]:
        # Within one turn of the loop, or the next reading of the machine would know that nothing of it runs here.
        resources.book.measure(who[1], Usage(rss_bytes=64 * MB), now, store=False)
        return [newer]

    monkeypatch.setattr(resources._store, "newest", stored)
    usage = (await read(http, f"/components/{who[0]}/resources"))["resource_usage"]
    assert (usage["memory"]["rss"], usage["network"]["bytes_sent"]) == (64, 5)


def client(tekton: ControlPlane) -> httpx.AsyncClient:
    """Open a client on the gateway of another control plane."""
    return httpx.AsyncClient(base_url=f"{tekton.http}/api/tekton", timeout=10)


# What they may use.


async def constrain(http: httpx.AsyncClient, component_id: str, **limits: Any) -> dict[str, Any]:
    """Set constraints."""
    reply = await http.put(f"/components/{component_id}/constraints", json=limits)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


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


# What is too much.


async def following(stream: Events, name: str) -> dict[str, Any]:
    """Read on to the next event of a name."""
    while (event := await stream.next()).name != name:
        pass
    found: dict[str, Any] = event.data
    return found


async def test_a_watch_begins_with_what_is_too_much_now(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs
) -> None:
    """Then each thing that gets too much is told once, and once more when it is not; others are not told at all."""
    who, other = await ready(direct), await ready(direct)
    for one in (who, other):
        await constrain(http, one[0], cpu_limit=1, memory_limit=100)
    await report(http, who, cpu_percent=150)
    await report(http, other, cpu_percent=150)
    path = f"{tekton.http}/events/tekton/resources?component_ids={who[0]}"
    async with events(path) as stream:
        present = await following(stream, "present")
        (alarm,) = present["alarms"]
        assert (alarm["figure"], alarm["value"], alarm["threshold"], alarm["unit"]) == ("cpu_limit", 1.5, 1, "cores")
        assert (alarm["component_id"], alarm["instance_uuid"]) == who
        await report(http, other, cpu_percent=10)
        await report(http, who, cpu_percent=150, memory_mb=200)
        exceeded = await following(stream, "limit_exceeded")
        assert exceeded["alarm"]["message"] == f"{who[0]}: memory 200 MB, its limit is 100 MB"
        await report(http, who, cpu_percent=10, memory_mb=200)
        assert (await following(stream, "limit_cleared"))["alarm"]["figure"] == "cpu_limit"
        await http.delete(f"/components/{who[0]}", params={"instance_uuid": who[1]})
        assert (await following(stream, "limit_cleared"))["alarm"]["figure"] == "memory_limit"


async def test_thresholds_of_the_machine_are_events(tekton: ControlPlane) -> None:
    """To everybody, whichever components they watch, and to watchers over gRPC alike."""
    resources = tekton.app.live.resources
    machine = await resources.machines.now()
    full = machine._replace(host="a-full-one", gpus=(Gpu(0, "A", "u", 0.5, 100, 97, 50.0),))
    async with (
        events(f"{tekton.http}/events/tekton/resources?component_types=none") as stream,
        stubs(tekton.gateway) as native,
    ):
        watch = native.resources.WatchResources(pb.WatchResourcesRequest(component_ids=["nobody"]))
        assert (await watch.read()).event == "present" and (await stream.next()).name == "present"
        resources.others([full])
        exceeded = await following(stream, "threshold_exceeded")
        assert (exceeded["alarm"]["figure"], exceeded["alarm"]["gpu"], exceeded["alarm"]["host"]) == (
            "gpu_memory_percent", 0, "a-full-one"
        )  # fmt: skip
        first = await watch.read()
        assert (first.event, first.alarm.value, first.alarm.threshold) == ("threshold_exceeded", 97, 95)
        resources.others([])
        assert (await following(stream, "threshold_cleared"))["alarm"]["host"] == "a-full-one"
        assert (await watch.read()).event == "threshold_cleared"
        watch.cancel()


async def test_with_figures_a_watcher_sees_everything_that_changes(
    tekton: ControlPlane, http: httpx.AsyncClient, direct: Stubs
) -> None:
    """One stream for all: the machine, all components at first, then those with new figures or another state."""
    who = await ready(direct)
    async with events(f"{tekton.http}/events/tekton/resources?figures=true&component_ids={who[0]}") as stream:
        assert (await stream.next()).name == "present"
        assert_same_types((await following(stream, "system"))["system"], {**SYSTEM, "gpu": []})
        (row,) = (await following(stream, "components"))["components"]
        assert (row["component_id"], row["status"], row["instances"], row["removed"]) == (who[0], "ready", 1, False)
        assert "usage" not in row
        await report(http, who, cpu_percent=12.5, memory_mb=64)
        (row,) = (await following(stream, "components"))["components"]
        assert (row["usage"]["cpu_percent"], row["usage"]["memory"]["rss"]) == (12.5, 64)
        await http.put(f"/components/{who[0]}/state", json={"instance_uuid": who[1], "state": "degraded"})
        (row,) = (await following(stream, "components"))["components"]
        assert row["status"] == "degraded"
        await http.delete(f"/components/{who[0]}")
        (row,) = (await following(stream, "components"))["components"]
        assert row["removed"] is True


async def test_a_watcher_is_not_told_old_figures_of_the_machine(
    tekton: ControlPlane, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it cannot be read there are none; those of components come all the same."""
    await ready(direct)
    monkeypatch.setattr(tekton.app.live.resources.machines, "_stale_after", -1.0)
    async with events(f"{tekton.http}/events/tekton/resources?figures=true") as stream:
        names = []
        while not names or names[-1] != "complete":
            names.append((await stream.next()).name)
    assert names[0] == "present" and "components" in names and "system" not in names


async def test_a_slow_watcher_gets_the_newest_and_holds_up_nobody(tekton: ControlPlane, direct: Stubs) -> None:
    """What is pending is bounded by how many components there are."""
    feed = tekton.app.live.resources.feed
    who = await ready(direct)
    with feed.watch(
        lambda definition: definition is not None and definition.component_id == who[0], figures=True
    ) as slow:
        for percent in range(500):
            request = pb.ReportComponentResourcesRequest(
                component_id=who[0], instance_uuid=who[1], usage=pb.ReportedUsage(cpu_percent=percent % 100)
            )
            await direct.resources.ReportComponentResources(request)
        news = await slow.next(5)
        assert news is not None and len(news.components) == 1


@pytest.mark.parametrize("query", ["component_ids=" + "x" * 200, "component_types=a%00b", "figures=maybe"])
async def test_a_selector_that_cannot_be_is_refused(http: httpx.AsyncClient, tekton: ControlPlane, query: str) -> None:
    """Before the stream begins."""
    reply = await http.get(f"{tekton.http}/events/tekton/resources?{query}")
    assert reply.status_code == 400 and reply.json()["error"]["reason"] == "validation_error"
