"""The control plane that a process runs itself, in a directory: started when it is needed, shared, gone in the end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tekton._embedded import EmbeddedTekton
from tekton.client import TektonClient, set_default_client
from tekton.core.component_lifecycle import ComponentRegistry
from tekton.core.errors import StartupError
from tekton.core.heartbeat_monitor import ComponentHeartbeat, HeartbeatMonitor
from tekton.utils.component_client import find_component
from tekton_server.storage.data_directory import DataDirectoryLock
from tests.sdk.fleet import component, eventually

_SOON = 10.0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that the tests use one after the other; making a database takes its time."""
    return tmp_path_factory.mktemp("embedded") / "data"


def postgres_of(data: Path) -> list[int]:
    """List the database servers that run in a directory."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and str(data / "postgres") in (process.info["cmdline"] or []):
            found.append(process.pid)
    return found


def python(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of somebody's in a process of its own."""
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        env=os.environ | {"PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_it_starts_with_the_first_call_is_shared_and_stops_with_the_last(data: Path) -> None:
    """However the directory is written; what was recorded is there the next time."""
    first, second = ComponentRegistry(data), ComponentRegistry(str(data.parent / "." / "data"))
    assert not data.exists()
    registration = component("kept")
    assert await first.register_component(registration)
    assert await second.get_component(registration.component_id) is not None
    assert await first.client() is await second.client()
    assert len(postgres_of(data)) == 1
    await first.close()
    assert await second.mark_component_ready(registration.component_id, registration.instance_uuid)
    await second.close()
    assert postgres_of(data) == []
    async with ComponentRegistry(data) as again:
        found = await again.get_component(registration.component_id)
        assert found is not None and found["status"] == "ready"
    await again.close()


async def test_the_documented_functions_and_other_processes_can_use_it_too(data: Path) -> None:
    """By its client, and by its address; nobody else on the machine can."""
    async with ComponentRegistry(data) as registry:
        client = await registry.client()
        set_default_client(client)
        registration = component("seen")
        await registry.register_component(registration)
        await registry.mark_component_ready(registration.component_id, registration.instance_uuid)
        found = await find_component(registration.component_id)
        assert found is not None and found.port == registration.port
        hermes = await find_component("hermes")
        assert hermes is not None and hermes.host == "localhost"
        set_default_client(None)
        script = (
            "import asyncio, sys\n"
            "from tekton.utils.component_client import find_component\n"
            "print(asyncio.run(find_component(sys.argv[1])).port)\n"
        )
        done = await asyncio.to_thread(python, script, registration.component_id, TEKTON_HOST=str(client.target))
        assert (done.stdout, done.stderr) == (f"{registration.port}\n", "")
        command = "from tekton_server.cli import main; main()"
        done = await asyncio.to_thread(python, command, "status", "-o", "json", "-a", str(client.target))
        assert (done.returncode, json.loads(done.stdout)["health"]) == (0, "healthy"), done.stderr
        socket = Path(str(client.target).removeprefix("unix:"))
        assert socket.parent.stat().st_mode & 0o077 == 0


async def test_a_directory_that_is_in_use_is_refused_in_one_sentence(data: Path, tmp_path: Path) -> None:
    """As is one that is none. Both can be tried again."""
    lock = DataDirectoryLock(data)
    lock.acquire()
    registry = ComponentRegistry(data)
    with pytest.raises(StartupError) as refused:
        await registry.client()
    assert str(refused.value) == (
        f"the data directory {data} is in use by another process (pid {os.getpid()}): connect to that Tekton "
        "instead of naming its data_dir, or choose another directory"
    )
    outcome = await registry.register_component(component())
    assert not outcome and isinstance(outcome.error, StartupError)
    lock.release()
    assert await registry.register_component(component())
    await registry.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match=r"cannot be used: File exists .*; choose another with data_dir"):
        await ComponentRegistry(tmp_path / "file" / "data").client()


async def test_many_who_ask_at_once_start_one(data: Path) -> None:
    """Whoever gives up waiting takes it from nobody."""
    registries = [ComponentRegistry(data) for _ in range(5)]
    asking = [asyncio.create_task(registry.client()) for registry in registries]
    await asyncio.sleep(0)
    asking[0].cancel()
    clients = await asyncio.gather(*asking[1:])
    assert len(set(map(id, clients))) == 1
    await asyncio.gather(*(registry.close() for registry in registries))
    assert postgres_of(data) == []


def test_two_event_loops_share_it_and_each_has_a_client(data: Path) -> None:
    """It stops when the second of them has ended, without a word of theirs."""
    entered, leave = threading.Barrier(3), threading.Event()
    seen: list[TektonClient] = []

    async def uses() -> None:
        client = await ComponentRegistry(data).client()
        seen.append(client)
        await client.get_component_status("hermes")
        await asyncio.to_thread(entered.wait, _SOON)
        await asyncio.to_thread(leave.wait, _SOON)

    threads = [threading.Thread(target=lambda: asyncio.run(uses())) for _ in range(2)]
    for thread in threads:
        thread.start()
    entered.wait(_SOON)
    assert len(postgres_of(data)) == 1 and seen[0] is not seen[1]
    leave.set()
    for thread in threads:
        thread.join(_SOON)
    assert postgres_of(data) == []


async def test_one_that_ended_by_itself_is_started_again(data: Path) -> None:
    """By the next call of whoever uses it."""
    async with ComponentRegistry(data) as registry:
        before = await registry.client()
        run = EmbeddedTekton.of(data)._run
        assert run is not None
        run.stop()
        await asyncio.wrap_future(run.ended)
        assert await registry.client() is not before
        assert await registry.get_component("hermes") is not None


async def test_it_takes_the_timeout_of_a_monitor(data: Path) -> None:
    """For those that are registered already as for those that come; nobody beats for them on a stream."""
    async with ComponentRegistry(data) as registry:
        registration = component("mortal")
        await registry.register_component(registration)
        monitor = HeartbeatMonitor(registry)
        await monitor.start_monitoring(heartbeat_timeout=0.5)
        name, instance = registration.component_id, registration.instance_uuid

        async def failed() -> bool:
            health = await registry.get_component_health(name)
            return health is not None and health.state == "failed"

        await eventually(failed)
        assert await monitor.process_heartbeat(ComponentHeartbeat(name, instance, state="ready"))
        assert not await failed()
        await eventually(failed)
        await monitor.stop_monitoring()


_ENDS = """
import asyncio, sys
from tekton.core.component_lifecycle import ComponentRegistry
from tekton.client import ComponentRegistration
async def main():
    client = await ComponentRegistry(data_dir=sys.argv[1]).client()
    registration = ComponentRegistration("ends", "Ends", "service", "1.0.0", port=8500)
    await client.register_component(registration)
    client.start_heartbeat("ends", state="ready")
    await client.update_component_state("ends", registration.instance_uuid, "ready")
    if sys.argv[2] == "exit":
        sys.exit(7)
if sys.argv[2] == "unclosed":
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    loop.run_until_complete(main())
else:
    asyncio.run(main())
"""


@pytest.mark.parametrize(("how", "code"), [("loop", 0), ("exit", 7), ("unclosed", 0)])
async def test_the_end_of_the_program_stops_it_in_good_order(data: Path, how: str, code: int) -> None:
    """Without a word on the way, and its instances have said goodbye, whether its loop was closed or not."""
    done = await asyncio.to_thread(python, _ENDS, str(data), how)
    assert (done.returncode, done.stderr) == (code, "")
    assert postgres_of(data) == []
    assert "database system is shut down" in (data / "logs" / "postgres.log").read_text().splitlines()[-1]
    async with ComponentRegistry(data) as registry:
        found = await registry.get_component("ends")
        assert found is not None and found["status"] == "stopped"
        await (await registry.client()).remove_component("ends")


_WITHOUT = """
import asyncio, sys
for name in ("sqlalchemy", "asyncpg", "alembic", "typer", "rich"):
    sys.modules[name] = None
import tekton.core.component_lifecycle.registry, tekton.core.component_lifecycle.capability
import tekton.core.component_lifecycle.healthcheck, tekton.core.component_lifecycle.readiness
import tekton.core.startup_coordinator, tekton.core.heartbeat_monitor, tekton.core.dependency
assert not [name for name in sys.modules if name.startswith("tekton_")]
from tekton.core.component_lifecycle import ComponentRegistry
from tekton.core.errors import StartupError
async def main():
    try:
        await ComponentRegistry(data_dir=sys.argv[1]).client()
    except StartupError as error:
        print(error)
asyncio.run(main())
"""


async def test_without_the_server_the_faces_import_and_say_what_to_install(tmp_path: Path) -> None:
    """Only a data directory takes it."""
    done = await asyncio.to_thread(python, _WITHOUT, str(tmp_path / "data"))
    assert done.stderr == ""
    assert done.stdout.startswith("a Tekton in this process needs the server, and ")
    assert "install tekton[server], or connect to a Tekton that runs, without data_dir" in done.stdout
    assert not (tmp_path / "data").exists()
