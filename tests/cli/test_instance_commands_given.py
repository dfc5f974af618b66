"""Commands that are given to instances from the command line, and what becomes of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tests.cli.running import DEADLINE, run
from tests.services.test_heartbeat_service import beat, connected
from tests.support.client import Stubs, new_id
from tests.support.control_plane import ControlPlane


async def beats_answering(api: Stubs, component_id: str, instance_uuid: str, accepted: bool) -> None:
    """Beat until a command comes, and answer it."""
    asked = heartbeat_pb.SendHeartbeatRequest(component_id=component_id, instance_uuid=instance_uuid)
    async with asyncio.timeout(DEADLINE):
        while not (commands := (await api.heartbeat.SendHeartbeat(asked)).commands):
            await asyncio.sleep(0.05)
    assert commands[0].arguments["files"] == ["a", 1]
    answer = heartbeat_pb.AcknowledgeCommandRequest(
        component_id=component_id,
        command_id=commands[0].command_id,
        instance_uuid=instance_uuid,
        accepted=accepted,
        message="busy",
    )
    await api.heartbeat.AcknowledgeCommand(answer)


async def beats(stream: Any, handle: int) -> None:
    """Keep a lease and answer nothing."""
    while True:
        await stream.write(beat(handle))
        await asyncio.sleep(0.2)


@pytest.mark.parametrize(("accepted", "state", "code"), [(True, "accepted", 0), (False, "refused", 1)])
async def test_a_command_is_given_and_its_answer_waited_for(
    tekton: ControlPlane, client: Stubs, tmp_path: Path, accepted: bool, state: str, code: int
) -> None:
    """The exit code says what became of it."""
    name = new_id()
    answer = await client.register(name)
    given = ("components", "command", name, "reload", "--argument", 'files=["a", 1]', "--wait")
    done, _ = await asyncio.gather(
        run(tekton, tmp_path, *given), beats_answering(client, name, answer.instance_uuid, accepted)
    )
    assert (done.code, done.err) == (code, "")
    head, row = done.out.splitlines()
    assert head.split() == ["INSTANCE", "KIND", "STATE", "MESSAGE", "COMMAND"]
    assert row.split()[:4] == [answer.instance_uuid, "reload", state, "busy"]


async def test_a_command_that_nobody_answers_is_told_as_such(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """Without --wait it is pending and that is well; with it, the deadline ends the wait."""
    name = new_id()
    answer = await client.register(name)
    async with connected(client, answer) as (stream, welcome), asyncio.TaskGroup() as group:
        beating = group.create_task(beats(stream, welcome.grants[0].handle))
        posted = await run(tekton, tmp_path, "components", "command", name, "stop", "-o", "json")
        waited = await run(
            tekton, tmp_path, "components", "command", name, "probe", "--wait", "--deadline", "1", "-o", "json",
            "--instance", answer.instance_uuid,
        )  # fmt: skip
        beating.cancel()
    assert posted.code == 0
    assert [one["state"] for one in json.loads(posted.out)["commands"]] == ["pending"]
    assert waited.code == 8
    [ended] = json.loads(waited.out)["commands"]
    assert (ended["kind"], ended["state"]) == ("probe", "expired")


async def test_a_command_that_cannot_be_given_is_refused_in_one_sentence(tekton: ControlPlane, tmp_path: Path) -> None:
    """Nobody is there, or it is of no known kind."""
    nobody = await run(tekton, tmp_path, "components", "command", "nobody-here", "stop")
    assert (nobody.code, nobody.err) == (3, "tekton: there is no component nobody-here\n")
    unknown = await run(tekton, tmp_path, "components", "command", "nobody-here", "explode")
    assert unknown.code == 2 and "explode" in unknown.err and unknown.err.count("\n") == 1
