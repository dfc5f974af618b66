"""The life of a component as the integration guide and the API reference print it: start-up, shutdown, and all of it.

The blocks are read from the documents where those stand beside the repository. tests/sdk has the same in our own words.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tekton.client import TektonClient
from tekton.core.lifecycle import ComponentRegistration
from tekton.utils import tekton_client
from tests.documents import printed
from tests.sdk.fleet import eventually
from tests.support.control_plane import ControlPlane
from tests.support.ports import free_port

pytestmark = pytest.mark.skipif(
    not printed.DOCUMENTS.is_dir(), reason="the documents are not beside the repository; tests/sdk has our own words"
)

IG, API = "000", "001"
NAME = "my_component"


@pytest_asyncio.fixture
async def client(client: TektonClient) -> AsyncIterator[TektonClient]:
    """That client, in a registry that is empty."""
    yield client
    async for row in client.list_components():
        if row["component_type"] != "core":
            await client.remove_component(row["component_id"])


async def become_ready(client: TektonClient, name: str, after: float = 0.0) -> None:
    """Be a component that others need."""
    await asyncio.sleep(after)
    registration = ComponentRegistration(name, name, "service", "1.0.0", port=free_port())
    assert (await client.register_component(registration)).success
    client.start_heartbeat(name)
    await client.update_component_state(name, registration.instance_uuid, "ready")


async def status(client: TektonClient) -> dict[str, Any]:
    """Read how the component of the documents is."""
    return await client.get_component_status(NAME)


async def test_the_five_steps_of_a_start_and_of_a_shutdown(
    client: TektonClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is needed may register while it is waited for; in the end the instance has stopped in good order."""
    beats = await printed.run(printed.block(IG, "async def send_heartbeats(instance_uuid, interval=10)"))
    startup = printed.block(IG, "async def startup_process()")
    names = await printed.run(startup, start_heartbeat_task=beats["start_heartbeat_task"])
    late = asyncio.gather(become_ready(client, "engram", 0.2), become_ready(client, "rhetor"))
    assert await names["startup_process"]() is True
    await late
    found = await eventually(lambda: _ready_by_a_beat(client))
    shutdown = printed.block(IG, "async def shutdown_process(instance_uuid)")
    # The guide shows that import with another example.
    names = await printed.run(shutdown, update_component_state=tekton_client.update_component_state)
    await names["shutdown_process"](found["instance_uuid"])
    assert (await status(client))["status"] == "stopped"
    assert capsys.readouterr().out == "Shutdown complete\n"


async def _ready_by_a_beat(client: TektonClient) -> dict[str, Any] | None:
    found = await status(client)
    return found if found["metrics"] and found["status"] == "ready" else None


async def test_registration_readiness_and_a_shutdown_that_tekton_asks_for(client: TektonClient) -> None:
    """The patterns of the API reference: register first, be ready, listen, clean up, say so."""
    names = await printed.run(
        printed.block(API, "async def initialize_component()"),
        start_heartbeat_task=tekton_client.start_heartbeat_task,
        mark_ready=tekton_client.mark_ready,
    )
    assert await names["initialize_component"]() is True
    found = await status(client)
    assert found["status"] == "ready"
    cleaned = asyncio.Event()

    async def cleanup() -> None:
        cleaned.set()

    names = await printed.run(
        printed.block(API, "async def run_component()"),
        asyncio=asyncio,
        instance_uuid=found["instance_uuid"],
        cleanup=cleanup,
        notify_shutdown=tekton_client.notify_shutdown,
    )
    running = asyncio.create_task(names["run_component"]())
    await asyncio.sleep(0)
    (command,) = await client.send_command(NAME, "stop")
    async with asyncio.timeout(10):
        await running
    assert cleaned.is_set() and (await status(client))["status"] == "stopped"
    assert (await client.get_command(NAME, command["command_id"]))["state"] == "accepted"


async def test_waiting_for_dependencies_as_the_api_reference_prints_it(client: TektonClient) -> None:
    names = await printed.run(printed.block(API, "async def start_component():"))
    late = asyncio.gather(become_ready(client, "engram"), become_ready(client, "rhetor", 0.2))
    assert await names["start_component"]() is True
    await late


@contextmanager
def _complete(tekton: ControlPlane, directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """Run the complete example, to the letter, as the file that it says it is."""
    pytest.importorskip("fastapi", reason="the complete example of the guide is a FastAPI component")
    pytest.importorskip("uvicorn", reason="the complete example of the guide is served by uvicorn")
    (directory / "app.py").write_text(printed.block(IG, "# Example data processing"))
    port, paths = free_port(), os.pathsep.join(path for path in sys.path if path)
    where = {"TEKTON_HOST": tekton.host, "TEKTON_PORT": str(tekton.port), "PYTHONPATH": paths}
    log = directory / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=directory,
            env=os.environ | where | {"MY_COMPONENT_PORT": str(port)},
            stdout=out,
            stderr=out,
        )
    try:
        yield process, port, log
    finally:
        process.kill()
        process.wait()


async def test_the_complete_example_runs_unmodified_and_ends_ready(
    client: TektonClient, tekton: ControlPlane, tmp_path: Path
) -> None:
    """It waits for what it needs, registers, beats, serves, is found; SIGTERM stops it in good order."""
    with _complete(tekton, tmp_path) as (process, port, log):
        await become_ready(client, "engram")
        await become_ready(client, "rhetor")

        async def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return await client.find_component(NAME) is not None

        await eventually(ready, within=30)
        assert (await status(client))["status"] == "ready"
        component = await client.get_component(NAME)
        assert (component["port"], component["dependencies"]) == (8500, ["engram", "rhetor"])
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            assert (await http.get("/api/ready")).json()["status"] == "ready"
            answer = await http.post("/api/custom/analyze", json={"data": [{"value": 1}, {"value": 3}]})
            assert answer.json() == {"average": 2.0, "maximum": 3, "minimum": 1}
            refused = await http.post("/api/custom/analyze", json={})
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "validation_error")
            assert refused.json()["error"]["component"] == NAME
        process.send_signal(signal.SIGTERM)

        async def stopped() -> bool:
            return bool((await status(client))["status"] == "stopped")

        await eventually(stopped, within=10)
        assert await asyncio.to_thread(process.wait, 10) in (0, -signal.SIGTERM), log.read_text()
        assert "My Component started successfully" in log.read_text()
        assert "error" not in log.read_text().lower(), log.read_text()
