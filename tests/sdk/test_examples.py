"""The examples run as they are, against a real Tekton."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tekton.client import TektonClient
from tests.sdk.fleet import component, eventually
from tests.sdk.server import TIMEOUT, ServerProcess
from tests.support.ports import free_port

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@contextmanager
def _echo(server: ServerProcess, name: str) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [str(EXAMPLES / "echo_component.py"), "--id", name, "--capability", name]
    process = subprocess.Popen([sys.executable, *arguments], env=server.environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _shows(client: TektonClient, name: str, state: str) -> bool:
    rows = [row async for row in client.list_components(capability=name)]
    return bool(rows) and rows[0]["status"] == state


async def test_the_example_component_lives_and_leaves_in_good_order(
    client: TektonClient, server: ServerProcess
) -> None:
    """It is found by capability, answers, and is stopped by SIGTERM."""
    name = component("echo").component_id
    with _echo(server, name) as process:
        await eventually(lambda: _shows(client, name, "ready"), within=10)
        (found,) = await client.find_components_by_capability(name)
        assert await found.check_health() == {"status": "healthy"}
        process.send_signal(signal.SIGTERM)
        await eventually(lambda: _shows(client, name, "stopped"))
        assert process.wait(5) == 0


async def test_a_component_that_was_stopped_and_continued_comes_back(
    client: TektonClient, server: ServerProcess
) -> None:
    """SIGSTOP for longer than the timeout fails it; once it goes on it is ready again by itself."""
    name = component("echo").component_id
    with _echo(server, name) as process:
        await eventually(lambda: _shows(client, name, "ready"), within=10)
        process.send_signal(signal.SIGSTOP)
        await eventually(lambda: _shows(client, name, "failed"), within=4 * TIMEOUT)
        assert await client.find_component(name) is None
        process.send_signal(signal.SIGCONT)
        await eventually(lambda: _shows(client, name, "ready"), within=10)
        process.send_signal(signal.SIGTERM)
        await eventually(lambda: _shows(client, name, "stopped"))


def test_the_demo_shows_a_killed_component_failing(server: ServerProcess) -> None:
    """It ends well, and a watcher saw the failure."""
    demo = [sys.executable, str(EXAMPLES / "demo.py")]
    played = subprocess.run(demo, env=server.environment, capture_output=True, text=True, timeout=40)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "lease_expired" in played.stdout
    assert "in the end" in played.stdout


def test_the_demo_says_in_one_sentence_that_tekton_is_not_running(server: ServerProcess) -> None:
    """And starts nothing."""
    demo, nowhere = [sys.executable, str(EXAMPLES / "demo.py")], {"TEKTON_PORT": str(free_port())}
    played = subprocess.run(demo, env=server.environment | nowhere, capture_output=True, text=True, timeout=40)
    assert played.returncode == 1
    assert "Start it with `tekton up`" in played.stdout
    assert len(played.stdout.splitlines()) == 1
