"""A process that forks: gRPC does not survive it, so the child is told at once, and whoever spawns has no trouble."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from tekton.client import TektonClient
from tests.sdk.fleet import component
from tests.sdk.server import TIMEOUT, ServerProcess

# A process that talks to Tekton, and then has children which try to do so in every way; each must end by itself.
PROGRAM = """
import asyncio, multiprocessing, os, sys
from tekton.client import ComponentRegistration, TektonClient
from tekton.utils.tekton_client import send_heartbeat

async def told(call):
    try:
        await call
    except RuntimeError as error:
        assert "spawn" in str(error), error
        return
    raise SystemExit("it was not refused")

def child(client, task, registration):
    async def tried():
        await told(client.get_component(registration.component_id))
        await told(client.find_component(registration.component_id))
        await told(anext(client.watch()))
        await told(task.stop())
        async with TektonClient() as another:
            await told(another.register_component(registration))
        await told(send_heartbeat(registration.component_id, registration.instance_uuid, "ready", {}))
    asyncio.run(tried())

def spawned(component_id):
    async def found():
        async with TektonClient() as client:
            return await client.find_component(component_id)
    assert asyncio.run(found()) is not None

async def main():
    registration = ComponentRegistration(
        component_id=sys.argv[1], component_name="A", component_type="service", version="1.0.0", port=int(sys.argv[2])
    )
    client = TektonClient()
    await client.register_component(registration)
    task = client.start_heartbeat(registration.component_id, state="ready")
    while await client.find_component(registration.component_id) is None:
        await asyncio.sleep(0.01)
    for method, work, given in (
        ("fork", child, (client, task, registration)), ("spawn", spawned, (registration.component_id,))
    ):
        process = multiprocessing.get_context(method).Process(target=work, args=given)
        process.start()
        await asyncio.to_thread(process.join, 15)
        print(method, process.exitcode, flush=True)
        process.kill()
    await asyncio.to_thread(sys.stdin.readline)
    print("stopped", await task.stop(), flush=True)
    await client.close()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.timeout(60)
async def test_a_forked_child_is_told_to_be_spawned_and_its_parent_beats_on(
    client: TektonClient, server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever it calls fails at once instead of waiting for ever; one that was spawned works."""
    registration = component()
    program = tmp_path_factory.mktemp("fork") / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), registration.component_id, str(registration.port)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=server.environment, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            read = [await asyncio.to_thread(process.stdout.readline) for _ in range(2)]
            assert read == ["fork 0\n", "spawn 0\n"]
            await asyncio.sleep(1.5 * TIMEOUT)
            assert (await client.get_component_status(registration.component_id))["status"] == "ready"
            process.stdin.write("\n")
            process.stdin.flush()
            assert await asyncio.to_thread(process.stdout.readline) == "stopped True\n"
        finally:
            process.kill()


@pytest.mark.timeout(60)
def test_a_child_that_was_forked_before_anybody_talked_to_tekton_may_talk(server: ServerProcess) -> None:
    """Then there is nothing that it could miss."""
    program = (
        "import asyncio, os, sys\n"
        "from tekton.client import TektonClient\n"
        "async def asked():\n"
        "    async with TektonClient() as client:\n"
        "        return await client.find_component('tekton_core')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if asyncio.run(asked()) else 3)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=server.environment, timeout=30, check=False)
    assert done.returncode == 0
