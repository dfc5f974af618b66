"""Starting and stopping through the client, with a component of the SDK as what is launched."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tekton.client import (
    ConflictError,
    NoLaunchSpecError,
    StartupError,
    TektonClient,
    TektonTimeoutError,
    UnavailableError,
    ValidationError,
)
from tekton.core.component_lifecycle import ComponentRegistry
from tekton.core.errors import DependencyError
from tekton.core.ids import launched_uuid, new_uuid
from tekton.core.lifecycle import ComponentRegistration
from tekton.core.startup_coordinator import EnhancedStartUpCoordinator
from tests.sdk.fleet import component
from tests.support.control_plane import ControlPlane
from tests.support.launched import launch, launching, left
from tests.support.ports import free_port
from tests.support.postgres import Cluster

ECHO = Path(__file__).parents[2] / "examples" / "echo_component.py"
PATHS = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
FLEET = {
    "echo": launch(sys.executable, str(ECHO), "--id", "echo", "--port", str(free_port()), env=PATHS, stop_timeout=20),
    "absent": launch("/no/such/program"),
    "brief": launch("sh", "-c", "echo too ill to serve; exit 3"),
    "deaf": launch("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with a fleet to launch."""
    home = tmp_path_factory.mktemp("fleet")
    async with launching(cluster.new_database(), home, FLEET, timeout=10.0) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(tekton: ControlPlane) -> AsyncIterator[TektonClient]:
    """A client through the gateway."""
    async with TektonClient(tekton.host, tekton.port) as opened:
        yield opened


async def test_a_component_of_the_sdk_is_what_it_was_launched_as_and_stops_when_it_is_told(
    client: TektonClient, tekton: ControlPlane
) -> None:
    """Its instance is the launch's; it ends by itself with its work done, long before it would be signalled."""
    success = await client.start_component("echo", wait=True)
    assert success and success.success and success.message == "Component is ready"
    found = await client.get_component("echo")
    assert found is not None and found["status"] == "ready"
    assert [one["instance_uuid"] for one in found["instances"]] == [success.instance_uuid]
    again = await client.start_component("echo")
    assert again and again.already_running and again.instance_uuid == success.instance_uuid
    restarted = await client.restart_component("echo", wait=True)
    assert restarted and restarted.instance_uuid not in (None, success.instance_uuid)
    stopped = await client.stop_component("echo")
    assert stopped and stopped.message == "Component stopped successfully"
    assert [(one["launched"], one["message"]) for one in stopped.instances] == [(True, "exit code 0")]
    assert left(tekton.settings.data_path) == []


async def test_a_failure_is_a_result_that_is_not_true_and_has_its_error(client: TektonClient) -> None:
    """As the documents print it: `success = await client.start_component(…)`."""
    absent = await client.start_component("absent")
    assert not absent and isinstance(absent.error, StartupError)
    assert absent.error.details["cause"] == "command_not_found"
    brief = await client.start_component("brief", wait=True)
    assert isinstance(brief.error, StartupError) and brief.error.details["log"] == "too ill to serve"
    await client.start_component("deaf")
    deaf = await client.stop_component("deaf", timeout=0)
    assert not deaf and isinstance(deaf.error, TektonTimeoutError) and "force kills it" in deaf.message
    assert await client.stop_component("deaf", timeout=0, force=True)
    made = component()
    await client.register_component(made)
    await client.deregister_component(made.component_id, made.instance_uuid)
    stranger = await client.start_component(made.component_id)
    assert isinstance(stranger.error, NoLaunchSpecError)


async def test_one_that_tekton_did_not_launch_is_asked(client: TektonClient) -> None:
    """A heart without a listener refuses for it."""
    made = component()
    await client.register_component(made)
    heartbeat = client.start_heartbeat(made.component_id)
    refused = await client.stop_component(made.component_id)
    assert isinstance(refused.error, ConflictError) and "nobody listens" in refused.message
    await heartbeat.stop()


async def test_what_cannot_be_sent_is_refused_here(client: TektonClient) -> None:
    """And a Tekton that nobody hears of is no result."""
    for wrong in ({"timeout": -1}, {"timeout": float("nan")}, {"timeout": "soon"}, {"deadline": 0}):
        with pytest.raises(ValidationError):
            await client.stop_component("echo", **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        await client.start_component(7)  # type: ignore[arg-type]
    async with TektonClient("127.0.0.1", free_port()) as nobody:
        with pytest.raises(UnavailableError):
            await nobody.start_component("echo")


async def test_a_launched_process_registers_as_what_it_was_launched_as(
    client: TektonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second instance of it, and the next one after its end, is another; so is any other component in the process."""
    ours = new_uuid()
    monkeypatch.setenv("TEKTON_COMPONENT_ID", "own_notes")
    monkeypatch.setenv("TEKTON_INSTANCE_UUID", ours)
    assert launched_uuid("own-notes") == ours and not launched_uuid("notes")

    def own(**fields: object) -> ComponentRegistration:
        given = {"component_id": "own-notes", "component_name": "N", "component_type": "ui", "version": "1.0.0"}
        return ComponentRegistration(**(given | fields))  # type: ignore[arg-type]

    first, second = own(), own(version="2.0.0")
    assert first.instance_uuid == second.instance_uuid == ours
    assert own(instance_uuid=new_uuid()).instance_uuid != ours
    assert (await client.register_component(first)).instance_uuid == ours
    other = (await client.register_component(second)).instance_uuid
    batch = await client.register_components([own(), own(version="3.0.0")])
    assert batch[0].instance_uuid == ours and len({ours, other, batch[1].instance_uuid}) == 3
    await client.deregister_component("own-notes", ours)
    assert (await client.register_component(own())).instance_uuid not in (None, ours)
    monkeypatch.setenv("TEKTON_INSTANCE_UUID", "no uuid")
    assert not launched_uuid("own-notes")


async def test_a_coordinator_asks_tekton_for_what_that_launches(client: TektonClient, tekton: ControlPlane) -> None:
    """By itself, again, and for the sake of a component of its own; a failure there is told down the way."""
    calls: list[str] = []

    async def start() -> None:
        calls.append("own")

    async with EnhancedStartUpCoordinator(ComponentRegistry(client=client), startup_timeout=20) as coordinator:
        assert await coordinator.start_component("echo") == (True, None)
        (first,) = [one for one in (await client.get_component("echo"))["instances"] if one["leased"]]
        assert await coordinator.restart_component("echo") == (True, None)
        assert await client.stop_component("echo")
        names = {name: component(name).component_id for name in ("own", "ill")}
        results = await coordinator.start_components(
            {
                names["own"]: {"start_func": start, "dependencies": ["echo"]},
                names["ill"]: {"start_func": start, "dependencies": ["brief"]},
            }
        )
        assert list(map(bool, results.values())) == [True, False] and calls == ["own"]
        error = results[names["ill"]].error
        assert isinstance(error, DependencyError) and error.failed_dependencies == ["brief"]
        assert "exit code 3" in str(error)
        found = await client.get_component("echo")
        assert found["status"] == "ready" and first["instance_uuid"] not in (
            one["instance_uuid"] for one in found["instances"] if one["leased"]
        )
        _, told = await coordinator.start_component("brief")
        assert isinstance(told, StartupError)
    await client.stop_component("echo")
    assert left(tekton.settings.data_path) == []
