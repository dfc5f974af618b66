"""The heartbeat stream at its corners: many leases, goodbyes that meet other ends, claims that change to and fro."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest
from grpc import aio

from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain.rates import Turnstile
from tekton_server.live.lease import Timing
from tests.services.test_heartbeat_service import Granted, Lost, beat, connected, heard, hello, status, unary
from tests.support.client import Stubs, refused, registration
from tests.support.control_plane import TIMEOUT, ControlPlane

S = pb.ComponentState


def goodbye(*handles: int) -> heartbeat_pb.ConnectRequest:
    """Say goodbye for some leases, or for all."""
    return heartbeat_pb.ConnectRequest(goodbye=heartbeat_pb.Goodbye(handles=handles))


async def losses(stream: Any, count: int) -> dict[str, int]:
    """Read until so many leases are lost; gives the reasons."""
    found: dict[str, int] = {}
    while len(found) < count:
        lost = await heard(stream, "lease_lost")
        found[lost.instance_uuid] = lost.reason
    return found


async def test_a_goodbye_ends_the_rest_although_one_lease_has_ended_before(api: Stubs) -> None:
    """A superseded neighbour does not break the stream; the others are stopped and not left to time out."""
    request = registration()
    superseded, neighbour = await api.registry.RegisterComponent(request), await api.register()
    async with connected(api, superseded, neighbour) as (stream, _):
        await api.registry.RegisterComponent(request)
        await stream.write(goodbye())
        assert await losses(stream, 2) == {
            superseded.instance_uuid: Lost.REASON_SUPERSEDED,
            neighbour.instance_uuid: Lost.REASON_ENDED,
        }
        assert (await status(api, neighbour)).status == S.stopped


async def test_a_goodbye_of_a_thousand_leases_is_a_few_commits(api: Stubs) -> None:
    """They are ended together, and every one of them is told."""
    granted = await asyncio.gather(*(api.register() for _ in range(1000)))
    async with connected(api, *granted) as (stream, _):
        began = time.monotonic()
        await stream.write(goodbye())
        assert set((await losses(stream, 1000)).values()) == {Lost.REASON_ENDED}
        assert time.monotonic() - began < TIMEOUT


async def test_a_whole_fleet_that_timed_out_comes_back_with_one_hello(api: Stubs) -> None:
    """Revived together, long before the first could time out again."""
    granted = await asyncio.gather(*(api.register() for _ in range(200)))
    # They are failed in turn.
    async with asyncio.timeout(TIMEOUT + 20):
        for one in granted:
            while (await status(api, one)).status != S.failed:
                await asyncio.sleep(0.05)
    async with connected(api, *granted) as (_, welcome):
        assert len(welcome.grants) == 200
        assert {g.state for g in welcome.grants} == {S.initializing}


async def test_a_lease_claimed_twice_has_one_handle(api: Stubs) -> None:
    """In one hello, or in a later one of the same stream."""
    granted = await api.register()
    async with connected(api, granted, granted) as (stream, welcome):
        (grant,) = welcome.grants
        await stream.write(hello(granted))
        again = await heard(stream, "welcome")
        assert [g.handle for g in again.grants] == [grant.handle]


async def test_a_beat_for_a_lease_that_just_ended_does_not_break_the_stream(api: Stubs) -> None:
    """It crossed the news of the loss; the other leases go on."""
    one, two = await api.register(), await api.register()
    async with connected(api, one, two) as (stream, welcome):
        handles = {g.instance_uuid: g.handle for g in welcome.grants}
        await api.registry.DeregisterComponent(
            registry_pb.DeregisterComponentRequest(component_id=one.component_id, instance_uuid=one.instance_uuid)
        )
        await stream.write(beat(handles[one.instance_uuid], sequence=1))
        await stream.write(beat(handles[two.instance_uuid], sequence=2))
        assert (await heard(stream, "ack")).sequence == 2


async def test_a_claim_that_changes_back_is_recorded_again(api: Stubs) -> None:
    """ready, degraded by a report, then degraded and ready by beats: the last word counts."""
    granted = await api.register()
    await api.heartbeat.SendHeartbeat(unary(granted, state="ready"))
    report = lifecycle_pb.UpdateComponentStateRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, state="degraded"
    )
    await api.lifecycle.UpdateComponentState(report)
    assert (await api.heartbeat.SendHeartbeat(unary(granted, state="degraded"))).status == S.degraded
    answer = await api.heartbeat.SendHeartbeat(unary(granted, state="ready"))
    assert (answer.status, answer.state_error) == (S.ready, "")


async def test_claims_that_follow_each_other_closely_end_with_the_last(api: Stubs) -> None:
    """Also while the one before is being committed."""
    granted = await api.register()
    async with connected(api, granted) as (stream, welcome):
        handle = welcome.grants[0].handle
        for sequence, state in enumerate(("ready", "degraded", "ready", "degraded", "ready"), 1):
            await stream.write(beat(handle, sequence=sequence, state=state))
        while (await heard(stream, "ack")).sequence < 5:
            continue
        assert (await status(api, granted)).status == S.ready


async def test_a_late_beat_renews_and_says_nothing_else(api: Stubs) -> None:
    """Ordered by sequence, also when beats without a sequence come between."""
    granted = await api.register()
    await api.heartbeat.SendHeartbeat(unary(granted, state="ready", sequence=10))
    await api.heartbeat.SendHeartbeat(unary(granted))
    answer = await api.heartbeat.SendHeartbeat(unary(granted, state="degraded", sequence=5))
    assert answer.success and answer.status == S.ready


async def test_a_beat_of_a_stranger_saves_nobody(api: Stubs) -> None:
    """A wrong component or token is refused and renews nothing, up to the very end of the lease."""
    granted = await api.register()
    strangers = (
        unary(Granted(component_id="nobody", instance_uuid=granted.instance_uuid)),
        unary(granted, fencing_token=f"{granted.fencing_token.split('.')[0]}.999999999"),
    )
    async with asyncio.timeout(TIMEOUT + 2):
        while (await status(api, granted)).status != S.failed:
            with refused("component_not_found"):
                await api.heartbeat.SendHeartbeat(strangers[0])
            with refused("stale_session"):
                await api.heartbeat.SendHeartbeat(strangers[1])


async def test_a_beat_of_an_older_session_is_stale(api: Stubs) -> None:
    """session_epoch fences a caller whose stream was replaced."""
    granted = await api.register()
    async with connected(api, granted) as (_, first):
        pass
    async with connected(api, granted) as (_, second):
        assert second.session_epoch > first.session_epoch
        with refused("stale_session"):
            await api.heartbeat.SendHeartbeat(unary(granted, session_epoch=first.session_epoch))
        assert (await api.heartbeat.SendHeartbeat(unary(granted, session_epoch=second.session_epoch))).success


async def test_a_stream_too_many_is_sent_away_and_its_hello_is_a_sign_of_life(
    tekton: ControlPlane, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back at a time of its own; the lease is as fresh as after a beat."""
    live = tekton.app.live
    monkeypatch.setattr(live.admission, "_turnstile", Turnstile(0.001, 1, 0.0))
    one, two = await direct.register(), await direct.register()
    lease = live.leases.get(two.instance_uuid)
    assert lease is not None
    async with connected(direct, one):
        await asyncio.sleep(TIMEOUT / 4)
        before = lease.beat_seconds
        stream: Any = direct.heartbeat.Connect()
        await stream.write(hello(two))
        away = await heard(stream, "go_away")
        assert away.reason == "too_many_at_once" and TIMEOUT / 8 <= away.reconnect_after_seconds <= TIMEOUT / 4
        assert await stream.read() is aio.EOF and await stream.code() is grpc.StatusCode.OK
        assert lease.beat_seconds >= before + TIMEOUT / 4 and lease.session is None
        assert live.admission.sent_away == 1


async def test_new_terms_are_told_with_every_acknowledgement_and_hold_for_whoever_was_told(
    tekton: ControlPlane, direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the stream and by the unary twin; whoever has not beaten since is judged by what it was told."""
    live = tekton.app.live
    by_stream, by_call, silent = await direct.register(), await direct.register(), await direct.register()
    async with connected(direct, by_stream) as (stream, welcome):
        assert welcome.lease.timeout_seconds == TIMEOUT
        monkeypatch.setattr(live.leases._pace, "timing", Timing(5.0, 20.0))
        await stream.write(beat(welcome.grants[0].handle, sequence=1))
        ack = await heard(stream, "ack")
        assert (ack.lease.interval_seconds, ack.lease.timeout_seconds) == (5.0, 20.0)
        answer = await direct.heartbeat.SendHeartbeat(unary(by_call))
        assert (answer.next_heartbeat_in, answer.lease.timeout_seconds) == (5.0, 20.0)
    told = [live.leases.get(one.instance_uuid) for one in (by_stream, by_call, silent)]
    assert [lease.terms.timeout for lease in told if lease is not None] == [20.0, 20.0, TIMEOUT]
