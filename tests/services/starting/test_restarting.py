"""Restart, over gRPC and REST; and starts and stops of one component that meet."""

from __future__ import annotations

import asyncio

import pytest

from tekton.core.errors import ConflictError
from tekton.v1 import component_pb2
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.live.healing.launches import Launches
from tests.services.starting.acts import joined, kill, launch_of, phase, restart, said, start, stop
from tests.services.test_command_delivery import answer
from tests.services.test_heartbeat_service import connected, heard
from tests.support.client import Stubs, refused
from tests.support.control_plane import ControlPlane
from tests.support.launched import files_of, left


async def test_a_restart_is_another_instance(api: Stubs, tekton: ControlPlane) -> None:
    """One that does not run is started."""
    first = (await restart(api, "notes")).instance_uuid
    epoch = launch_of(tekton, "notes").epoch
    again = await restart(api, "notes", timeout=5)
    found = launch_of(tekton, "notes")
    assert again.instance_uuid == found.instance_uuid != first
    assert (found.epoch, found.phase, found.desired) == (epoch + 1, "running", "running")
    assert len([one for one in files_of(tekton.settings.data_path, "notes") if one.alive()]) == 1


async def test_what_tekton_did_not_launch_is_asked_to_restart(api: Stubs) -> None:
    """Whoever launched it starts it again."""
    granted = await api.register("stranger")
    async with connected(api, granted) as (stream, _):
        restarting = asyncio.ensure_future(restart(api, "stranger", timeout=20))
        told = await heard(stream, "command")
        assert told.kind == component_pb2.Command.KIND_RESTART
        await stream.write(answer(told))
        found = await asyncio.wait_for(restarting, 5)
        assert "whoever did starts it again" in found.message
        restarting = asyncio.ensure_future(restart(api, "stranger", timeout=20))
        await stream.write(answer(await heard(stream, "command"), accepted=False, message="not now"))
        with refused("conflict"):
            await asyncio.wait_for(restarting, 5)
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id="stranger"))


async def test_healing_restarts_nothing_that_an_operator_has_stopped_or_restarted(
    api: Stubs, tekton: ControlPlane
) -> None:
    """What it decided before is of a launch that is no more."""
    live = tekton.app.live
    healing = Launches(live.lifecycle.site, live.lifecycle, live.store.last_changes)
    await start(api, "notes")
    launch = launch_of(tekton, "notes")
    await stop(api, "notes")
    for _ in range(2):
        before = launch_of(tekton, "notes")
        with pytest.raises(ConflictError):
            await healing.restart(launch)
        assert launch_of(tekton, "notes") == before
        await start(api, "notes")
    await healing.restart(launch_of(tekton, "notes"))
    assert launch_of(tekton, "notes").epoch == launch.epoch + 2


async def test_a_start_and_a_stop_at_once_end_in_one_of_their_orders(api: Stubs, tekton: ControlPlane) -> None:
    """Whoever comes first: what the last one wanted is so, and what is told is what happened."""
    for turn in range(6):
        calls = [start(api, "notes"), stop(api, "notes")]
        found = await asyncio.gather(*(calls if turn % 2 else reversed(calls)), return_exceptions=True)
        last = launch_of(tekton, "notes")
        if last.desired == "running":
            # The stop came first, to something or to nothing.
            assert not [one for one in found if isinstance(one, BaseException)]
            assert (last.phase, len(left(tekton.settings.data_path)) > 0) == ("running", True)
        else:
            assert (last.phase, left(tekton.settings.data_path)) == ("ended", [])
            failed = [one for one in found if isinstance(one, BaseException)]
            assert all("was stopped meanwhile" in str(one) for one in failed)
        await stop(api, "notes")


async def test_a_start_of_what_has_said_goodbye_is_a_restart(api: Stubs, tekton: ControlPlane) -> None:
    """Its process is given a moment to end. One that failed and runs on is told."""
    first = (await start(api, "notes")).instance_uuid
    granted = await joined(api, "notes", first)
    async with connected(api, granted):
        report = pb.UpdateComponentStateRequest(component_id="notes", instance_uuid=first, state="failed")
        await api.lifecycle.UpdateComponentState(report)
    assert "it has failed" in (await start(api, "notes")).message
    ended = registry_pb.DeregisterComponentRequest(component_id="notes", instance_uuid=first)
    await api.registry.DeregisterComponent(ended)
    starting = asyncio.ensure_future(start(api, "notes"))
    await phase(tekton, "notes", "stopping")
    kill(tekton, "notes")
    again = await starting
    assert again.instance_uuid != first and not again.already_running


async def test_a_start_waits_for_the_stop_under_way(api: Stubs, tekton: ControlPlane) -> None:
    """And starts another instance then."""
    uuid = (await start(api, "deaf")).instance_uuid
    await said(tekton, "deaf", "deaf")
    stopping = asyncio.ensure_future(stop(api, "deaf", timeout=0.7, force=True))
    await phase(tekton, "deaf", "stopping")
    again = await start(api, "deaf")
    assert again.instance_uuid != uuid and not again.already_running
    assert (await stopping).success
