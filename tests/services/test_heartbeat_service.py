"""HeartbeatService over native gRPC: leases are kept by beats, lost by silence, and fenced. Leases here last 2 s."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tekton.core.ids import new_uuid
from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.support.client import Stubs, refused, registration
from tests.support.control_plane import TIMEOUT

S = pb.ComponentState
Lost = heartbeat_pb.LeaseLost
Granted = registry_pb.RegisterComponentResponse


def claim(granted: Granted) -> heartbeat_pb.LeaseClaim:
    """Claim a granted lease."""
    return heartbeat_pb.LeaseClaim(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, fencing_token=granted.fencing_token
    )


def hello(*granted: Granted) -> heartbeat_pb.ConnectRequest:
    """Open a session for leases."""
    return heartbeat_pb.ConnectRequest(hello=heartbeat_pb.Hello(leases=[claim(g) for g in granted]))


def beat(handle: int, **fields: Any) -> heartbeat_pb.ConnectRequest:
    """Make a beat."""
    return heartbeat_pb.ConnectRequest(beat=heartbeat_pb.Beat(handle=handle, **fields))


async def heard(stream: Any, kind: str) -> Any:
    """Read messages until one of a kind comes; answer pings, as every client does."""
    while True:
        message = await asyncio.wait_for(stream.read(), 5)
        assert message is not None and hasattr(message, "WhichOneof"), f"the stream ended before a {kind}"
        if message.WhichOneof("message") == "ping" and kind != "ping":
            await stream.write(heartbeat_pb.ConnectRequest(pong=heartbeat_pb.Pong(nonce=message.ping.nonce)))
        if message.WhichOneof("message") == kind:
            return getattr(message, kind)


@asynccontextmanager
async def connected(api: Stubs, *granted: Granted) -> AsyncIterator[tuple[Any, heartbeat_pb.Welcome]]:
    """Open a heartbeat stream and read the welcome."""
    stream = api.heartbeat.Connect()
    await stream.write(hello(*granted))
    welcome = await heard(stream, "welcome")
    try:
        yield stream, welcome
    finally:
        stream.cancel()


async def status(api: Stubs, granted: Granted) -> lifecycle_pb.GetComponentStatusResponse:
    """Read a component's status."""
    asked = lifecycle_pb.GetComponentStatusRequest(component_id=granted.component_id)
    return await api.lifecycle.GetComponentStatus(asked)


async def state_changes(api: Stubs, granted: Granted) -> AsyncIterator[lifecycle_pb.StateChange]:
    """Watch one component's state changes; the first item is None, once the watch stands."""
    watch = api.lifecycle.WatchStates(lifecycle_pb.WatchStatesRequest(component_ids=[granted.component_id]))
    async for message in watch:
        if not message.changes:
            yield None  # type: ignore[misc]
        for change in message.changes:
            yield change


async def test_the_stream_begins_with_hello_and_welcome(api: Stubs) -> None:
    """The welcome gives terms, an epoch, and a handle for each lease."""
    one, two = await api.register(), await api.register()
    async with connected(api, one, two) as (_, welcome):
        assert [g.instance_uuid for g in welcome.grants] == [one.instance_uuid, two.instance_uuid]
        assert len({g.handle for g in welcome.grants}) == 2
        assert welcome.lease.timeout_seconds == TIMEOUT and welcome.session_epoch > 0
        assert one.fencing_token.startswith(welcome.history_id)


async def test_a_stream_that_does_not_begin_with_hello_is_refused(api: Stubs) -> None:
    """The grammar is part of the contract."""
    stream = api.heartbeat.Connect()
    await stream.write(beat(1))
    with refused("validation_error") as failure:
        await stream.read()
    assert "hello" in failure.message


async def test_a_handle_that_was_never_given_ends_the_stream(api: Stubs) -> None:
    """A client that beats for a stranger's lease hears so at once."""
    granted = await api.register()
    async with connected(api, granted) as (stream, _):
        await stream.write(beat(77))
        with refused("validation_error") as failure:
            while await stream.read():
                continue
        assert "77" in failure.message


async def test_beats_keep_an_instance_alive_past_its_timeout(api: Stubs) -> None:
    """Silence is counted from the last beat."""
    granted = await api.register()
    async with connected(api, granted) as (stream, welcome):
        handle = welcome.grants[0].handle
        end = time.monotonic() + TIMEOUT * 1.6
        sequence = 0
        while time.monotonic() < end:
            sequence += 1
            await stream.write(beat(handle, sequence=sequence, state="ready", metrics={"cpu_percent": 1.0}))
            ack = await heard(stream, "ack")
            assert ack.sequence == sequence and ack.state_error == ""
            await asyncio.sleep(TIMEOUT / 5)
        found = await status(api, granted)
        assert found.status == S.ready and dict(found.metrics) == {"cpu_percent": 1.0}


async def test_batches_renew_many_leases_in_one_message(api: Stubs) -> None:
    """One ack answers for all."""
    granted = await asyncio.gather(*(api.register() for _ in range(30)))
    async with connected(api, *granted) as (stream, welcome):
        handles = [g.handle for g in welcome.grants]
        batch = heartbeat_pb.ConnectRequest(beat_batch=heartbeat_pb.BeatBatch(handles=handles, sequence=9))
        before = await status(api, granted[7])
        await stream.write(batch)
        assert (await heard(stream, "ack")).sequence == 9
        after = await status(api, granted[7])
        assert after.last_heartbeat.ToDatetime() > before.last_heartbeat.ToDatetime()


async def test_a_silent_instance_is_failed_with_its_evidence_and_the_stream_is_told(api: Stubs) -> None:
    """Within the timeout and a second: a state change with reason lease_expired, and LeaseLost on the stream."""
    granted = await api.register()
    changes = state_changes(api, granted)
    await anext(changes)
    async with connected(api, granted) as (stream, welcome):
        await stream.write(beat(welcome.grants[0].handle, sequence=1, state="ready"))
        await heard(stream, "ack")
        last_beat = time.monotonic()
        lost = await heard(stream, "lease_lost")
        assert time.monotonic() - last_beat + 0.05 >= TIMEOUT and time.monotonic() - last_beat < TIMEOUT + 1
        assert (lost.instance_uuid, lost.reason) == (granted.instance_uuid, Lost.REASON_EXPIRED)
    seen = [await asyncio.wait_for(anext(changes), 3) for _ in range(4)]
    failed = seen[-1]
    assert (failed.previous_state, failed.new_state, failed.reason) == (S.ready, S.failed, "lease_expired")
    assert failed.metadata.fields["silent_seconds"].number_value >= TIMEOUT
    assert failed.metadata.fields["stream"].string_value == "open"
    await changes.aclose()


async def test_a_closed_stream_is_suspect_and_a_beat_in_time_changes_no_state(api: Stubs) -> None:
    """A close is evidence, not death: no state change ever, if the instance beats again before its timeout."""
    granted = await api.register()
    async with connected(api, granted) as (stream, welcome):
        await stream.write(beat(welcome.grants[0].handle, sequence=1, state="ready"))
        await heard(stream, "ack")
    changes = state_changes(api, granted)
    await anext(changes)
    async with asyncio.timeout(TIMEOUT / 2):
        while not (await status(api, granted)).suspect:
            await asyncio.sleep(0.02)
    assert (await status(api, granted)).status == S.ready
    async with connected(api, granted) as (stream, welcome):
        assert not (await status(api, granted)).suspect
        for sequence in range(2, 8):
            await stream.write(beat(welcome.grants[0].handle, sequence=sequence, state="ready"))
            await asyncio.sleep(TIMEOUT / 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(changes), 0.1)


async def test_a_second_stream_takes_the_lease_over_and_the_late_close_of_the_first_changes_nothing(api: Stubs) -> None:
    """nacos#10975: the close of yesterday's connection must not touch today's registration."""
    granted = await api.register()
    async with connected(api, granted) as (first, welcome), connected(api, granted) as (second, again):
        assert again.session_epoch > welcome.session_epoch
        lost = await heard(first, "lease_lost")
        assert lost.reason == Lost.REASON_TAKEN_OVER
        first.cancel()
        await second.write(beat(again.grants[0].handle, sequence=1))
        await heard(second, "ack")
        assert not (await status(api, granted)).suspect


async def test_a_superseded_instance_hears_it_on_its_stream_and_cannot_come_back(api: Stubs) -> None:
    """The predecessor's stream is told SUPERSEDED; its claim is refused afterwards."""
    request = registration()
    first = await api.registry.RegisterComponent(request)
    async with connected(api, first) as (stream, _):
        await api.registry.RegisterComponent(request)
        assert (await heard(stream, "lease_lost")).reason == Lost.REASON_SUPERSEDED
    stream = api.heartbeat.Connect()
    await stream.write(hello(first))
    assert (await heard(stream, "lease_lost")).reason == Lost.REASON_SUPERSEDED
    assert not (await heard(stream, "welcome")).grants
    stream.cancel()


async def test_a_claim_of_an_unknown_instance_or_a_wrong_token_is_told_apart(api: Stubs) -> None:
    """UNKNOWN_INSTANCE only after the store answered; FENCED for the token of another grant."""
    granted = await api.register()
    stream = api.heartbeat.Connect()
    stranger = Granted(component_id=granted.component_id, instance_uuid=new_uuid())
    await stream.write(hello(stranger))
    assert (await heard(stream, "lease_lost")).reason == Lost.REASON_UNKNOWN_INSTANCE
    history = granted.fencing_token.split(".")[0]
    fenced = Granted(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, fencing_token=f"{history}.999999999"
    )
    await stream.write(hello(fenced))
    assert (await heard(stream, "lease_lost")).reason == Lost.REASON_FENCED
    stream.cancel()


async def test_a_goodbye_walks_the_instance_to_stopped(api: Stubs) -> None:
    """Only goodbye, deregistration or timeout end a lease."""
    granted = await api.register()
    async with connected(api, granted) as (stream, _):
        await stream.write(heartbeat_pb.ConnectRequest(goodbye=heartbeat_pb.Goodbye(reason="done")))
        assert (await heard(stream, "lease_lost")).reason == Lost.REASON_ENDED
        found = await status(api, granted)
        assert (found.status, found.status_reason) == (S.stopped, "done")


async def test_an_instance_failed_by_timeout_comes_back_when_it_beats_again(api: Stubs) -> None:
    """Along legal edges, through initializing and starting, with the reason heartbeat_resumed."""
    granted = await api.register()
    await api.heartbeat.SendHeartbeat(unary(granted, state="ready"))
    async with asyncio.timeout(TIMEOUT + 2):
        while (await status(api, granted)).status != S.failed:
            await asyncio.sleep(0.05)
    changes = state_changes(api, granted)
    await anext(changes)
    answer = await api.heartbeat.SendHeartbeat(unary(granted, state="ready"))
    assert answer.success and answer.status == S.ready
    seen = [await asyncio.wait_for(anext(changes), 3) for _ in range(3)]
    assert [(c.new_state, c.implied) for c in seen] == [(S.initializing, True), (S.starting, True), (S.ready, False)]
    assert seen[-1].reason == "heartbeat_resumed"
    await changes.aclose()


async def test_nothing_comes_back_from_stopped(api: Stubs) -> None:
    """A beat after a deregistration is answered stale_session."""
    granted = await api.register()
    leave = registry_pb.DeregisterComponentRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid
    )
    await api.registry.DeregisterComponent(leave)
    with refused("stale_session"):
        await api.heartbeat.SendHeartbeat(unary(granted))


def unary(granted: Granted, **fields: Any) -> heartbeat_pb.SendHeartbeatRequest:
    """Make a unary beat."""
    return heartbeat_pb.SendHeartbeatRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, **fields
    )


async def test_a_beat_with_an_illegal_state_renews_and_says_why_the_state_was_not_taken(api: Stubs) -> None:
    """The lease is not the state's hostage."""
    granted = await api.register()
    await api.heartbeat.SendHeartbeat(unary(granted, state="ready"))
    answer = await api.heartbeat.SendHeartbeat(unary(granted, state="registering"))
    assert answer.success and answer.status == S.ready and "registering" in answer.state_error
    again = await api.heartbeat.SendHeartbeat(unary(granted, state="registering"))
    assert again.success and again.state_error


async def test_a_beat_never_takes_an_instance_out_of_stopping(api: Stubs) -> None:
    """A late beat that still says ready does not undo a shutdown."""
    granted = await api.register()
    await api.heartbeat.SendHeartbeat(unary(granted, state="ready"))
    stop = lifecycle_pb.UpdateComponentStateRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, state="stopping"
    )
    await api.lifecycle.UpdateComponentState(stop)
    answer = await api.heartbeat.SendHeartbeat(unary(granted, state="ready"))
    assert answer.success and answer.status == S.stopping


async def test_a_unary_beat_for_nobody_is_not_found(api: Stubs) -> None:
    """1001, after asking the store."""
    granted = await api.register()
    stranger = Granted(component_id=granted.component_id, instance_uuid=new_uuid())
    with refused("component_not_found"):
        await api.heartbeat.SendHeartbeat(unary(stranger))
    with refused("validation_error"):
        await api.heartbeat.SendHeartbeat(unary(Granted(component_id=granted.component_id)))


async def test_watchers_see_beats_and_not_only_changes(api: Stubs) -> None:
    """One event per beat, with its metrics, for one component or for all."""
    granted = await api.register()
    watch = api.heartbeat.WatchHeartbeats(heartbeat_pb.WatchHeartbeatsRequest(component_id=granted.component_id))
    reading = asyncio.create_task(watch.read())
    async with asyncio.timeout(5):
        while not reading.done():
            await api.heartbeat.SendHeartbeat(unary(granted, metrics={"active_connections": 5}))
            await asyncio.wait([reading], timeout=0.05)
    event = reading.result()
    assert (event.event, event.component_id, event.instance_uuid) == (
        "heartbeat",
        granted.component_id,
        granted.instance_uuid,
    )
    assert dict(event.metrics) == {"active_connections": 5}
    watch.cancel()
