"""Traces: one call is one trace, from the gateway to the commit, and nothing of it can disturb a call."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import text

from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.rotation import rotate
from tekton_server.storage.database import parse_url
from tekton_server.storage.engine import create_engine
from tests.support.client import new_id, refused, registration, stubs
from tests.support.collector import ERROR, Collector, collector
from tests.support.control_plane import ControlPlane, control_plane, settings_for
from tests.support.postgres import Cluster

REGISTER = "tekton.v1.RegistryService/RegisterComponent"
GET = "tekton.v1.RegistryService/GetComponent"
WRITES = ("write RegisterComponent", "write wait", "write batch", "BEGIN journal", "INSERT journal", "COMMIT journal")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def collected() -> AsyncIterator[Collector]:
    """A collector."""
    async with collector() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(
    cluster: Cluster, collected: Collector, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ControlPlane]:
    """A control plane that tells the collector of its calls."""
    database, directory = cluster.new_database(), tmp_path_factory.mktemp("traced")
    settings = msgspec.structs.replace(settings_for(database, directory, timeout=60), otlp_endpoint=collected.endpoint)
    async with control_plane(database, directory, settings=settings) as running:
        yield running


def context() -> tuple[str, str, str]:
    """Make a trace context of a caller: trace id, span id, and the header."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, span_id, f"00-{trace_id}-{span_id}-01"


def body(**fields: Any) -> dict[str, Any]:
    """Make a registration over REST."""
    request = registration(**fields)
    names = ("component_id", "component_name", "component_type", "version", "host", "port")
    return {name: getattr(request, name) for name in names}


async def test_one_registration_is_one_trace_from_the_gateway_to_the_commit(
    traced: ControlPlane, collected: Collector
) -> None:
    """Each span is below the one that asked for it, and the caller's own is above all."""
    trace_id, caller, traceparent = context()
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{traced.http}/api/tekton/components", json=body(), headers={"traceparent": traceparent}
        )
    assert answer.status_code == 201
    spans = await collected.trace(trace_id, REGISTER, *WRITES)
    await collected.until(
        lambda all_: any(one.service == "tekton-gateway" and one.trace_id == trace_id for one in all_)
    )
    gateway = next(one for one in collected.spans if one.service == "tekton-gateway" and one.trace_id == trace_id)
    server, write, batch = spans[REGISTER], spans["write RegisterComponent"], spans["write batch"]
    assert gateway.parent_id == caller
    assert server.service == "tekton" and server.parent_id == gateway.span_id
    assert write.parent_id == server.span_id
    assert spans["write wait"].parent_id == write.span_id
    assert batch.parent_id == write.span_id
    asked = [spans[name] for name in ("BEGIN journal", "INSERT journal", "COMMIT journal")]
    assert {span.parent_id for span in asked} == {batch.span_id}
    assert {span.attributes["db.system"] for span in asked} == {"postgresql"}
    assert server.attributes["rpc.grpc.status_code"] == 0
    assert (server.attributes["rpc.service"], server.attributes["rpc.method"]) == tuple(REGISTER.split("/"))
    assert (
        server.attributes["tekton.request_id"]
        == gateway.attributes["tekton.request_id"]
        == answer.headers["x-request-id"]
    )


async def test_a_batch_is_linked_with_all_that_it_serves(traced: ControlPlane, collected: Collector) -> None:
    """It belongs to none of the traces of its callers, so each write and the batch name each other."""
    callers = [context() for _ in range(8)]
    async with stubs(traced.direct) as api:
        metadata = [(("traceparent", caller[2]),) for caller in callers]
        await asyncio.gather(*(api.registry.RegisterComponent(registration(), metadata=one) for one in metadata))
    writes = [
        (await collected.trace(caller[0], "write RegisterComponent"))["write RegisterComponent"] for caller in callers
    ]
    shared = [write for write in writes if write.links]
    assert shared
    for write in shared:
        await collected.until(lambda spans, write=write: any(span.span_id == write.links[0] for span in spans))  # type: ignore[misc]
        batch = next(span for span in collected.spans if span.span_id == write.links[0])
        assert batch.name == "write batch" and batch.parent_id == "" and write.span_id in batch.links
        assert batch.attributes["tekton.batch.commands"] == len(batch.links) > 1


async def test_the_span_of_a_batch_has_the_id_that_the_journal_has(traced: ControlPlane, collected: Collector) -> None:
    """So that a row of the journal leads to its trace."""
    trace_id, _, traceparent = context()
    async with stubs(traced.direct) as api:
        await api.registry.RegisterComponent(registration(), metadata=(("traceparent", traceparent),))
    batch = (await collected.trace(trace_id, "write batch"))["write batch"]
    assert str((await traced.app.live.store.head()).batch_id) == batch.attributes["tekton.batch.id"]


async def test_the_database_shows_of_which_trace_a_statement_is(traced: ControlPlane, collected: Collector) -> None:
    """To whoever looks at what it waits for, or at its log of slow statements."""
    trace_id, _, traceparent = context()
    async with stubs(traced.direct) as api:
        await api.registry.RegisterComponent(registration(), metadata=(("traceparent", traceparent),))
    batch = (await collected.trace(trace_id, "write batch"))["write batch"]
    engine = create_engine(parse_url(str(traced.settings.database_url)))
    async with engine.connect() as connection:
        last = text(
            "SELECT query FROM pg_stat_activity "
            "WHERE application_name = 'tekton-writer' AND datname = current_database()"
        )
        assert (
            await connection.execute(last)
        ).scalar_one() == f"/*traceparent='00-{trace_id}-{batch.span_id}-01'*/ COMMIT"
    await engine.dispose()


async def test_a_failure_of_the_server_is_an_error_with_its_reason(traced: ControlPlane, collected: Collector) -> None:
    """As the conventions have it: an error is what the server is to blame for."""
    trace_id, _, traceparent = context()
    ahead = f"{traced.app.live.view.history_id}.999999"
    metadata = (("traceparent", traceparent), ("tekton-min-revision", ahead))
    async with stubs(traced.direct) as api:
        with refused("unavailable"):
            await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id="hermes"), metadata=metadata)
    span = (await collected.trace(trace_id, GET))[GET]
    assert span.status == ERROR and span.attributes["rpc.grpc.status_code"] == 14
    assert span.events["exception"]["tekton.reason"] == "unavailable"


async def test_a_refusal_is_told_with_its_reason_and_is_no_error_of_the_server(
    traced: ControlPlane, collected: Collector
) -> None:
    """Its caller asked for what there is not; and the look into the database that a "no" takes is there to see."""
    trace_id, _, traceparent = context()
    async with stubs(traced.gateway) as api:
        with refused("component_not_found"):
            request = registry_pb.GetComponentRequest(component_id=new_id())
            await api.registry.GetComponent(request, metadata=(("traceparent", traceparent),))
    spans = await collected.trace(trace_id, GET, "SELECT journal head")
    assert spans[GET].status != ERROR and spans[GET].attributes["rpc.grpc.status_code"] == 5
    assert spans[GET].events["exception"]["tekton.reason"] == "component_not_found"
    assert spans["SELECT journal head"].parent_id == spans[GET].span_id


async def test_a_stream_is_one_span_until_it_ends(traced: ControlPlane, collected: Collector) -> None:
    """Ended by the caller, it says so."""
    trace_id, _, traceparent = context()
    async with stubs(traced.direct) as api:
        watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(), metadata=(("traceparent", traceparent),))
        async for _ in watch:
            break
        watch.cancel()
    name = "tekton.v1.RegistryService/WatchRegistry"
    span = (await collected.trace(trace_id, name))[name]
    assert span.attributes["rpc.grpc.status_code"] == 1 and span.status != ERROR


async def test_what_a_caller_does_not_want_traced_is_not(traced: ControlPlane, collected: Collector) -> None:
    """The sampled flag of the trace context is the caller's word."""
    trace_id, _, traceparent = context()
    async with stubs(traced.gateway) as api:
        metadata = (("traceparent", traceparent.removesuffix("01") + "00"),)
        await api.registry.RegisterComponent(registration(), metadata=metadata)
    await asyncio.sleep(2.5)
    assert not [span.name for span in collected.spans if span.trace_id == trace_id]


async def test_the_access_log_has_a_line_of_json_for_each_call(traced: ControlPlane) -> None:
    """With the name of the call, by which the server's log has it too; without the query."""
    async with httpx.AsyncClient() as client:
        url = f"{traced.http}/api/tekton/components?status=ready"
        await client.get(url, headers={"x-request-id": "look-here-1"})
    path = Path(traced.settings.data_dir) / "logs" / "access.log"
    line = await _line(path, "look-here-1")
    assert line["method"] == "GET" and line["path"] == "/api/tekton/components" and line["status"] == 200
    assert line["rpc"] == "/tekton.v1.RegistryService/ListComponents"
    assert line["duration_ms"] >= line["upstream_ms"] >= 0
    assert len(line["trace_id"]) == 32 and line["client"] == "127.0.0.1"


async def test_the_gateway_goes_on_with_an_access_log_that_was_cut(traced: ControlPlane) -> None:
    """It is kept short like the other logs of children, and no line is lost between two cuts."""
    path = Path(traced.settings.data_dir) / "logs" / "access.log"
    async with httpx.AsyncClient(base_url=traced.http) as client:
        for number in range(3):
            name = f"rotated-{number}"
            await client.get("/api/health", headers={"x-request-id": name})
            await _line(path, name)
            assert rotate(path, 10, 3) and path.stat().st_size == 0
            assert name in path.with_name("access.log.1").read_text()


async def _line(path: Path, request_id: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            for written in path.read_text().splitlines() if path.exists() else ():
                line: Any = json.loads(written)
                if isinstance(line, dict) and line.get("request_id") == request_id:
                    return dict(line)
            await asyncio.sleep(0.1)
