"""The commands that go on: what happens in a line each, or a picture that is drawn anew."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.running import DEADLINE, Streaming, run
from tests.support.client import Stubs, new_id
from tests.support.control_plane import ControlPlane
from tests.support.processes import TEKTON, environment


async def test_events_are_a_line_each_and_can_be_gone_on_with(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """Ctrl-C is no failure and tells the token; what happened meanwhile is told by the next run."""
    name, kind = new_id(), new_id("kind")
    stream = await Streaming.start(tekton, tmp_path, "components", "watch", "--type", kind)
    # The first is there when the watch begins, or comes then; the second comes for sure.
    for marker in (new_id(), new_id()):
        await client.register(marker, component_type=kind)
        await stream.until("component", marker)
    ended = await stream.interrupt()
    assert ended.code == 0 and "tekton events --since " in ended.err, ended.err
    token = ended.err.split("--since ")[1].split()[0]
    answer = await client.register(name, component_type=kind)
    more = await Streaming.start(tekton, tmp_path, "events", "--since", token, "--type", kind, "-o", "json")
    seen = json.loads(await more.until('"kind": "instance"', name))
    assert seen["action"] == "registered" and seen["instance_uuid"] == answer.instance_uuid
    change = json.loads(await more.until('"kind": "state"', name, '"new_state": "failed"'))
    assert change["previous_state"] == "registering" and change["reason"] == "lease_expired"
    # What comes in one message has one token, at its end: on a slow machine both have become one.
    assert change["resume_token"]
    assert (await more.interrupt()).code == 0


async def test_a_token_whose_history_is_gone_is_told_and_what_is_there_is_no_news(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """A script must not believe that it missed nothing."""
    kind, before, after = new_id("kind"), new_id(), new_id()
    await client.register(before, component_type=kind)
    stream = await Streaming.start(tekton, tmp_path, "events", "--since", "deadbeef.1", "--type", kind)
    while after not in stream.text:
        await client.register(after, component_type=kind)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await stream.until(after)
    ended = await stream.interrupt()
    assert ended.code == 0 and "can no longer be told" in ended.err and before not in ended.out


async def test_a_token_that_is_none_is_refused(tekton: ControlPlane, tmp_path: Path) -> None:
    """As a wrong value, and so is a kind that is not known."""
    assert (await run(tekton, tmp_path, "events", "--since", "yesterday")).code == 2
    wrong = await run(tekton, tmp_path, "events", "--kind", "nothing")
    assert wrong.code == 2 and "component, instance, state" in wrong.err


async def test_a_watched_list_appends_what_changes_when_piped(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """A row for each change, and `gone` for what leaves; no second head."""
    kind, name = new_id("kind"), new_id()
    answer = await client.register(name, component_type=kind)
    stream = await Streaming.start(tekton, tmp_path, "components", "list", "--type", kind, "-w")
    await stream.until("STATE")
    await stream.until(name)
    await run(tekton, tmp_path, "components", "deregister", name, "--instance", answer.instance_uuid)
    await stream.until(name, "stopped")
    await run(tekton, tmp_path, "components", "deregister", name, "--yes")
    await stream.until(name, "gone")
    assert stream.text.count("STATE") == 1
    assert (await stream.interrupt()).code == 0


async def test_one_watched_component_is_told_in_lines_when_piped(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """The whole of it first, and then what happens."""
    name = new_id()
    answer = await client.register(name)
    stream = await Streaming.start(tekton, tmp_path, "components", "get", name, "-w")
    await stream.until("registered", "revision")
    await run(tekton, tmp_path, "components", "deregister", name, "--instance", answer.instance_uuid)
    await stream.until("state", name, "-> stopped", "deregistered")
    assert (await stream.interrupt()).code == 0


@pytest.mark.parametrize("command", [("components", "list"), ("status",)])
async def test_on_a_terminal_the_picture_is_drawn_anew(
    tekton: ControlPlane, client: Stubs, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """What is registered meanwhile appears in it; Ctrl-C leaves it and is no failure."""
    name = new_id("shown")
    mine, its = os.openpty()
    process = await asyncio.create_subprocess_exec(
        str(TEKTON),
        *command,
        "-w",
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment(tmp_path, TEKTON_PORT=str(tekton.port), TERM="xterm", COLUMNS="120", LINES="2000"),
        start_new_session=True,
    )
    os.close(its)
    os.set_blocking(mine, False)
    arrived, seen, readable = "", asyncio.Event(), asyncio.get_running_loop()

    def read() -> None:
        nonlocal arrived
        arrived += os.read(mine, 65536).decode(errors="replace")
        if ("tekton_core" in arrived or "components" in arrived) and not begun.is_set():
            begun.set()
        if name in arrived:
            seen.set()

    begun = asyncio.Event()
    readable.add_reader(mine, read)
    try:
        async with asyncio.timeout(DEADLINE):
            await begun.wait()
            await client.register(name)
            await seen.wait()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
    finally:
        readable.remove_reader(mine)
        os.close(mine)
