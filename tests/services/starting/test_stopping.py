"""Stop, over gRPC and REST: told first, then signalled, then killed where that is asked for; and ends by itself."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tekton.core.lifecycle import ComponentState
from tekton.core.view import Commit
from tekton.v1 import component_pb2
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.services.starting.acts import (
    COMPONENTS,
    instance,
    joined,
    kill,
    launch_of,
    phase,
    restart,
    said,
    start,
    stop,
)
from tests.services.test_command_delivery import answer
from tests.services.test_heartbeat_service import connected, heard
from tests.support.client import Stubs, refused
from tests.support.control_plane import ControlPlane


async def test_a_process_that_ends_fails_its_instance_at_once(api: Stubs, tekton: ControlPlane) -> None:
    """With the exit as evidence, long before its lease runs out, and no beat brings it back."""
    uuid = (await start(api, "notes")).instance_uuid
    await joined(api, "notes", uuid)
    kill(tekton, "notes")
    assert (await phase(tekton, "notes", "ended")).last_exit == "ended by SIGKILL"
    dead = instance(tekton, uuid)
    assert (dead.state, dead.reason, dead.leased) == (ComponentState.FAILED, "process_exited", False)
    asked = pb.ListTransitionsRequest(component_id="notes", instance_uuid=uuid, page_size=1)
    [last] = (await api.lifecycle.ListTransitions(asked)).transitions
    assert dict(last.metadata) == {"exit": "ended by SIGKILL", "signal": 9}
    with refused("stale_session"):
        await api.heartbeat.SendHeartbeat(
            heartbeat_pb.SendHeartbeatRequest(component_id="notes", instance_uuid=uuid, state="ready")
        )


async def test_a_stop_is_told_first_and_waits_for_work_in_hand(api: Stubs, tekton: ControlPlane) -> None:
    """The process is not signalled before the deadline where the component has accepted, and then it is."""
    uuid = (await start(api, "deaf")).instance_uuid
    granted = await joined(api, "deaf", uuid)
    await said(tekton, "deaf", "deaf")
    async with connected(api, granted) as (stream, _):
        began = time.monotonic()
        stopping = asyncio.ensure_future(stop(api, "deaf", timeout=0.8))
        told = await heard(stream, "command")
        assert told.kind == component_pb2.Command.KIND_STOP
        await stream.write(answer(told))
        await said(tekton, "deaf", "signalled")
        assert time.monotonic() - began >= 0.8
        assert not stopping.done() and launch_of(tekton, "deaf").phase == "stopping"
        kill(tekton, "deaf")
        stopped = await asyncio.wait_for(stopping, 5)
    assert [(one.instance_uuid, one.launched) for one in stopped.instances] == [(uuid, True)]
    assert (instance(tekton, uuid).state, instance(tekton, uuid).reason) == (ComponentState.STOPPED, "stop_requested")


async def test_who_refuses_to_stop_is_signalled_at_once(api: Stubs) -> None:
    """Nobody waits half a minute for what will not come."""
    uuid = (await start(api, "notes")).instance_uuid
    granted = await joined(api, "notes", uuid)
    async with connected(api, granted) as (stream, _):
        stopping = asyncio.ensure_future(stop(api, "notes", timeout=20))
        await stream.write(answer(await heard(stream, "command"), accepted=False, message="nobody listens"))
        stopped = await asyncio.wait_for(stopping, 5)
    assert [one.message for one in stopped.instances] == ["ended by SIGTERM"]


async def test_what_ignores_the_signal_is_a_timeout_and_is_killed_with_force(
    http: httpx.AsyncClient, tekton: ControlPlane
) -> None:
    """Without force it runs on, and the answer says what would end it."""
    uuid = (await http.post(f"{COMPONENTS}/deaf/start", json={})).json()["instance_uuid"]
    await said(tekton, "deaf", "deaf")
    refusal = await http.post(f"{COMPONENTS}/deaf/stop", json={"timeout": 0})
    error = refusal.json()["error"]
    assert (refusal.status_code, error["code"], error["reason"]) == (504, 1006, "timeout")
    assert "force kills it" in error["message"] and error["details"]["instances"][0]["instance_uuid"] == uuid
    assert launch_of(tekton, "deaf").phase == "stopping"
    stopped = (await http.post(f"{COMPONENTS}/deaf/stop", json={"timeout": 0, "force": True})).json()
    assert stopped["instances"] == [
        {"instance_uuid": uuid, "launched": True, "outcome": "killed", "message": "ended by SIGKILL"}
    ]


async def test_what_tekton_did_not_launch_is_stopped_by_command_alone(api: Stubs) -> None:
    """And the reply says so; the shutdown is its own."""
    granted = await api.register("stranger")
    async with connected(api, granted) as (stream, _):
        stopping = asyncio.ensure_future(stop(api, "stranger", timeout=20))
        await stream.write(answer(await heard(stream, "command")))
        ended = registry_pb.DeregisterComponentRequest(component_id="stranger", instance_uuid=granted.instance_uuid)
        await api.registry.DeregisterComponent(ended)
        stopped = await asyncio.wait_for(stopping, 5)
    assert "Tekton had not launched it" in stopped.message
    [one] = stopped.instances
    assert (one.launched, one.outcome) == (False, "stopped")


async def test_what_tekton_did_not_launch_and_does_not_stop_runs_on(api: Stubs, tekton: ControlPlane) -> None:
    """A refusal is told at once, silence after the timeout."""
    granted = await api.register("stranger")
    async with connected(api, granted) as (stream, _):
        stopping = asyncio.ensure_future(stop(api, "stranger", timeout=20))
        await stream.write(answer(await heard(stream, "command"), accepted=False, message="not now"))
        with refused("conflict") as failure:
            await asyncio.wait_for(stopping, 5)
        assert "not now" in failure.message
        with refused("timeout") as failure:
            await stop(api, "stranger", timeout=0, force=True)
        assert "Tekton did not launch it" in failure.message
    assert instance(tekton, granted.instance_uuid).leased
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id="stranger"))


async def test_a_commit_that_is_heard_of_late_sets_no_clock_back(tekton: ControlPlane) -> None:
    """Its answer was lost, and it took a minute to find out: a stop has no minute more for that."""
    live = tekton.app.live
    before = live.lifecycle.site.now()
    live.lifecycle.on_commit(Commit(live.view.revision, before - timedelta(minutes=1), ()))
    assert live.lifecycle.site.now() >= before


async def test_two_stops_at_once_are_one(api: Stubs, tekton: ControlPlane) -> None:
    """Both are told that it has stopped; it was asked once."""
    await start(api, "notes")
    before = launch_of(tekton, "notes").revision
    found = await asyncio.gather(*(stop(api, "notes") for _ in range(4)))
    assert {one.message for one in found} <= {"Component stopped successfully", "Component was not running"}
    assert "Component stopped successfully" in {one.message for one in found}
    assert launch_of(tekton, "notes").revision <= before + 3
    assert launch_of(tekton, "notes").desired == "stopped"


async def test_a_component_that_is_removed_is_stopped(api: Stubs, tekton: ControlPlane) -> None:
    """Nothing of it is left, neither a process nor a record."""
    await start(api, "notes")
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id="notes"))
    async with asyncio.timeout(5):
        while tekton.app.live.view.launch("notes") is not None:
            await asyncio.sleep(0.01)
    assert tekton.app.live.view.get("notes") is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"timeout": -1}, "timeout"),
        ({"timeout": 1e9}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": "NaN"}, "timeout"),
        ({"force": "very"}, "force"),
        ({"instance_uuid": "x"}, "instance_uuid"),
        ({"instance_uuid": 7}, "instance_uuid"),
        (["stop"], "body"),
    ],
)
async def test_bad_input_names_the_field_and_stops_nothing(
    http: httpx.AsyncClient, api: Stubs, tekton: ControlPlane, body: Any, field: str
) -> None:
    """In the documented shape, whatever is wrong."""
    await start(api, "notes")
    for verb in ("stop", "restart"):
        refusal = await http.post(f"{COMPONENTS}/notes/{verb}", json=body)
        error = refusal.json()["error"]
        assert (refusal.status_code, error["reason"]) == (400, "validation_error")
        assert [one["field"] for one in error["details"]["violations"]] == [field]
    assert launch_of(tekton, "notes").phase == "running"


async def test_a_stop_names_an_instance_of_the_component(api: Stubs, tekton: ControlPlane) -> None:
    """One that it does not have is not found; one that ended before is stopped already."""
    first = (await start(api, "notes")).instance_uuid
    with refused("component_not_found"):
        await stop(api, "notes", instance_uuid="00000000-0000-4000-8000-000000000000")
    await joined(api, "notes", first)
    second = (await restart(api, "notes", timeout=0)).instance_uuid
    assert (await stop(api, "notes", instance_uuid=first)).message == "Component was not running"
    assert launch_of(tekton, "notes").phase == "running"
    stopped = await stop(api, "notes", instance_uuid=second)
    assert [one.instance_uuid for one in stopped.instances] == [second]
