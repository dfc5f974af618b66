"""Server-sent events through the real Envoy: ids that resume, resets, keep-alives, and a last event that says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tekton_server.services import heartbeat, watching
from tests.support.client import new_id
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster
from tests.support.sse import events


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as client:
        yield client


async def register(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Register a component without a listener."""
    body = {
        "component_id": new_id("sse"), "component_name": "Part", "component_type": "ui", "version": "1.0.0"
    } | fields  # fmt: skip
    reply = await http.post("/api/tekton/components", json=body)
    assert reply.status_code == 201, reply.text
    granted: dict[str, Any] = reply.json()
    return granted


async def beat(http: httpx.AsyncClient, granted: dict[str, Any], **fields: Any) -> None:
    """Send one beat."""
    path = f"/api/tekton/components/{granted['component_id']}/heartbeat"
    reply = await http.post(path, json={"instance_uuid": granted["instance_uuid"]} | fields)
    assert reply.status_code == 200, reply.text


async def test_the_registry_stream_is_a_snapshot_its_end_and_then_every_change(
    tekton: ControlPlane, http: httpx.AsyncClient
) -> None:
    """No id before the snapshot's end: a client that was cut inside it starts over."""
    granted = await register(http)
    async with events(f"{tekton.http}/events/tekton/registry?component_ids={granted['component_id']}") as stream:
        first, second, end = [await stream.next() for _ in range(3)]
        assert [e.name for e in (first, second, end)] == ["snapshot", "snapshot", "snapshot_end"]
        assert first.data["definition"]["component_id"] == granted["component_id"]
        assert second.data["instance"]["status"] == "registering" and second.last_id == ""
        assert end.last_id.endswith(f".{end.data['revision']}")
        await beat(http, granted, state="ready")
        hops = [await stream.next() for _ in range(3)]
        assert [e.data["instance"]["status"] for e in hops] == ["initializing", "starting", "ready"]
        assert [e.last_id for e in hops[:2]] == [end.last_id] * 2, "the id is on the last event of a revision only"
        assert hops[2].last_id.endswith(f".{hops[2].data['revision']}")


async def test_a_state_stream_resumes_by_last_event_id(tekton: ControlPlane, http: httpx.AsyncClient) -> None:
    """What an EventSource sends after it was cut gives it exactly what it missed."""
    granted = await register(http)
    url = f"{tekton.http}/events/tekton/state?component_ids={granted['component_id']}"
    async with events(url) as stream:
        token = (await stream.next()).last_id
    await beat(http, granted, state="ready")
    for headers, address in (({"Last-Event-ID": token}, url), ({}, f"{url}&after_revision={token}")):
        async with events(address, **headers) as stream:
            missed = [await stream.next() for _ in range(3)]
            assert [e.data["new_state"] for e in missed] == ["initializing", "starting", "ready"]
            assert [e.data["metadata"].get("implied", False) for e in missed] == [True, True, False]


async def test_a_token_of_another_history_is_a_reset_and_not_an_error(tekton: ControlPlane) -> None:
    """An EventSource dies on errors; a reset and a snapshot keep it going."""
    async with events(f"{tekton.http}/events/tekton/registry", **{"Last-Event-ID": "00000000.12"}) as stream:
        assert (await stream.next()).name == "reset"
        assert (await stream.next()).name in ("snapshot", "snapshot_end")
    async with events(f"{tekton.http}/events/tekton/state?after_revision=00000000.12") as stream:
        assert (await stream.next()).name == "reset"


async def test_a_text_that_is_no_token_is_refused_before_the_stream_begins(http: httpx.AsyncClient) -> None:
    """400 with the documented body."""
    for path in ("registry", "state"):
        reply = await http.get(f"/events/tekton/{path}?after_revision=soon")
        assert reply.status_code == 400 and reply.json()["error"]["reason"] == "validation_error"


async def test_beats_are_streamed_and_pauses_filled_with_comments(
    tekton: ControlPlane, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """event: heartbeat, shaped as printed; a comment keeps idle connections open."""
    monkeypatch.setattr(heartbeat, "KEEP_ALIVE", 0.1)
    granted = await register(http)
    async with events(f"{tekton.http}/events/tekton/heartbeat?component_id={granted['component_id']}") as stream:
        reading = asyncio.create_task(stream.next())
        while not stream.comments:
            await asyncio.sleep(0.02)
        await beat(http, granted, metrics={"cpu_percent": 15.2, "active_connections": 5})
        event = await reading
    assert event.name == "heartbeat"
    assert event.data | {"timestamp": ""} == {
        "event": "heartbeat",
        "component_id": granted["component_id"],
        "instance_uuid": granted["instance_uuid"],
        "timestamp": "",
        "status": "registering",
        "metrics": {"cpu_percent": 15.2, "active_connections": 5},
    }


async def test_a_quiet_stream_gets_bookmarks(tekton: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their ids move the client on past what its filter left out."""
    monkeypatch.setattr(watching, "BOOKMARK_AFTER", 0.1)
    async with events(f"{tekton.http}/events/tekton/state?component_ids=nobody") as stream:
        assert [(await stream.next()).name for _ in range(3)] == ["bookmark"] * 3


async def test_a_server_that_stops_ends_its_streams_with_a_word(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """event: end with the reason, on every stream, before the connection closes."""
    async with control_plane(cluster.new_database(), tmp_path_factory.mktemp("e")) as running:
        paths = ("registry?component_ids=nobody", "state", "heartbeat")
        opened = [events(f"{running.http}/events/tekton/{path}") for path in paths]
        streams = [await one.__aenter__() for one in opened]
        assert (await streams[0].next()).name == "snapshot_end"
        assert (await streams[1].next()).name == "bookmark"
        await running.app.server.stop()
        for stream in streams:
            last = await stream.next()
            assert (last.name, last.data) == ("end", {"reason": "shutting_down"})
        for one in opened:
            await one.__aexit__(None, None, None)


async def test_commands_are_an_event_stream_that_ends_with_the_lease(
    tekton: ControlPlane, http: httpx.AsyncClient
) -> None:
    """What waits comes again to whoever reconnects; an EventSource that comes back after the end is refused."""
    granted = await register(http)
    path = f"/api/tekton/components/{granted['component_id']}/commands"
    url = f"{tekton.http}{path}?instance_uuid={granted['instance_uuid']}"
    async with events(url) as stream:
        posted = (await http.post(path, json={"kind": "stop"})).json()["commands"][0]
        first = await stream.next()
        assert (first.name, first.data["command"]["command_id"]) == ("command", posted["command_id"])
    async with events(url) as stream:
        assert (await stream.next()).data == first.data
        gone = await http.delete(
            f"/api/tekton/components/{granted['component_id']}?instance_uuid={granted['instance_uuid']}"
        )
        assert gone.status_code == 200
        end = await stream.next()
        assert (end.name, end.data) == ("end", {"reason": "lease_ended"})
    refused = await http.get(url)
    assert (refused.status_code, refused.json()["error"]["reason"]) == (409, "stale_session")
