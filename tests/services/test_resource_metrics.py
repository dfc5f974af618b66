"""What machine and components use as OpenMetrics, read with the parser of Prometheus' own library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tekton import _gpus
from tekton.core.machine import GB
from tekton.v1 import resource_service_pb2 as pb
from tekton_server.services import exposition_resources
from tests.support.client import Stubs, new_id, stubs
from tests.support.control_plane import QUIET, ControlPlane, control_plane, settings_for
from tests.support.fake_nvml import FakeGpu, FakeNvml
from tests.support.postgres import Cluster

GAUGES = {
    "tekton_host_readable", "tekton_host_cpu_ratio", "tekton_host_core_ratio", "tekton_host_load",
    "tekton_host_memory_total_bytes", "tekton_host_memory_free_bytes", "tekton_host_swap_total_bytes",
    "tekton_host_swap_used_bytes", "tekton_host_disk_total_bytes", "tekton_host_disk_used_bytes",
    "tekton_host_disk_free_bytes", "tekton_gpu_lost", "tekton_gpu_busy_ratio", "tekton_gpu_memory_total_bytes",
    "tekton_gpu_memory_used_bytes", "tekton_gpu_temperature_celsius", "tekton_resource_alarms",
    "tekton_component_cpu_cores", "tekton_component_memory_bytes", "tekton_component_gpu_memory_bytes",
    "tekton_component_metrics_left_out",
}  # fmt: skip
COUNTERS = {"tekton_host_network_sent_bytes", "tekton_host_network_received_bytes"}


@pytest.fixture(scope="module")
def nvml() -> FakeNvml:
    """Two GPUs, of which the second tells no temperature."""
    return FakeNvml(
        FakeGpu(name="NVIDIA T4", uuid="GPU-a", busy=45, total=16 * GB, used=4 * GB, celsius=50),
        FakeGpu(name="NVIDIA T4", uuid="GPU-b", fails={"Temperature": 3}),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, nvml: FakeNvml
) -> AsyncIterator[ControlPlane]:
    """A control plane on a machine with GPUs, which it reads five times a second."""
    url, folder = cluster.new_database(), tmp_path_factory.mktemp("metrics")
    chosen = msgspec.structs.replace(
        settings_for(url, folder, timeout=60), monitoring=msgspec.structs.replace(QUIET, collection_interval=0.2)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_gpus, "_pynvml", lambda: nvml)
        async with control_plane(url, folder, settings=chosen) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tekton: ControlPlane) -> AsyncIterator[Stubs]:
    """Raw stubs on the direct port."""
    async with stubs(tekton.direct) as opened:
        yield opened


async def scraped(tekton: ControlPlane) -> dict[str, Metric]:
    """Scrape and parse."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as http:
        text = (await http.get("/metrics")).text
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family: Metric, *labels: str) -> dict[Any, float]:
    """Give the values by some labels."""
    return {tuple(one.labels[label] for label in labels): one.value for one in family.samples}


async def test_the_machine_and_its_gpus_are_told(tekton: ControlPlane) -> None:
    """In base units, and with HELP, TYPE and UNIT; what a GPU does not tell has no sample."""
    async with asyncio.timeout(10):
        while (found := await scraped(tekton))["tekton_host_readable"].samples[0].value == 0:
            await asyncio.sleep(0.05)
    assert {name for name in GAUGES if found[name].type == "gauge"} == GAUGES
    assert {name for name in COUNTERS if found[name].type == "counter"} == COUNTERS
    assert all(found[name].documentation.endswith(".") for name in GAUGES | COUNTERS)
    assert found["tekton_gpu_temperature_celsius"].unit == "celsius"
    cores = found["tekton_host_core_ratio"].samples
    assert all(0 <= one.value <= 1 for one in cores)
    assert len({one.labels["host"] for one in cores}) == 1
    assert values(found["tekton_host_load"], "minutes").keys() == {("1",), ("5",), ("15",)}
    assert (
        found["tekton_host_memory_total_bytes"].samples[0].value
        > found["tekton_host_memory_free_bytes"].samples[0].value
    )
    assert values(found["tekton_gpu_busy_ratio"], "gpu") == {("0",): 0.45, ("1",): 0.45}
    assert values(found["tekton_gpu_memory_used_bytes"], "gpu")[("0",)] == 4 * GB
    assert values(found["tekton_gpu_temperature_celsius"], "gpu") == {("0",): 50}
    assert values(found["tekton_gpu"], "gpu", "name", "uuid").keys() == {
        ("0", "NVIDIA T4", "GPU-a"), ("1", "NVIDIA T4", "GPU-b")
    }  # fmt: skip


async def test_a_gpu_that_is_lost_is_told_without_figures(tekton: ControlPlane, nvml: FakeNvml) -> None:
    """And it is an alarm."""
    nvml.gpus[1].fails = {"": 15}
    try:
        async with asyncio.timeout(10):
            while values((await scraped(tekton))["tekton_gpu_lost"], "gpu") != {("0",): 0, ("1",): 1}:
                await asyncio.sleep(0.05)
        found = await scraped(tekton)
        assert values(found["tekton_gpu_busy_ratio"], "gpu").keys() == {("0",)}
        assert values(found["tekton_resource_alarms"], "figure")[("gpu_lost",)] == 1
    finally:
        nvml.gpus[1].fails = {}


async def _uses(api: Stubs, **usage: float) -> str:
    granted = await api.register(new_id())
    request = pb.ReportComponentResourcesRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, usage=pb.ReportedUsage(**usage)
    )
    await api.resources.ReportComponentResources(request)
    return granted.component_id


async def test_components_are_told_and_never_too_many(
    tekton: ControlPlane, api: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody knows has no sample; Tekton itself is told in any case, and how many are not."""
    one = await _uses(api, cpu_percent=150, memory_mb=10)
    two = await _uses(api, gpu_memory_mb=5)
    await api.register(new_id())
    found = await scraped(tekton)
    cores = values(found["tekton_component_cpu_cores"], "component_id")
    assert cores[(one,)] == 1.5
    assert (two,) not in cores
    assert values(found["tekton_component_memory_bytes"], "component_id")[(one,)] == 10 * 2**20
    assert values(found["tekton_component_gpu_memory_bytes"], "component_id")[(two,)] == 5 * 2**20
    assert found["tekton_component_metrics_left_out"].samples[0].value == 0
    monkeypatch.setattr(exposition_resources, "MOST_COMPONENTS", 1)
    found = await scraped(tekton)
    assert values(found["tekton_component_memory_bytes"], "component_id").keys() == {("tekton_core",)}
    assert found["tekton_component_metrics_left_out"].samples[0].value == 2


async def test_old_figures_are_not_told(tekton: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    """The families stay, without samples."""
    monkeypatch.setattr(tekton.app.live.resources.machines, "_stale_after", -1.0)
    found = await scraped(tekton)
    assert found["tekton_host_readable"].samples[0].value == 0
    assert found["tekton_host_cpu_ratio"].samples == []
    assert found["tekton_gpu_lost"].samples == []
