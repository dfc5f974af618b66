"""Start, over gRPC and REST: as documented, idempotent, and telling what is in the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx

from tekton.v1 import component_pb2
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain.launch_commands import ForgetLaunches
from tests.services.starting.acts import COMPONENTS, joined, launch_of, phase, restart, start, stop
from tests.support.client import Stubs, refused, registration
from tests.support.control_plane import ControlPlane
from tests.support.launched import files_of, left


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


async def test_two_starts_at_once_start_one(api: Stubs, tekton: ControlPlane) -> None:
    """Both are told the same instance, one of them that it runs already."""
    found = await asyncio.gather(*(start(api, "notes") for _ in range(8)))
    assert len({one.instance_uuid for one in found}) == 1
    assert sorted(one.already_running for one in found) == [False] + [True] * 7
    assert len([one for one in files_of(tekton.settings.data_path, "notes") if one.alive()]) == 1


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
