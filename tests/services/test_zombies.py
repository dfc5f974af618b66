"""An instance that timed out and was replaced: whatever it still says changes nothing, and it is told so."""

from __future__ import annotations

import asyncio

from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.services.test_heartbeat_corners import goodbye
from tests.services.test_heartbeat_service import Lost, beat, connected, heard, hello, status, unary
from tests.support.client import Stubs, refused, registration
from tests.support.control_plane import INTERVAL, TIMEOUT

S = pb.ComponentState


async def test_a_zombie_changes_nothing_by_beats_closes_states_or_its_deregistration(direct: Stubs) -> None:
    """Its stream stood open all the time; a replacement at its address has registered and is ready."""
    request = registration()
    zombie = await direct.registry.RegisterComponent(request)
    async with connected(direct, zombie) as (stream, welcome):
        assert (await heard(stream, "lease_lost")).reason == Lost.REASON_EXPIRED
        newer = await direct.registry.RegisterComponent(request)
        assert newer.instance_uuid != zombie.instance_uuid
        await direct.heartbeat.SendHeartbeat(unary(newer, state="ready"))
        revision = (await status(direct, newer)).status_since
        await stream.write(beat(welcome.grants[0].handle, sequence=1, state="ready"))
        await stream.write(goodbye(welcome.grants[0].handle))
        await stream.write(hello(zombie))
        lost = await heard(stream, "lease_lost")
        assert (lost.instance_uuid, lost.reason) == (zombie.instance_uuid, Lost.REASON_SUPERSEDED)
        assert not (await heard(stream, "welcome")).grants
        await stream.write(goodbye())
    names = {"component_id": zombie.component_id, "instance_uuid": zombie.instance_uuid}
    names["fencing_token"] = zombie.fencing_token
    with refused("stale_session"):
        await direct.heartbeat.SendHeartbeat(heartbeat_pb.SendHeartbeatRequest(state="ready", **names))
    with refused("stale_session"):
        await direct.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(**names))
    for state in ("ready", "stopping"):
        with refused("stale_session"):
            await direct.lifecycle.UpdateComponentState(lifecycle_pb.UpdateComponentStateRequest(state=state, **names))
    found = await status(direct, newer)
    assert (found.status, found.instance_uuid, found.status_since) == (S.ready, newer.instance_uuid, revision)
    asked = registry_pb.GetComponentRequest(component_id=zombie.component_id)
    instances = {one.instance_uuid: one for one in (await direct.registry.GetComponent(asked)).instances}
    assert instances[zombie.instance_uuid].status_reason == "lease_expired"


async def test_a_token_of_a_grant_before_changes_no_state_and_ends_nothing(direct: Stubs) -> None:
    """Also where the instance itself lives."""
    granted = await direct.register()
    await direct.heartbeat.SendHeartbeat(unary(granted, state="ready"))
    names = {"component_id": granted.component_id, "instance_uuid": granted.instance_uuid}
    names["fencing_token"] = f"{granted.fencing_token.split('.')[0]}.1"
    with refused("stale_session"):
        await direct.lifecycle.UpdateComponentState(lifecycle_pb.UpdateComponentStateRequest(state="failed", **names))
    with refused("stale_session"):
        await direct.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(**names))
    with refused("stale_session"):
        await direct.heartbeat.SendHeartbeat(heartbeat_pb.SendHeartbeatRequest(state="failed", **names))
    assert (await status(direct, granted)).status == S.ready


async def test_the_close_of_a_zombies_stream_makes_nobody_suspect(direct: Stubs) -> None:
    """The replacement has a stream of its own."""
    request = registration()
    zombie = await direct.registry.RegisterComponent(request)
    async with connected(direct, zombie) as (stream, _):
        newer = await direct.registry.RegisterComponent(request)
        await heard(stream, "lease_lost")
        async with connected(direct, newer) as (own, welcome):
            stream.cancel()
            for sequence in range(1, int(1.5 * TIMEOUT / INTERVAL)):
                await own.write(beat(welcome.grants[0].handle, sequence=sequence))
                await asyncio.sleep(INTERVAL)
                found = await status(direct, newer)
                assert (found.suspect, found.instance_uuid) == (False, newer.instance_uuid)


async def test_a_session_that_a_newer_one_replaced_changes_nothing(direct: Stubs) -> None:
    """The same instance under the same grant, from a stream of before: only the epoch tells the two apart."""
    granted = await direct.register()
    async with connected(direct, granted) as (_, before), connected(direct, granted) as (_, now):
        assert before.session_epoch < now.session_epoch
        names = {"component_id": granted.component_id, "instance_uuid": granted.instance_uuid}
        names["fencing_token"] = granted.fencing_token
        changed, ended = lifecycle_pb.UpdateComponentStateRequest, registry_pb.DeregisterComponentRequest
        with refused("stale_session"):
            await direct.lifecycle.UpdateComponentState(
                changed(state="failed", session_epoch=before.session_epoch, **names)
            )
        with refused("stale_session"):
            await direct.registry.DeregisterComponent(ended(session_epoch=before.session_epoch, **names))
        assert (await status(direct, granted)).status == S.registering
        ready = changed(state="ready", session_epoch=now.session_epoch, **names)
        assert (await direct.lifecycle.UpdateComponentState(ready)).status == S.ready
        assert (await direct.registry.DeregisterComponent(ended(session_epoch=now.session_epoch, **names))).success
