"""Beats that tell how late the event loop runs: degraded above 1 s, ready again below half of it, never evicted."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tekton.core.ids import new_uuid
from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tests.services.test_heartbeat_service import Lost, beat, claim, connected, heard, status, unary
from tests.support.client import Stubs, refused
from tests.support.control_plane import ControlPlane

S = pb.ComponentState


async def acknowledged(stream: Any, message: heartbeat_pb.ConnectRequest) -> heartbeat_pb.Ack:
    """Beat, and read the acknowledgement of that beat."""
    await stream.write(message)
    ack: heartbeat_pb.Ack = await heard(stream, "ack")
    assert ack.sequence == (message.beat.sequence or message.beat_batch.sequence)
    return ack


async def test_a_lag_on_the_stream_degrades_and_its_end_brings_back(api: Stubs) -> None:
    """The acknowledgement carries what was recorded; the lag is shown among the metrics while there is one."""
    granted = await api.register()
    async with connected(api, granted) as (stream, welcome):
        handle = welcome.grants[0].handle
        assert (await acknowledged(stream, beat(handle, sequence=1, state="ready", in_flight=3))).state == S.ready
        assert dict((await status(api, granted)).metrics) == {"in_flight": 3}
        late = beat(handle, sequence=2, loop_lag_seconds=1.5, metrics={"cpu_percent": 7})
        assert (await acknowledged(stream, late)).state == S.degraded
        shown = await status(api, granted)
        assert (shown.status, shown.status_reason) == (S.degraded, "event_loop_blocked")
        assert dict(shown.metrics) == {"cpu_percent": 7, "in_flight": 0, "loop_lag_seconds": 1.5}
        # Not below half of the threshold yet.
        assert (await acknowledged(stream, beat(handle, sequence=3, loop_lag_seconds=0.7))).state == S.degraded
        assert (await acknowledged(stream, beat(handle, sequence=4, loop_lag_seconds=0.4))).state == S.ready
        assert (await acknowledged(stream, beat(handle, sequence=5, loop_lag_seconds=0.9))).state == S.ready
        assert (await status(api, granted)).status_reason == "event_loop_free"


async def test_a_batch_and_a_late_beat_say_nothing_about_the_lag(api: Stubs) -> None:
    """They renew, and who is busy stays so."""
    granted = await api.register()
    async with connected(api, granted) as (stream, welcome):
        handle = welcome.grants[0].handle
        await acknowledged(stream, beat(handle, sequence=8, state="ready", loop_lag_seconds=5))
        batch = heartbeat_pb.BeatBatch(handles=[handle], sequence=9)
        await acknowledged(stream, heartbeat_pb.ConnectRequest(beat_batch=batch))
        assert (await acknowledged(stream, beat(handle, sequence=7))).state == S.degraded
    async with connected(api, granted) as (stream, welcome):
        assert welcome.grants[0].state == S.degraded
        assert (await acknowledged(stream, beat(welcome.grants[0].handle, sequence=1))).state == S.ready


async def test_a_claim_of_being_ready_is_refused_while_the_loop_is_blocked(api: Stubs) -> None:
    """Over a unary beat as on the stream; the beat counts."""
    granted = await api.register()
    await api.heartbeat.SendHeartbeat(unary(granted, state="starting"))
    for _ in range(2):
        # Ready at first, since that is what it says; and at once degraded for the lag that it tells.
        answer = await api.heartbeat.SendHeartbeat(unary(granted, state="ready", loop_lag_seconds=9))
        assert answer.success
    assert answer.status == S.degraded
    await api.heartbeat.SendHeartbeat(unary(granted, state="degraded"))
    assert (await status(api, granted)).status == S.degraded, "it says so itself now, and no lag is told"
    answer = await api.heartbeat.SendHeartbeat(unary(granted, state="ready", loop_lag_seconds=9))
    answer = await api.heartbeat.SendHeartbeat(unary(granted, state="ready", loop_lag_seconds=9))
    assert (answer.status, answer.state_error) == (
        S.degraded,
        "the recorded state is degraded; ready was refused or overruled before",
    )
    assert (await api.heartbeat.SendHeartbeat(unary(granted))).status == S.ready


async def test_only_the_ready_are_degraded_by_a_lag(api: Stubs) -> None:
    """A start that blocks the loop is a start."""
    granted = await api.register()
    answer = await api.heartbeat.SendHeartbeat(unary(granted, state="starting", loop_lag_seconds=30))
    answer = await api.heartbeat.SendHeartbeat(unary(granted, loop_lag_seconds=30))
    assert answer.status == S.starting


async def test_the_lag_works_over_rest_and_is_seen_by_watchers_of_beats(tekton: ControlPlane, direct: Stubs) -> None:
    """With in_flight, as figures of the beat."""
    granted = await direct.register()
    watch = direct.heartbeat.WatchHeartbeats(heartbeat_pb.WatchHeartbeatsRequest(component_id=granted.component_id))
    reading = asyncio.create_task(watch.read())
    body = {"instance_uuid": granted.instance_uuid, "state": "ready", "loop_lag_seconds": 4.5, "in_flight": 2}
    path = f"/api/tekton/components/{granted.component_id}/heartbeat"
    async with httpx.AsyncClient(base_url=tekton.http) as http, asyncio.timeout(5):
        while not reading.done():
            answer = (await http.post(path, json=body)).json()
            await asyncio.wait([reading], timeout=0.05)
    assert answer["success"] is True
    assert dict(reading.result().metrics) == {"loop_lag_seconds": 4.5, "in_flight": 2}
    assert (await status(direct, granted)).status == S.degraded
    watch.cancel()


@pytest.mark.parametrize(
    "fields",
    [{"instance_uuid": "not-a-uuid"}, {"instance_uuid": ""}, {"fencing_token": "no token"}],
    ids=["uuid", "none", "token"],
)
async def test_a_malformed_claim_is_lost_alone(api: Stubs, fields: dict[str, str]) -> None:
    """The other leases of the hello are granted, and the stream goes on."""
    granted = await api.register()
    wrong = heartbeat_pb.LeaseClaim(**({"component_id": "athena", "instance_uuid": new_uuid()} | fields))
    stream = api.heartbeat.Connect()
    await stream.write(heartbeat_pb.ConnectRequest(hello=heartbeat_pb.Hello(leases=[wrong, claim(granted)])))
    lost = await heard(stream, "lease_lost")
    assert (lost.instance_uuid, lost.reason) == (wrong.instance_uuid, Lost.REASON_UNKNOWN_INSTANCE)
    assert next(iter(fields)) in lost.message
    (grant,) = (await heard(stream, "welcome")).grants
    assert grant.instance_uuid == granted.instance_uuid
    await acknowledged(stream, beat(grant.handle, sequence=1))
    stream.cancel()


async def test_a_lag_that_is_no_duration_is_refused(direct: Stubs) -> None:
    """Negative, or not finite."""
    granted = await direct.register()
    for lag in (-1.0, float("inf"), float("nan")):
        with refused("validation_error"):
            await direct.heartbeat.SendHeartbeat(unary(granted, loop_lag_seconds=lag))
