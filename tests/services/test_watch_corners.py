"""Watches at their corners: watchers that fall behind, commits larger than a message, streams that were cut."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import pytest_asyncio
from google.api.httpbody_pb2 import HttpBody

from tekton.core.errors import SlowWatcherError
from tekton.core.ids import new_uuid
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain.commands import RegisterComponent, RemoveComponent
from tekton_server.live import fanout
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import encodings, sse
from tekton_server.services.selector import Selector
from tekton_server.services.watches import RegistryWatches, StateWatches
from tests.support.client import Stubs, new_id
from tests.support.control_plane import ControlPlane

Phase = registry_pb.WatchRegistryResponse


@pytest_asyncio.fixture(loop_scope="module")
async def live(tekton: ControlPlane) -> AsyncIterator[LiveRegistry]:
    """The live registry of the module's control plane, its ring cut to eight commits."""
    hub = tekton.app.live.hub
    before, hub._size = hub._size, 8
    yield tekton.app.live
    hub._size = before


async def register(live: LiveRegistry, component_id: str | None = None, port: int = 0, **fields: object) -> None:
    """Register through the writer."""
    given = {
        "component_id": component_id or new_id(),
        "component_name": "A component",
        "component_type": "service" if port else "ui",
        "version": "1.0.0",
        "host": new_id("host"),
        "port": port,
        "instance_uuid": new_uuid(),
    }
    await live.writer.submit(RegisterComponent(**(given | fields)))  # type: ignore[arg-type]


async def registry_watch(live: LiveRegistry, selector: Selector, start: str) -> AsyncGenerator[Phase, None]:
    """Watch the registry, without a network between."""
    async for message in RegistryWatches(live).messages(selector, start):
        yield Phase.FromString(message)


async def state_watch(live: LiveRegistry, start: str) -> AsyncGenerator[lifecycle_pb.WatchStatesResponse, None]:
    """Watch the states, without a network between."""
    async for message in StateWatches(live).messages(Selector(), start):
        yield lifecycle_pb.WatchStatesResponse.FromString(message)


def token(live: LiveRegistry) -> str:
    """The present as a resume token."""
    return f"{live.view.history_id}.{live.view.revision}"


async def test_isolated_a_watcher_that_falls_out_of_the_ring_is_told_where_to_resume(live: LiveRegistry) -> None:
    """OUT_OF_RANGE with the revision; it delayed nobody."""
    with live.hub.watch() as watcher:
        stood_at = token(live)
        for _ in range(12):
            await register(live)
        with pytest.raises(SlowWatcherError) as caught:
            await watcher.next(time.monotonic() + 1)
        assert caught.value.details["resume_token"] == stood_at


@pytest.mark.parametrize("filtered", [False, True])
async def test_resumable_from_before_the_ring_nothing_is_missed(live: LiveRegistry, filtered: bool) -> None:
    """Without a filter from the journal; with one by a reset and a snapshot. Never by leaving things out."""
    kind = new_id("kind")
    start = token(live)
    wanted = [new_id() for _ in range(12)]
    for component_id in wanted:
        await register(live, component_id, component_type="ui", capabilities=(kind,))
    selector = Selector(capabilities=frozenset((kind,))) if filtered else Selector()
    seen: set[str] = set()
    watch = registry_watch(live, selector, start)
    first = await anext(watch)
    assert (first.phase == Phase.PHASE_RESET) is filtered
    async with asyncio.timeout(5):
        seen.update(event.key for event in first.events)
        while not set(wanted) <= seen:
            seen.update(event.key for event in (await anext(watch)).events)
    await watch.aclose()


async def test_a_filtered_watcher_that_falls_behind_while_it_catches_up_is_told_so(live: LiveRegistry) -> None:
    """Commits from the journal cannot be judged by a filter, so it never gets them."""
    start = live.view.revision
    await register(live)
    with live.hub.watch(start, filtered=True) as watcher:
        for _ in range(12):
            await register(live)
        with pytest.raises(SlowWatcherError):
            await watcher.next(time.monotonic() + 1)


async def test_a_stream_of_events_goes_on_with_a_reset_where_a_grpc_watch_ends(live: LiveRegistry) -> None:
    """An EventSource dies on errors."""
    watch = sse.RegistryEvents(live).bodies(Selector(keys=frozenset(("nobody",))), "")
    await anext(watch)
    assert names(await anext(watch)) == ["snapshot_end"]
    for _ in range(12):
        await register(live)
    assert names(await anext(watch)) == ["reset", "snapshot_end"]
    await watch.aclose()  # type: ignore[attr-defined]
    states = sse.StateEvents(live).bodies(Selector(), "")
    await anext(states)
    assert names(await anext(states)) == ["bookmark"]
    for _ in range(12):
        await register(live)
    assert names(await anext(states)) == ["reset"]
    await states.aclose()  # type: ignore[attr-defined]


def data(body: bytes) -> bytes:
    """What a part of an event stream holds."""
    found: bytes = HttpBody.FromString(body).data
    return found


def names(body: bytes) -> list[str]:
    """The names of the events in a part of a stream."""
    return [line.removeprefix("event: ") for line in data(body).decode().splitlines() if line.startswith("event: ")]


async def test_the_ring_is_bounded_in_bytes_too(live: LiveRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand large definitions are not kept because they are only a thousand."""
    live.hub._size = fanout.RING
    monkeypatch.setattr(fanout, "RING_BYTES", 200_000)
    for _ in range(12):
        await register(live, metadata={"blob": "x" * 10_000})
    assert len(live.hub._ring) <= 3


async def test_a_commit_larger_than_a_message_comes_in_fragments_and_can_be_resumed_only_after_it(
    live: LiveRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """complete is false, and the token empty, until the last one."""
    component_id = new_id("large")
    for _ in range(20):
        await register(live, component_id, 9)
    monkeypatch.setattr(encodings, "MESSAGE_BYTES", 2_000)
    start = token(live)
    await live.writer.submit(RemoveComponent(component_id=component_id))
    registry, states = registry_watch(live, Selector(), start), state_watch(live, start)
    parts = [await anext(registry)]
    while not parts[-1].complete:
        parts.append(await anext(registry))
    assert len(parts) > 5
    assert [bool(part.resume_token) for part in parts] == [False] * (len(parts) - 1) + [True]
    events = [event for part in parts for event in part.events]
    assert events[-1].key == component_id and {event.revision for event in events} == {live.view.revision}
    changes = [await anext(states)]
    while not changes[-1].resume_token:
        changes.append(await anext(states))
    assert sum(len(one.changes) for one in changes) == 60, "registering to failed, stopping and stopped, twenty times"
    assert len(changes) > 3 and all(one.ByteSize() <= 2_100 for one in changes)
    for watch in (registry, states):
        await watch.aclose()


async def test_the_id_of_each_revision_is_on_its_last_event(live: LiveRegistry) -> None:
    """Also where many revisions come in one message, so that a cut repeats one of them at most."""
    start = token(live)
    for _ in range(3):
        await register(live)
    watch = sse.RegistryEvents(live).bodies(Selector(), start)
    await anext(watch)
    frames = data(await anext(watch)).decode().split("\n\n")[:-1]
    ids = [frame.splitlines()[0].removeprefix("id: ") if frame.startswith("id: ") else "" for frame in frames]
    last = live.view.revision
    assert ids == ["", f"{live.view.history_id}.{last - 2}", "", f"{live.view.history_id}.{last - 1}", "", token(live)]
    await watch.aclose()  # type: ignore[attr-defined]


async def test_odd_line_ends_in_data_stay_inside_their_event() -> None:
    """Some readers take them for line ends, though the standard does not."""
    text = "a\u2028b\u2029c\u0085d\ne"
    frame = sse._frame("x", json.dumps(text, ensure_ascii=False)).decode()
    assert len(frame.splitlines()) == 3
    assert json.loads(frame.splitlines()[1].removeprefix("data: ")) == text


async def test_a_watcher_that_never_reads_holds_up_nobody(api: Stubs) -> None:
    """Fifty open watches that are not read, and a change is answered and seen by one that reads."""
    idle = [api.lifecycle.WatchStates(lifecycle_pb.WatchStatesRequest()) for _ in range(50)]
    granted = await api.register()
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=[granted.component_id]))
    async with asyncio.timeout(5):
        while (await watch.read()).phase != Phase.PHASE_SNAPSHOT_END:
            continue
        for _ in range(50):
            await api.register()
        await api.registry.DeregisterComponent(
            registry_pb.DeregisterComponentRequest(component_id=granted.component_id)
        )
        assert (await watch.read()).events
    for one in (*idle, watch):
        one.cancel()
