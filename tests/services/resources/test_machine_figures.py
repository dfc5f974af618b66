"""The resources of the machine and its GPUs, over REST."""

from __future__ import annotations

import os

import httpx
import psutil
import pytest
from pynvml import NVML_ERROR_GPU_IS_LOST, NVML_ERROR_NOT_SUPPORTED

from tekton import _gpus
from tekton.core.machine import GB
from tests.services.resources.usage import SYSTEM, client, following, limited, read, until
from tests.support.control_plane import ControlPlane
from tests.support.fake_nvml import FakeGpu, FakeNvml
from tests.support.postgres import Cluster
from tests.support.shapes import assert_same_types
from tests.support.sse import events


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
