"""The functions of the integration guide: calls as printed, booleans for outcomes, a default client behind them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid

import pytest

from tekton.client import TektonClient, get_default_client, set_default_client
from tekton.core.lifecycle import ComponentState
from tekton.utils.component_client import ComponentClient, find_component, find_components_by_capability
from tekton.utils.tekton_client import (
    deregister_component,
    mark_ready,
    notify_shutdown,
    send_heartbeat,
    start_heartbeat_task,
    update_component_state,
)
from tekton.utils.tekton_registration import register_with_tekton
from tests.sdk.fleet import component, eventually
from tests.sdk.server import TIMEOUT, ServerProcess
from tests.support.ports import free_port


async def test_the_life_of_a_component_as_the_guide_prints_it(as_default: TektonClient) -> None:
    """Register, become ready, be found, beat, degrade, stop, deregister."""
    name, port = component("my").component_id, component().port
    success, instance_uuid = await register_with_tekton(
        component_id=name,
        component_name="My Custom Component",
        component_type="service",
        version="1.0.0",
        capabilities=["data_processing", name],
        dependencies=["engram", "rhetor"],
        port=port,
        health_check="/api/health",
        metadata={"description": "A custom component"},
    )
    assert success
    assert instance_uuid is not None
    assert await update_component_state(component_id=name, instance_uuid=instance_uuid, state="ready") is True
    metrics = {"cpu_percent": 15.2, "active_connections": 5}
    assert await send_heartbeat(component_id=name, instance_uuid=instance_uuid, state="ready", metrics=metrics) is True
    assert (await as_default.get_component_status(name))["metrics"] == metrics
    found = await find_component(name)
    assert isinstance(found, ComponentClient)
    assert (found.host, found.port) == ("localhost", port)
    assert [one.component_id for one in await find_components_by_capability(name)] == [name]
    assert await update_component_state(name, instance_uuid, ComponentState.DEGRADED, metadata={"why": "test"}) is True
    assert await update_component_state(name, instance_uuid, "stopping") is True
    assert await deregister_component(component_id=name, instance_uuid=instance_uuid) is True
    assert (await as_default.get_component_status(name))["status"] == "stopped"

    async def gone() -> bool:
        return await find_component(name) is None

    # What is known is told at once, and the end reaches this process by its watch.
    await eventually(gone)


async def test_registering_starts_the_heart(as_default: TektonClient) -> None:
    """Nothing else has to be called to stay alive, and deregistering ends it."""
    registration = component()
    _, instance_uuid = await register_with_tekton(
        registration.component_id, "A part", "service", "1.0.0", port=registration.port
    )
    assert instance_uuid is not None
    await update_component_state(registration.component_id, instance_uuid, "ready")
    time.sleep(1.5 * TIMEOUT)
    # Busy while the loop was blocked, and not failed.
    assert (await as_default.get_component_status(registration.component_id))["status"] in ("ready", "degraded")
    await deregister_component(registration.component_id, instance_uuid)
    await eventually(_no_heart)


async def _no_heart() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("tekton heart")]


async def test_the_first_heartbeat_starts_the_heart(as_default: TektonClient, server: ServerProcess) -> None:
    """Also for an instance that another client registered: one beat, and the lease is kept."""
    registration = component()
    async with TektonClient(server.host, server.port) as other:
        await other.register_component(registration)
    name, instance_uuid = registration.component_id, registration.instance_uuid
    assert await send_heartbeat(name, instance_uuid, state="ready")
    time.sleep(1.5 * TIMEOUT)
    assert (await as_default.get_component_status(name))["status"] in ("ready", "degraded")
    assert await deregister_component(name, instance_uuid)


async def test_ready_heartbeat_task_and_shutdown_as_the_guide_prints_them(as_default: TektonClient) -> None:
    """By the instance alone: it was registered here."""
    registration = component()
    _, instance_uuid = await register_with_tekton(
        registration.component_id, "A part", "service", "1.0.0", port=registration.port
    )
    assert instance_uuid is not None
    heartbeat_task = start_heartbeat_task(instance_uuid)
    assert await mark_ready(instance_uuid) is True
    assert (heartbeat_task.state, heartbeat_task.instance_uuid) == ("ready", instance_uuid)
    assert await notify_shutdown(instance_uuid) is True
    status = await as_default.get_component_status(registration.component_id)
    assert (status["status"], status["instance_uuid"]) == ("stopped", instance_uuid)
    assert not heartbeat_task.running


async def test_what_was_not_registered_here_has_no_component(
    as_default: TektonClient, caplog: pytest.LogCaptureFixture
) -> None:
    """False and logged, as every refusal; where a task is to be given, an error."""
    nobody = str(uuid.uuid4())
    with caplog.at_level(logging.WARNING, "tekton"):
        assert await mark_ready(nobody) is False
        assert await notify_shutdown(nobody) is False
    assert caplog.text.count(nobody) >= 2
    with pytest.raises(ValueError, match="registered no instance"):
        start_heartbeat_task(nobody)


async def test_a_state_that_may_not_be_entered_does_not_spoil_the_beat(
    as_default: TektonClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The beat counts, the state is logged."""
    registration = component()
    await as_default.register_component(registration)
    await update_component_state(registration.component_id, registration.instance_uuid, "ready")
    with caplog.at_level(logging.WARNING, "tekton"):
        assert await send_heartbeat(registration.component_id, registration.instance_uuid, state="registering")
    assert "registering" in caplog.text
    await deregister_component(registration.component_id, registration.instance_uuid)


async def test_refusals_are_false_and_logged(as_default: TektonClient, caplog: pytest.LogCaptureFixture) -> None:
    """With the sentence of the server."""
    nobody = str(uuid.uuid4())
    with caplog.at_level(logging.WARNING, "tekton"):
        assert await send_heartbeat("there_is_none", nobody) is False
        assert await update_component_state("there_is_none", nobody, "ready") is False
        assert await deregister_component("there_is_none", nobody) is False
        assert await update_component_state("there_is_none", nobody, "reddy") is False
        assert await send_heartbeat("there_is_none", nobody, metrics={"cpu": float("inf")}) is False
        assert await deregister_component("there_is_none", "") is False
        result = await register_with_tekton("Bad Id", "x", "service", "1.0.0", port=1)
    assert result == (False, None)
    assert result.error is not None
    assert result.error.code == 1002
    assert caplog.text.count("there is no component") == 3
    assert "Bad Id" in caplog.text


async def test_an_unreachable_tekton_is_false_too(caplog: pytest.LogCaptureFixture) -> None:
    """A component must come up without exceptions where Tekton is not running; the log names the remedy."""
    async with TektonClient("localhost", free_port(), timeout=0.3) as nowhere:
        set_default_client(nowhere)
        try:
            with caplog.at_level(logging.WARNING, "tekton"):
                assert await register_with_tekton("part", "A part", "service", "1.0.0", port=1) == (False, None)
                assert await send_heartbeat("part", str(uuid.uuid4())) is False
                assert await update_component_state("part", str(uuid.uuid4()), "ready") is False
        finally:
            set_default_client(None)
    assert caplog.text.count("tekton up") == 3


async def test_names_given_as_one_text_are_refused(as_default: TektonClient) -> None:
    """They would come apart into letters."""
    result = await register_with_tekton("part", "A part", "service", "1.0.0", capabilities="search", port=1)
    assert result == (False, None)
    assert "capabilities" in result.message


def test_each_event_loop_has_its_own_default_client(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs in one process work, the heart of the first beats on between and beyond them."""
    monkeypatch.setenv("TEKTON_HOST", server.host)
    monkeypatch.setenv("TEKTON_PORT", str(server.port))
    registration = component()
    name = registration.component_id

    async def register() -> tuple[TektonClient, str]:
        _, instance_uuid = await register_with_tekton(name, "A part", "service", "1.0.0", port=registration.port)
        assert instance_uuid is not None
        assert await update_component_state(name, instance_uuid, "ready")
        return get_default_client(), instance_uuid

    async def leave(instance_uuid: str) -> tuple[TektonClient, str]:
        assert await find_component(name) is not None
        assert await find_component("there_is_none") is None
        status = await get_default_client().get_component_status(name)
        assert await deregister_component(name, instance_uuid)
        return get_default_client(), status["status"]

    first, instance_uuid = asyncio.run(register())
    time.sleep(1.5 * TIMEOUT)
    second, status = asyncio.run(leave(instance_uuid))
    assert first is not second
    assert status == "ready"


def test_the_end_of_a_loop_closes_its_default_client(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """No task is left and nothing is kept of a loop that is gone."""
    monkeypatch.setenv("TEKTON_HOST", server.host)
    monkeypatch.setenv("TEKTON_PORT", str(server.port))

    async def find() -> TektonClient:
        assert await find_component("there_is_none") is None
        return get_default_client()

    closed = asyncio.run(find())

    async def use_again() -> None:
        with pytest.raises(RuntimeError, match="closed"):
            await closed.find_component("anything")

    asyncio.run(use_again())


async def test_closing_leaves_no_task_and_no_thread(server: ServerProcess) -> None:
    """Everything a client started ends with it."""
    await eventually(_no_heart)
    before = asyncio.all_tasks()
    async with TektonClient(server.host, server.port) as client:
        registration = component()
        await client.register_component(registration)
        client.start_heartbeat(registration.component_id)
        assert await client.find_component("there_is_none") is None
        assert asyncio.all_tasks() > before

    async def as_before() -> bool:
        return asyncio.all_tasks() == before

    # The cancelled call of gRPC itself ends one turn of the loop later.
    await eventually(as_before, within=0.2)
    await eventually(_no_heart)


def test_the_environment_says_where_tekton_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument beats it; a wildcard to listen on is no address to call."""
    monkeypatch.setenv("TEKTON_HOST", "0.0.0.0")
    monkeypatch.setenv("TEKTON_PORT", "8123")
    assert str(TektonClient().target) == "localhost:8123"
    assert str(TektonClient("engine", 9000).target) == "engine:9000"
    assert str(TektonClient("::1", 9000).target) == "[::1]:9000"
    monkeypatch.delenv("TEKTON_PORT")
    assert str(TektonClient("engine").target) == "engine:8010"
    assert str(TektonClient("unix:/a b/s,1.sock").target) == "unix:/a b/s,1.sock"
    assert TektonClient("unix:/a b/s.sock").target.uri == "unix:/a%20b/s.sock"
    monkeypatch.setenv("TEKTON_PORT", "eighty")
    with pytest.raises(ValueError, match="eighty"):
        TektonClient()
