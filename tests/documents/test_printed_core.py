"""The examples of the technical documentation for registry, coordinator, monitor, resolver and error handling run.

They are read from the documents where those stand beside the repository, and run as printed, with a directory of ours
for the printed one. tests/sdk has the same in our own words.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tekton.core.component_lifecycle import ComponentRegistry
from tekton.core.errors import DependencyError
from tekton.core.lifecycle import ComponentRegistration, ComponentState
from tekton.core.startup_coordinator import EnhancedStartUpCoordinator
from tests.documents import printed
from tests.support import documented

pytestmark = pytest.mark.skipif(
    not printed.DOCUMENTS.is_dir(), reason="the documents are not beside the repository; tests/sdk has our own words"
)

TD = "002"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ComponentRegistry]:
    """The control plane of a directory, kept running from example to example."""
    async with ComponentRegistry(data_dir=tmp_path_factory.mktemp("data")) as opened:
        yield opened


def example(registry: ComponentRegistry, marker: str) -> str:
    """Give a printed block, with our directory for the printed one."""
    assert registry._embedded is not None
    return printed.block(TD, marker).replace("/path/to/data", str(registry._embedded.data_dir))


async def test_the_registry_example(registry: ComponentRegistry) -> None:
    """Registered, initializing, ready, read, found by what it can do."""
    names = await printed.run(example(registry, "# Component Registration example"))
    assert (names["success"], names["message"]) == (True, "Component is ready")
    component = names["component"]
    assert (component["component_id"], component["status"]) == ("example_component", "ready")
    assert component["dependencies"] == ["hermes", "engram"]
    assert [one["component_id"] for one in names["components"]] == ["example_component"]
    states = [one["new_state"] async for one in (await registry.client()).list_transitions("example_component")]
    assert states == ["ready", "starting", "initializing", "registering"]


async def test_the_coordinator_example(registry: ComponentRegistry) -> None:
    """What is needed becomes ready while it is waited for; the rest is started in order of dependencies, once each."""
    client = await registry.client()
    await client.remove_component("example_component")
    started: list[str] = []

    def starts(name: str) -> Any:
        async def start() -> None:
            started.append(name)

        return start

    async def engram() -> None:
        await asyncio.sleep(0.2)
        registration = ComponentRegistration("engram", "Engram", "memory", "1.0.0", port=8000)
        await registry.register_component(registration)
        await registry.mark_component_ready("engram", registration.instance_uuid)

    coming = asyncio.create_task(engram())
    names = await printed.run(
        example(registry, "# Startup Coordinator example"),
        start_component_function=starts("example_component"),
        start_hermes=starts("hermes"),
        start_engram=starts("engram"),
        start_component=starts("example_component"),
    )
    await coming
    assert (names["success"], names["error"]) == (True, None)
    assert names["results"] == dict.fromkeys(("hermes", "engram", "example_component"), (True, None))
    # Hermes is Tekton itself until a real one registers; the others were ready by then.
    assert started == ["example_component", "hermes"]
    await names["coordinator"].close()


async def test_the_monitor_example(registry: ComponentRegistry) -> None:
    """The beat counts, with its state and its figures."""
    registration = ComponentRegistration("example_component", "Example Component", "service", "1.0.0")
    assert await registry.register_component(registration)
    names = await printed.run(
        example(registry, "# Heartbeat Monitor example"),
        registry=registry,
        instance_uuid=registration.instance_uuid,
        time=time,
        ComponentState=ComponentState,
    )
    assert not names["monitor"].monitoring
    status = await (await registry.client()).get_component_status("example_component")
    assert (status["status"], status["metrics"]) == ("ready", dict(names["heartbeat"].metrics))


async def test_the_resolver_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The printed graph has no cycle, and its order is the printed one."""
    names = await printed.run(printed.block(TD, "# Dependency Resolver example"))
    assert names["start_order"] == documented.ORDER
    assert (names["cycles"], capsys.readouterr().out) == ([], "")


async def test_the_error_handling_example(registry: ComponentRegistry, caplog: pytest.LogCaptureFixture) -> None:
    """What is needed and failed is started again; a start that fails itself is tried in degraded mode."""
    client = await registry.client()
    await client.remove_component("example_component")
    await client.remove_component("engram")
    calls: list[str] = []

    async def engram() -> None:
        calls.append("engram")

    async def whole() -> None:
        calls.append("whole")
        raise RuntimeError("the database is not there")

    async def partial() -> None:
        calls.append("partial")

    source = example(registry, "# Error handling example")
    async with EnhancedStartUpCoordinator(registry, startup_timeout=0.3, raise_errors=True) as coordinator:
        await coordinator.register_component_handler("engram", engram)
        given: dict[str, Any] = {
            "coordinator": coordinator,
            "start_component_function": whole,
            "start_degraded_function": partial,
            "logger": logging.getLogger("printed"),
        }
        await printed.run(source, **given)
        assert calls == ["engram"]
        assert "engram is not registered" in caplog.text
        await printed.run(source, **given)
        assert calls == ["engram", "whole", "partial"]
        assert "the database is not there" in caplog.text
        assert (await client.get_component_status("example_component"))["status"] == "degraded"
    assert DependencyError("x", details={"failed_dependencies": ["engram"]}).failed_dependencies == ["engram"]
