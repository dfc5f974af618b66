"""Figures: the documented JSON of every component, and OpenMetrics text that Prometheus' own parser takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
import pytest_asyncio
from grpc import aio
from prometheus_client import REGISTRY, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import system_service_pb2 as pb
from tests.support.client import Stubs, new_id, refused, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster
from tests.support.shapes import assert_same_types

PRINTED = {
    "cpu_percent": 15.2,
    "memory_percent": 12.5,
    "active_connections": 5,
    "requests_per_second": 10.3,
    "request_latency_ms": 45.7,
}
REGISTRY_SERVICE = "tekton.v1.RegistryService"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as client:
        yield client


async def families(http: httpx.AsyncClient) -> dict[str, Metric]:
    """Scrape, and read with the parser that Prometheus' client library has for this format."""
    reply = await http.get("/metrics")
    assert reply.status_code == 200
    return {family.name: family for family in text_string_to_metric_families(reply.text)}


async def samples(http: httpx.AsyncClient) -> Samples:
    """Scrape, and give the values by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in (await families(http)).values()
        for sample in family.samples
    }


def of(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """Name a sample."""
    return name, frozenset(labels.items())


def calls(method: str, code: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """Name the sample of the calls of a method of the registry."""
    return of("tekton_calls_total", service=REGISTRY_SERVICE, method=method, code=code)


async def until(http: httpx.AsyncClient, name: tuple[str, frozenset[tuple[str, str]]], value: float) -> None:
    """Wait until a sample has a value: a stream that was closed is noticed a moment later."""
    for _ in range(100):
        if (await samples(http)).get(name) == value:
            return
        await asyncio.sleep(0.02)
    assert (await samples(http)).get(name) == value


async def test_the_metrics_are_as_documented_for_every_component(http: httpx.AsyncClient) -> None:
    """The five printed figures with the printed types, and more beside them."""
    reply = await http.get("/api/metrics")
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/json"
    found = reply.json()
    assert_same_types(found, PRINTED)
    assert found["active_connections"] >= 1, "this call is one of them"
    assert 0 < found["memory_percent"] < 100 and found["memory_mb"] > 1
    assert found["database_up"] is True and found["uptime_seconds"] > 0


async def test_the_metrics_follow_what_happens(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Calls, failures, leases and revisions move the figures."""
    before = (await http.get("/api/metrics")).json()
    await direct.register()
    with refused("component_not_found"):
        await direct.registry.GetComponent(registry_pb.GetComponentRequest(component_id="nobody"))
    after = (await http.get("/api/metrics")).json()
    # The first look is itself a call that has ended by the second.
    assert after["requests_total"] - before["requests_total"] == 3
    assert after["request_errors_total"] - before["request_errors_total"] == 1
    assert after["leases"] - before["leases"] == 1 and int(after["revision"]) > int(before["revision"])
    assert after["requests_per_second"] > 0 and after["request_latency_ms"] > 0


async def test_the_exposition_is_openmetrics(http: httpx.AsyncClient) -> None:
    """Its content type, its end mark, and HELP and TYPE for every family; UNIT where the name ends in one."""
    reply = await http.get("/metrics")
    assert reply.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert reply.text.endswith("# EOF\n")
    for name, family in (await families(http)).items():
        assert family.documentation.endswith("."), name
        assert family.type in ("counter", "gauge", "histogram", "info"), name
        assert family.unit == next(
            (unit for unit in ("seconds", "bytes", "ratio", "celsius") if name.endswith(unit)), ""
        ), name


async def test_the_exposition_names_every_part(http: httpx.AsyncClient) -> None:
    """Calls, latencies, leases, journal, watchers, queues, database, process."""
    assert set(await families(http)) >= {
        "tekton_build", "tekton_ready", "tekton_part_healthy",
        "tekton_calls", "tekton_calls_active", "tekton_call_duration_seconds",
        "tekton_components", "tekton_instances", "tekton_watchers",
        "tekton_leases", "tekton_leases_suspect", "tekton_leases_owned", "tekton_servers", "tekton_heartbeat_sessions",
        "tekton_journal_revision", "tekton_journal_commits", "tekton_journal_batch_commits",
        "tekton_writer_waiting", "tekton_evictions_waiting", "tekton_healing_waiting", "tekton_usage_waiting",
        "tekton_self_preservation", "tekton_database_up",
        "process_cpu_seconds", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds",
    }  # fmt: skip


async def test_calls_are_counted_by_the_status_their_caller_sees(http: httpx.AsyncClient, api: Stubs) -> None:
    """On both ports: an answer, a refusal, and a request that cannot even be read."""
    before = await samples(http)
    granted = await api.register()
    await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=granted.component_id))
    with refused("component_not_found"):
        await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id="nobody"))
    raw = api.channel.unary_unary(f"/{REGISTRY_SERVICE}/GetComponent")
    with pytest.raises(aio.AioRpcError) as caught:
        await raw(b"\x0a\x02\xff\xfe")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    after = await samples(http)
    for code in ("OK", "NOT_FOUND", "INVALID_ARGUMENT"):
        name = calls("GetComponent", code)
        assert after[name] - before.get(name, 0) == 1, code
    count = of("tekton_call_duration_seconds_count", service=REGISTRY_SERVICE, method="GetComponent")
    assert after[count] - before.get(count, 0) == 3


async def test_labels_are_bounded_by_the_contract(http: httpx.AsyncClient, direct: Stubs) -> None:
    """Whoever calls what does not exist, and names it as he likes, makes no series."""
    for method in ("/tekton.v1.RegistryService/Nothing", "/other.Service/Nothing"):
        with pytest.raises(aio.AioRpcError):
            await direct.channel.unary_unary(method)(b"")
    await http.get("/api/tekton/nothing/here")
    found = await families(http)
    assert not [sample for family in found.values() for sample in family.samples if "Nothing" in str(sample.labels)]
    names = {label for family in found.values() for sample in family.samples for label in sample.labels}
    mine = {"service", "method", "code", "le", "kind", "part", "phase", "version", "commit", "result"}
    assert names == mine | {"host", "core", "minutes", "figure", "component_id"}


async def test_a_histogram_is_cumulative(http: httpx.AsyncClient) -> None:
    """Each bucket holds those before it, and the last one all."""
    for family in (await families(http)).values():
        if family.type == "histogram":
            by_labels: dict[str, list[float]] = {}
            counts: dict[str, float] = {}
            for sample in family.samples:
                key = str(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
                if sample.name.endswith("_bucket"):
                    by_labels.setdefault(key, []).append(sample.value)
                elif sample.name.endswith("_count"):
                    counts[key] = sample.value
            assert counts and all(v == sorted(v) and v[-1] == counts[k] for k, v in by_labels.items())


async def test_streams_are_active_until_they_end(http: httpx.AsyncClient, direct: Stubs) -> None:
    """A watch that its client leaves is cancelled; watchers are counted by kind."""
    watch = direct.lifecycle.WatchStates(lifecycle_pb.WatchStatesRequest())
    beats = direct.heartbeat.WatchHeartbeats(heartbeat_pb.WatchHeartbeatsRequest())
    await watch.read()
    await until(http, of("tekton_watchers", kind="heartbeats"), 1)
    found = await samples(http)
    states = {"service": "tekton.v1.LifecycleService", "method": "WatchStates"}
    assert found[of("tekton_watchers", kind="registry")] == 1
    assert found[of("tekton_calls_active", **states)] == 1
    assert of("tekton_call_duration_seconds_count", **states) not in found, "how long it is open is no latency"
    watch.cancel()
    beats.cancel()
    await until(http, of("tekton_calls_active", **states), 0)
    await until(http, of("tekton_calls_total", code="CANCELLED", **states), 1)
    await until(http, of("tekton_watchers", kind="registry"), 0)


async def test_methods_that_nobody_has_called_have_no_figures(http: httpx.AsyncClient, direct: Stubs) -> None:
    """There are many, and each has thirty lines."""
    await direct.register()
    shown = {dict(labels).get("method") for _, labels in await samples(http)}
    assert "RegisterComponent" in shown
    assert "DeregisterModel" not in shown


async def test_a_deadline_that_passes_is_told_from_a_caller_who_leaves(http: httpx.AsyncClient, direct: Stubs) -> None:
    """The one is DEADLINE_EXCEEDED, the other CANCELLED, as on the caller's side."""
    watch = direct.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=["nobody"]), timeout=0.3)
    with pytest.raises(aio.AioRpcError) as caught:
        async for _ in watch:
            pass
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(http, calls("WatchRegistry", "DEADLINE_EXCEEDED"), 1)
    assert calls("WatchRegistry", "CANCELLED") not in await samples(http)


async def test_leases_sessions_and_suspects_are_counted(http: httpx.AsyncClient, direct: Stubs) -> None:
    """A session carries a lease; once its stream is cut, the lease is suspect."""
    granted = await direct.register()
    stream = direct.heartbeat.Connect()
    claim = heartbeat_pb.LeaseClaim(component_id=granted.component_id, instance_uuid=granted.instance_uuid)
    await stream.write(heartbeat_pb.ConnectRequest(hello=heartbeat_pb.Hello(leases=[claim])))
    await stream.read()
    found = await samples(http)
    assert found[of("tekton_heartbeat_sessions")] == 1 and found[of("tekton_leases")] >= 1
    suspects = found[of("tekton_leases_suspect")]
    stream.cancel()
    await until(http, of("tekton_leases_suspect"), suspects + 1)
    await until(http, of("tekton_heartbeat_sessions"), 0)


async def test_the_journal_and_its_batches_are_counted(http: httpx.AsyncClient, direct: Stubs) -> None:
    """As many commits as revisions, in at most as many batches."""
    before = await samples(http)
    await asyncio.gather(*(direct.register(new_id("batch")) for _ in range(20)))
    after = await samples(http)
    commits, batches = of("tekton_journal_commits_total"), of("tekton_journal_batch_commits_count")
    revision = of("tekton_journal_revision")
    grown = after[commits] - before[commits]
    assert grown == after[revision] - before[revision] >= 20
    assert 1 <= after[batches] - before[batches] <= grown
    assert after[of("tekton_journal_batch_commits_sum")] == after[commits]
    assert after[of("tekton_writer_waiting")] == 0 and after[of("tekton_database_up")] == 1


async def test_the_figures_are_a_server_s_own(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two servers in one process share no figure, and nothing is put into the library's global registry."""
    async with (
        control_plane(cluster.new_database(), tmp_path_factory.mktemp("m")) as running,
        httpx.AsyncClient(base_url=running.http) as http,
        stubs(running.direct) as other,
    ):
        await other.system.Version(pb.VersionRequest())
        found = await samples(http)
        versions = of("tekton_calls_total", service="tekton.v1.SystemService", method="Version", code="OK")
        assert found[versions] == 1 and found[of("tekton_journal_revision")] <= 1
    assert not [family for family in REGISTRY.collect() if family.name.startswith("tekton")]
