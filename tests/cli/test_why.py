"""`tekton why` as people and scripts run it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
import yaml

from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tests.cli.running import on_a_terminal, run
from tests.support.client import Stubs, new_id, stubs
from tests.support.control_plane import ControlPlane


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tekton: ControlPlane) -> AsyncIterator[list[str]]:
    """A gateway that starts and needs a memory that failed and needs a proxy that nobody registered."""
    gateway, memory, proxy = (new_id(name) for name in ("gateway", "memory", "proxy"))
    async with stubs(tekton.direct) as api, asyncio.TaskGroup() as tasks:
        granted = await api.register(memory, dependencies=[proxy])
        failed = lifecycle_pb.UpdateComponentStateRequest(
            component_id=memory, instance_uuid=granted.instance_uuid, state="failed", reason="out of memory"
        )
        failed.metadata.update({"disk_percent": 98, "note": "a\x1b[31mb"})
        await api.lifecycle.UpdateComponentState(failed)
        started = await api.register(gateway, dependencies=[memory, "hermes"])
        alive = {memory: granted.instance_uuid, gateway: started.instance_uuid}
        beating = tasks.create_task(beats(api, alive))
        yield [gateway, memory, proxy]
        beating.cancel()


async def beats(api: Stubs, alive: dict[str, str]) -> None:
    """Keep instances alive: the commands take as long as they take."""
    while True:
        for component_id, instance_uuid in alive.items():
            beat = heartbeat_pb.SendHeartbeatRequest(component_id=component_id, instance_uuid=instance_uuid)
            await api.heartbeat.SendHeartbeat(beat)
        await asyncio.sleep(0.3)


async def test_the_chain_is_a_tree_with_evidence_and_the_cause_marked(
    tekton: ControlPlane, fleet: list[str], tmp_path: Path
) -> None:
    """Plain where it is piped; what came from elsewhere cannot act on the terminal."""
    gateway, memory, proxy = fleet
    done = await run(tekton, tmp_path, "why", gateway)
    lines = done.out.splitlines()
    assert done.code == 1 and done.err == "" and "\x1b" not in done.out
    assert lines[0].startswith(f"{gateway} is ")
    assert any(line.startswith(f"└─ {memory} is failed: out of memory, since ") for line in lines)
    assert any(line.strip("│ ").startswith("disk_percent: 98, note: a\\x1b[31mb") for line in lines)
    assert lines[-1] == f"   └─ {proxy} is not registered  ← the cause"


async def test_on_a_terminal_it_is_in_colour(tekton: ControlPlane, fleet: list[str], tmp_path: Path) -> None:
    done = await on_a_terminal(tekton, tmp_path, "why", fleet[0], columns=60)
    assert done.code == 1 and "\x1b[" in done.out and "← the cause" in done.out


async def test_every_form_and_the_history(tekton: ControlPlane, fleet: list[str], tmp_path: Path) -> None:
    """JSON is the reply of REST, with the history where that was asked for; name is the causes."""
    gateway, memory, proxy = fleet
    assert (await run(tekton, tmp_path, "why", gateway, "-o", "name")).out.split() == [proxy]
    found = json.loads((await run(tekton, tmp_path, "why", gateway, "-o", "json")).out)
    assert (found["well"], found["root_causes"], "history" in found) == (False, [proxy], False)
    done = await run(tekton, tmp_path, "why", memory, "--history", "2", "-o", "yaml")
    newest = yaml.safe_load(done.out)["history"][0]
    assert (newest["new_state"], newest["reason"]) == ("failed", "out of memory")
    table = await run(tekton, tmp_path, "why", memory, "--history", "1")
    assert table.out.splitlines()[-1].split()[1:3] == ["failed", "registering"]


async def test_a_component_that_is_well_ends_with_0_and_one_that_is_not_there_with_3(
    tekton: ControlPlane, tmp_path: Path
) -> None:
    done = await run(tekton, tmp_path, "why", "hermes")
    assert (done.code, done.err) == (0, "") and "hermes is a part of Tekton itself and ready" in done.out
    gone = await run(tekton, tmp_path, "why", "nobody-at-all", "--history", "5")
    assert gone.code == 3 and "nobody-at-all" in gone.err and gone.out == ""
    assert (await run(tekton, tmp_path, "why")).code == 2
