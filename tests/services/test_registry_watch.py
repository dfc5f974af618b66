"""WatchRegistry over native gRPC: the promises of a watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.services import watching
from tests.support.client import Stubs, new_id, refused, registration

Phase = registry_pb.WatchRegistryResponse
Event = registry_pb.RegistryEvent


async def read(watch: AsyncIterator[registry_pb.WatchRegistryResponse]) -> registry_pb.WatchRegistryResponse:
    """Read a message with a deadline."""
    return await asyncio.wait_for(watch.read(), 5)  # type: ignore[attr-defined]


async def snapshot(watch: AsyncIterator[registry_pb.WatchRegistryResponse]) -> tuple[list[Event], str]:
    """Read the snapshot; gives its events and the token at its end."""
    events: list[Event] = []
    while True:
        message = await read(watch)
        events += message.events
        if message.phase == Phase.PHASE_SNAPSHOT_END:
            return events, message.resume_token
        assert message.phase == Phase.PHASE_SNAPSHOT and message.resume_token == ""


async def test_complete_a_late_joiner_gets_a_snapshot_its_end_and_then_every_change(api: Stubs) -> None:
    """Nothing is missed between the snapshot and the first change, nothing comes twice."""
    kind = new_id("late")
    before = await api.register(component_type=kind)
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_types=[kind]))
    events, token = await snapshot(watch)
    assert [e.key for e in events] == [before.component_id, before.instance_uuid]
    after = await api.register(component_type=kind)
    message = await read(watch)
    assert message.phase == Phase.PHASE_LIVE and message.complete and message.resume_token > ""
    assert [(e.type, e.key) for e in message.events] == [
        (Event.TYPE_PUT, after.component_id),
        (Event.TYPE_PUT, after.instance_uuid),
    ]
    assert {e.revision for e in message.events} == {after.revision}
    assert token.split(".")[0] == message.history_id
    watch.cancel()


async def test_ordered_and_unique_every_revision_comes_once_and_in_order(api: Stubs) -> None:
    """Many writers at once, one order."""
    kind = new_id("order")
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_types=[kind]))
    await snapshot(watch)
    granted = await asyncio.gather(*(api.register(component_type=kind) for _ in range(50)))
    revisions: list[int] = []
    while len(set(revisions)) < 50:
        revisions += [e.revision for e in (await read(watch)).events]
    assert revisions == sorted(revisions) and len(revisions) == 100
    assert set(revisions) == {g.revision for g in granted}
    watch.cancel()


async def test_resumable_a_watch_goes_on_after_its_token_without_a_snapshot(api: Stubs) -> None:
    """A client that was cut misses nothing and hears nothing twice."""
    kind = new_id("resume")
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_types=[kind]))
    _, token = await snapshot(watch)
    watch.cancel()
    missed = [await api.register(component_type=kind) for _ in range(3)]
    resumed = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_types=[kind], after_revision=token))
    revisions: list[int] = []
    while len(revisions) < 6:
        message = await read(resumed)
        assert message.phase == Phase.PHASE_LIVE
        revisions += [e.revision for e in message.events]
    assert sorted(set(revisions)) == [m.revision for m in missed]
    resumed.cancel()


async def test_filtered_what_leaves_the_filter_arrives_as_removed(api: Stubs) -> None:
    """A component that loses the capability is removed for this watcher with its instances, and may come back."""
    wanted, other = new_id("can"), new_id("cannot")
    request = registration(capabilities=[wanted])
    granted = await api.registry.RegisterComponent(request)
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(capabilities=[wanted]))
    await snapshot(watch)
    again = registration(request.component_id, capabilities=[other])
    second = await api.registry.RegisterComponent(again)
    message = await read(watch)
    assert {(e.type, e.key) for e in message.events} == {
        (Event.TYPE_REMOVED, granted.instance_uuid),
        (Event.TYPE_REMOVED, request.component_id),
    }
    back = registration(request.component_id, capabilities=[wanted, other])
    third = await api.registry.RegisterComponent(back)
    message = await read(watch)
    put = sorted(e.key for e in message.events if e.type == Event.TYPE_PUT)
    known = (granted.instance_uuid, second.instance_uuid, third.instance_uuid)
    assert put == sorted((request.component_id, *known))
    watch.cancel()


async def test_unique_what_enters_the_filter_while_it_is_superseded_comes_once_and_after_its_definition(
    api: Stubs,
) -> None:
    """The end of the predecessor belongs to the time before: it is told as the record that it has become."""
    wanted, other = new_id("enter"), new_id("other")
    request = registration(capabilities=[other])
    old = await api.registry.RegisterComponent(request)
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(capabilities=[wanted]))
    leaving = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(capabilities=[other]))
    await snapshot(watch)
    await snapshot(leaving)
    request.capabilities[:] = [wanted]
    new = await api.registry.RegisterComponent(request)
    message = await read(watch)
    told = [(e.type, e.key, e.instance.status) for e in message.events]
    assert told == [
        (Event.TYPE_PUT, request.component_id, pb.ComponentState.unknown),
        (Event.TYPE_PUT, old.instance_uuid, pb.ComponentState.stopped),
        (Event.TYPE_PUT, new.instance_uuid, pb.ComponentState.registering),
    ]
    message = await read(leaving)
    assert [(e.type, e.key) for e in message.events] == [
        *[(Event.TYPE_PUT, old.instance_uuid)] * 3,
        (Event.TYPE_REMOVED, old.instance_uuid),
        (Event.TYPE_REMOVED, request.component_id),
    ]
    watch.cancel()
    leaving.cancel()


async def test_quiet_a_beat_or_a_repeated_registration_is_no_event(api: Stubs) -> None:
    """The next thing a watcher hears is the next change."""
    request = registration()
    granted = await api.registry.RegisterComponent(request)
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=[request.component_id]))
    await snapshot(watch)
    request.instance_uuid = granted.instance_uuid
    await api.registry.RegisterComponent(request)
    change = lifecycle_pb.UpdateComponentStateRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, state="failed"
    )
    await api.lifecycle.UpdateComponentState(change)
    message = await read(watch)
    assert [e.instance.status for e in message.events] == [pb.ComponentState.failed]
    watch.cancel()


async def test_atomic_a_removed_component_goes_in_one_message(api: Stubs) -> None:
    """One commit is one unit."""
    granted = await api.register()
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=[granted.component_id]))
    await snapshot(watch)
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=granted.component_id))
    message = await read(watch)
    assert len({e.revision for e in message.events}) == 1 and message.complete
    assert [e.key for e in message.events if e.type == Event.TYPE_REMOVED] == [
        granted.instance_uuid,
        granted.component_id,
    ]
    watch.cancel()


async def test_a_token_of_another_history_is_answered_with_a_reset_and_a_snapshot(api: Stubs) -> None:
    """A watcher of a database that was replaced starts over by itself."""
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(after_revision="00000000.5"))
    assert (await read(watch)).phase == Phase.PHASE_RESET
    assert (await read(watch)).phase in (Phase.PHASE_SNAPSHOT, Phase.PHASE_SNAPSHOT_END)
    watch.cancel()


async def test_a_text_that_is_no_token_is_refused(api: Stubs) -> None:
    """The error names the field."""
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(after_revision="soon"))
    with refused("validation_error") as failure:
        await watch.read()
    assert "after_revision" in failure.message


async def test_quiet_commits_outside_the_filter_make_no_message(api: Stubs) -> None:
    """A watcher of one component hears nothing of the others, not even a bookmark before its time."""
    granted = await api.register()
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=[granted.component_id]))
    await snapshot(watch)
    for _ in range(3):
        await api.register()
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=granted.component_id))
    message = await read(watch)
    assert message.phase == Phase.PHASE_LIVE
    assert {e.reason for e in message.events} == {"removed"}
    watch.cancel()


async def test_bookmarked_a_watcher_without_messages_is_told_where_it_stands(
    api: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However busy the registry is with others, the bookmark comes, and its token skips what was filtered out."""
    monkeypatch.setattr(watching, "BOOKMARK_AFTER", 0.3)
    granted = await api.register()
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=[granted.component_id]))
    await snapshot(watch)
    reading = asyncio.create_task(read(watch))
    latest = 0
    while not reading.done():
        latest = (await api.register()).revision
        await asyncio.wait([reading], timeout=0.02)
    assert reading.result().phase == Phase.PHASE_BOOKMARK
    assert granted.revision < reading.result().revision <= latest + 1
    watch.cancel()
