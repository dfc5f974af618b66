"""Start, stop and restart, over gRPC and REST: as documented, idempotent, and telling what is in the way."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tekton.core.errors import ConflictError
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Commit, Instance, Launch
from tekton.v1 import component_pb2
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain.launch_commands import ForgetLaunches
from tekton_server.live.healing.launches import Launches
from tests.services.test_command_delivery import answer
from tests.services.test_heartbeat_service import connected, heard
from tests.support.client import Stubs, refused, registration, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.launched import files_of, kill_all, launch, left, write_fleet
from tests.support.postgres import Cluster

COMPONENTS = "/api/tekton/components"
DEAF = "trap 'echo signalled' TERM; echo deaf; while :; do sleep 0.05; done"
FLEET = {
    "notes": launch(),
    "other-notes": launch(),
    "absent": launch("/no/such/program"),
    "brief": launch("sh", "-c", "echo I am ill >&2; exit 3"),
    "deaf": launch("sh", "-c", DEAF),
    "slow": launch(startup_timeout=0.6),
    "forking": launch("sh", "-c", "sleep 1000 & exit 0", stop_timeout=1),
    "around": {**launch(), "dependencies": ["about"]},
    "about": {**launch(), "dependencies": ["around"]},
    "above": {**launch(), "dependencies": ["about"]},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with a fleet to launch."""
    home = tmp_path_factory.mktemp("fleet")
    try:
        fleet = write_fleet(home / "f", FLEET, dependencies={"plain": ["notes"], "above": ["notes"]})
        async with control_plane(cluster.new_database(), home / "d", timeout=5.0, fleet=fleet) as running:
            yield running
    finally:
        kill_all(home / "d")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tekton: ControlPlane) -> AsyncIterator[Stubs]:
    """Stubs on the server's own port."""
    async with stubs(tekton.direct) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """REST through the gateway."""
    kind = {"content-type": "application/json"}
    async with httpx.AsyncClient(base_url=tekton.http, timeout=30, headers=kind) as client:
        yield client


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def clean(tekton: ControlPlane) -> AsyncIterator[None]:
    """Each test leaves nothing running."""
    yield
    lifecycle = tekton.app.live.lifecycle
    active = [one.component_id for one in tekton.app.live.view.launches.values() if one.active]
    await asyncio.gather(*(lifecycle.stop(one, force=True, timeout=0) for one in active))
    assert left(tekton.settings.data_path) == []


async def start(api: Stubs, component_id: str, **fields: Any) -> pb.StartComponentResponse:
    """Start a component."""
    request = pb.StartComponentRequest(component_id=component_id, **fields)
    return await api.lifecycle.StartComponent(request, timeout=20)


async def stop(api: Stubs, component_id: str, **fields: Any) -> pb.StopComponentResponse:
    """Stop a component."""
    return await api.lifecycle.StopComponent(pb.StopComponentRequest(component_id=component_id, **fields), timeout=20)


async def restart(api: Stubs, component_id: str, **fields: Any) -> pb.RestartComponentResponse:
    """Restart a component."""
    request = pb.RestartComponentRequest(component_id=component_id, **fields)
    return await api.lifecycle.RestartComponent(request, timeout=20)


async def joined(api: Stubs, component_id: str, instance_uuid: str, state: str = "ready") -> Any:
    """Do what the program of a launch does in its place: register as what it was launched as, and say how it is."""
    granted = await api.register(component_id, instance_uuid=instance_uuid)
    beat = heartbeat_pb.SendHeartbeatRequest(component_id=component_id, instance_uuid=instance_uuid, state=state)
    await api.heartbeat.SendHeartbeat(beat)
    return granted


def launch_of(tekton: ControlPlane, component_id: str) -> Launch:
    """Read the launch of a component."""
    found = tekton.app.live.view.launch(component_id)
    assert found is not None
    return found


def kill(tekton: ControlPlane, component_id: str, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal the process of a component itself."""
    status = files_of(tekton.settings.data_path, component_id)[0].status()
    assert status is not None
    os.kill(status.pid, number)


async def phase(tekton: ControlPlane, component_id: str, wanted: str) -> Launch:
    """Wait until a launch is so far."""
    async with asyncio.timeout(5):
        while (found := launch_of(tekton, component_id)).phase != wanted:
            await asyncio.sleep(0.01)
    return found


def instance(tekton: ControlPlane, instance_uuid: str) -> Instance:
    """Read an instance."""
    found = tekton.app.live.view.instance(instance_uuid)
    assert found is not None
    return found


async def test_a_start_and_a_stop_are_answered_as_printed(http: httpx.AsyncClient, tekton: ControlPlane) -> None:
    """Each a superset of the documented reply; both again change nothing and say so."""
    first = (await http.post(f"{COMPONENTS}/notes/start")).raise_for_status().json()
    assert (first["success"], first["message"]) == (True, "Component starting")
    again = (await http.post(f"{COMPONENTS}/notes/start", json={})).raise_for_status().json()
    assert (again["instance_uuid"], again["already_running"]) == (first["instance_uuid"], True)
    assert again["message"] == "Component is already running"
    shown = (await http.get(f"{COMPONENTS}/notes/status")).raise_for_status().json()
    assert shown["status_detail"]["phase"] == "running" and shown["status_detail"]["epoch"] == 1
    order = {"instance_uuid": first["instance_uuid"], "force": False, "timeout": 30}
    stopped = (await http.post(f"{COMPONENTS}/notes/stop", json=order)).raise_for_status().json()
    assert (stopped["success"], stopped["message"]) == (True, "Component stopped successfully")
    assert [one["outcome"] for one in stopped["instances"]] == ["stopped"]
    idle = (await http.post(f"{COMPONENTS}/notes/stop", json={})).raise_for_status().json()
    assert (idle["success"], idle["message"]) == (True, "Component was not running")
    assert left(tekton.settings.data_path) == []


async def test_what_runs_already_is_told_whoever_started_it(api: Stubs) -> None:
    """A start of what registered by itself starts nothing beside it; of a part of Tekton as well."""
    granted = await api.register("other-notes")
    found = await start(api, "other_notes")
    assert (found.instance_uuid, found.already_running) == (granted.instance_uuid, True)
    assert found.message == "Component is already running"
    assert (await start(api, "tekton_core")).already_running
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id="other-notes"))


async def test_what_has_no_launch_specification_cannot_be_started(api: Stubs, http: httpx.AsyncClient) -> None:
    """And what nobody has heard of is not there. Registering as something never makes it a command line."""
    metadata = {"launch": {"command": ["touch", "/tmp/owned"]}, "command": ["touch", "/tmp/owned"]}
    granted = await api.register("stranger", metadata=metadata)
    ended = registry_pb.DeregisterComponentRequest(component_id="stranger", instance_uuid=granted.instance_uuid)
    await api.registry.DeregisterComponent(ended)
    refusal = await http.post(f"{COMPONENTS}/stranger/start", json={"launch": metadata["launch"]})
    error = refusal.json()["error"]
    assert (refusal.status_code, error["code"], error["reason"]) == (422, 1004, "no_launch_spec")
    with refused("no_launch_spec"):
        await restart(api, "stranger")
    for verb in ("start", "stop", "restart"):
        refusal = await http.post(f"{COMPONENTS}/nobody/{verb}", json={})
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (404, 1001)


async def test_a_program_that_does_not_exist_is_told_with_its_cause(api: Stubs, http: httpx.AsyncClient) -> None:
    """Each time, to everybody who asked, and in the status; the component is there to be seen."""
    both = await asyncio.gather(*(http.post(f"{COMPONENTS}/absent/start", json={}) for _ in range(2)))
    for refusal in both:
        error = refusal.json()["error"]
        assert (refusal.status_code, error["code"], error["reason"]) == (503, 1004, "startup_failed")
        assert error["details"]["cause"] == "command_not_found"
    shown = await api.lifecycle.GetComponentStatus(pb.GetComponentStatusRequest(component_id="absent"))
    assert (shown.status, shown.status_reason) == (component_pb2.ComponentState.failed, "startup_failed")
    assert shown.status_detail.phase == component_pb2.LaunchPhase.ended
    assert "/no/such/program" in shown.status_detail.last_exit


async def test_one_that_ends_before_it_is_ready_is_told_with_its_exit_and_its_last_words(
    http: httpx.AsyncClient,
) -> None:
    """To who waits for it."""
    refusal = await http.post(f"{COMPONENTS}/brief/start", json={"wait": True})
    error = refusal.json()["error"]
    assert (refusal.status_code, error["code"], error["reason"]) == (503, 1004, "startup_failed")
    assert (error["details"]["last_exit"], error["details"]["log"]) == ("exit code 3", "I am ill")


async def test_one_that_puts_itself_into_the_background_is_no_success(api: Stubs, tekton: ControlPlane) -> None:
    """What it leaves is stopped, and told."""
    with refused("startup_failed") as failure:
        await start(api, "forking", wait=True)
    assert "left a process behind" in failure.message
    assert left(tekton.settings.data_path) == []


async def test_one_that_is_not_ready_in_time_is_a_timeout_and_runs_on(
    http: httpx.AsyncClient, tekton: ControlPlane
) -> None:
    """Its time is that of its specification."""
    refusal = await http.post(f"{COMPONENTS}/slow/start", json={"wait": True})
    error = refusal.json()["error"]
    assert (refusal.status_code, error["code"], error["details"]["startup_timeout"]) == (504, 1006, 0.6)
    assert launch_of(tekton, "slow").phase == "running"


async def test_one_that_registers_as_another_component_is_not_ready(http: httpx.AsyncClient, api: Stubs) -> None:
    """Its uuid serves, and whoever needs the component still has nobody to call."""
    await start(api, "slow")
    uuid = (await start(api, "slow")).instance_uuid
    await joined(api, "somebody", uuid)
    refusal = await http.post(f"{COMPONENTS}/slow/start", json={"wait": True})
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (504, 1006)
    await stop(api, "slow", force=True, timeout=0)
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id="somebody"))


async def test_a_component_may_take_longer_if_it_says_so(api: Stubs, tekton: ControlPlane) -> None:
    """With a report of its state: how many more seconds its start will take."""
    waiting = asyncio.ensure_future(start(api, "slow", wait=True))
    uuid = (await phase(tekton, "slow", "running")).instance_uuid
    await api.register("slow", instance_uuid=uuid)
    report = pb.UpdateComponentStateRequest(component_id="slow", instance_uuid=uuid, state="starting")
    report.extend_startup_seconds = 30
    await api.lifecycle.UpdateComponentState(report)
    done, _ = await asyncio.wait([waiting], timeout=0.8)
    assert not done
    beat = heartbeat_pb.SendHeartbeatRequest(component_id="slow", instance_uuid=uuid, state="degraded")
    await api.heartbeat.SendHeartbeat(beat)
    assert (await waiting).message == "Component is ready"


async def test_a_start_that_runs_into_a_cycle_is_refused_with_its_path(http: httpx.AsyncClient) -> None:
    """Also where the cycle is further down."""
    for component_id in ("around", "above"):
        refusal = await http.post(f"{COMPONENTS}/{component_id}/start", json={})
        error = refusal.json()["error"]
        assert (refusal.status_code, error["code"], error["reason"]) == (422, 1005, "circular_dependency")
        assert sorted(set(error["details"]["cycle"])) == ["about", "around"]


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


async def said(tekton: ControlPlane, component_id: str, text: str) -> None:
    """Wait until a component has written something."""
    log = files_of(tekton.settings.data_path, component_id)[0].log
    async with asyncio.timeout(5):
        while not log.exists() or text not in log.read_text():
            await asyncio.sleep(0.01)


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


async def test_what_can_be_started_is_seen_also_after_its_last_run_is_forgotten(
    api: Stubs, tekton: ControlPlane
) -> None:
    """It stood still for longer than ended components are kept, and components.json has it still."""
    await start(api, "other-notes")
    await stop(api, "other-notes")
    live = tekton.app.live
    later = live.writer.now() + timedelta(hours=1)
    await live.writer.submit(ForgetLaunches(component_ids=("other-notes",), before=later))
    async with asyncio.timeout(5):
        while live.view.launch("other-notes") is not None or live.view.get("other-notes") is None:
            await asyncio.sleep(0.01)
    assert (await start(api, "other-notes")).message == "Component starting"


async def test_a_commit_that_is_heard_of_late_sets_no_clock_back(tekton: ControlPlane) -> None:
    """Its answer was lost, and it took a minute to find out: a stop has no minute more for that."""
    live = tekton.app.live
    before = live.lifecycle.site.now()
    live.lifecycle.on_commit(Commit(live.view.revision, before - timedelta(minutes=1), ()))
    assert live.lifecycle.site.now() >= before


async def test_two_starts_at_once_start_one(api: Stubs, tekton: ControlPlane) -> None:
    """Both are told the same instance, one of them that it runs already."""
    found = await asyncio.gather(*(start(api, "notes") for _ in range(8)))
    assert len({one.instance_uuid for one in found}) == 1
    assert sorted(one.already_running for one in found) == [False] + [True] * 7
    assert len([one for one in files_of(tekton.settings.data_path, "notes") if one.alive()]) == 1


async def test_two_stops_at_once_are_one(api: Stubs, tekton: ControlPlane) -> None:
    """Both are told that it has stopped; it was asked once."""
    await start(api, "notes")
    before = launch_of(tekton, "notes").revision
    found = await asyncio.gather(*(stop(api, "notes") for _ in range(4)))
    assert {one.message for one in found} <= {"Component stopped successfully", "Component was not running"}
    assert "Component stopped successfully" in {one.message for one in found}
    assert launch_of(tekton, "notes").revision <= before + 3
    assert launch_of(tekton, "notes").desired == "stopped"


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


async def test_what_the_files_say_that_a_component_needs_stands_beside_what_it_says_itself(
    tekton: ControlPlane, api: Stubs
) -> None:
    """However it registers and is changed, launched by Tekton or not; the graph, explain and healing go by that."""

    async def needs(component_id: str) -> list[str]:
        found = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=component_id))
        return list(found.dependencies)

    given = registration("above", dependencies=["hermes"])
    granted = await api.registry.RegisterComponent(given)
    assert await needs("above") == ["about", "notes", "hermes"]
    given.instance_uuid = granted.instance_uuid
    assert (await api.registry.RegisterComponent(given)).instance_uuid == granted.instance_uuid

    patch = registry_pb.UpdateComponentRequest(component_id="above")
    patch.patch.update({"dependencies": []})
    assert list((await api.registry.UpdateComponent(patch)).dependencies) == ["about", "notes"]

    batch = registry_pb.BatchRegisterComponentsRequest(components=[registration("plain")])
    await api.registry.BatchRegisterComponents(batch)
    assert await needs("plain") == ["notes"]
    graph = await api.lifecycle.GetComponentDependencies(pb.GetComponentDependenciesRequest(component_id="notes"))
    assert {"plain", "above"} <= set(graph.dependent_components)
    for one in ("above", "plain"):
        await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=one))
