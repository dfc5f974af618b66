"""The commands that ask a running Tekton, as people and scripts run them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tekton.core.ids import new_uuid
from tekton.v1 import error_report_service_pb2 as error_pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tests.services.test_heartbeat_service import beat, connected
from tests.support.client import Stubs, new_id, stubs
from tests.support.control_plane import ControlPlane
from tests.support.ports import free_port
from tests.support.processes import TEKTON, environment

DEADLINE = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tekton: ControlPlane) -> AsyncIterator[Stubs]:
    """Raw stubs on the direct port."""
    async with stubs(tekton.direct) as opened:
        yield opened


class Ran:
    """A command that ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


async def run(tekton: ControlPlane, home: Path, *arguments: str, stdin: str = "", **more: str) -> Ran:
    """Run a command beside the control plane, which lives in this process's event loop."""
    process = await asyncio.create_subprocess_exec(
        str(TEKTON),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(home, **({"TEKTON_PORT": str(tekton.port)} | more)),
        cwd=home,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), DEADLINE)
    return Ran(process.returncode or 0, out.decode(), err.decode())


class Streaming:
    """A command that goes on; on a terminal of the given size, or piped."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader) -> None:
        self._process, self._reader = process, reader
        self.text = ""

    @classmethod
    async def start(cls, tekton: ControlPlane, home: Path, *arguments: str) -> Streaming:
        process = await asyncio.create_subprocess_exec(
            str(TEKTON),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(home, TEKTON_PORT=str(tekton.port)),
        )
        assert process.stdout is not None
        return cls(process, process.stdout)

    async def until(self, *words: str) -> str:
        """Wait for a line that holds all the words."""
        async with asyncio.timeout(DEADLINE):
            while True:
                line = (await self._reader.readline()).decode()
                assert line, f"it ended without {words}:\n{self.text}"
                self.text += line
                if all(word in line for word in words):
                    return line

    async def interrupt(self) -> Ran:
        """Press Ctrl-C and wait for the end."""
        self._process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(self._process.communicate(), DEADLINE)
        return Ran(self._process.returncode or 0, out.decode(), err.decode())


async def on_a_terminal(
    tekton: ControlPlane, home: Path, *arguments: str, columns: int = 80, answer: str = "", **more: str
) -> Ran:
    """Run a command on a terminal of its own; both streams come back as `out`."""
    mine, its = os.openpty()
    process = await asyncio.create_subprocess_exec(
        str(TEKTON),
        *arguments,
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment(home, TEKTON_PORT=str(tekton.port), COLUMNS=str(columns), **({"TERM": "xterm"} | more)),
        start_new_session=True,
    )
    os.close(its)
    os.write(mine, answer.encode())
    code = await asyncio.wait_for(process.wait(), DEADLINE)
    chunks = []
    while True:
        try:
            chunk = os.read(mine, 65536)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(mine)
    return Ran(code, b"".join(chunks).decode(), "")


async def test_a_list_is_aligned_by_spaces_and_whole_when_piped(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """No colour, no box, nothing cut, whatever COLUMNS says."""
    name, long = new_id(), "a-capability-that-is-far-longer-than-any-terminal-line-of-eighty-characters-could-ever-hold"
    await client.register(name, capabilities=[long])
    done = await run(tekton, tmp_path, "components", "list", "-q", name, COLUMNS="40")
    head, row = done.out.splitlines()
    assert done.code == 0 and done.out.isascii() and "\x1b" not in done.out
    assert row.startswith(name) and row.endswith(long)
    assert row[head.index("STATE") :].split()[0] in ("registering", "failed")


async def test_filters_and_the_four_forms(tekton: ControlPlane, client: Stubs, tmp_path: Path) -> None:
    """All filters hold at once; data is the same in JSON and YAML; name is one id a line."""
    kind, one, other = new_id("kind"), new_id(), new_id()
    await client.register(one, component_type=kind, capabilities=["x"])
    await client.register(other, component_type=kind, capabilities=["y"])
    names = await run(tekton, tmp_path, "components", "list", "--type", kind, "-o", "name")
    assert sorted(names.out.split()) == sorted([one, other])
    only = ("components", "list", "--type", kind, "--capability", "x", "-o")
    as_json = json.loads((await run(tekton, tmp_path, *only, "json")).out)
    as_yaml = yaml.safe_load((await run(tekton, tmp_path, *only, "yaml")).out)
    assert [row["component_id"] for row in as_json["components"]] == [one]
    assert as_json["components"][0]["capabilities"] == as_yaml["components"][0]["capabilities"] == ["x"]


async def test_a_state_is_a_filter(tekton: ControlPlane, tmp_path: Path) -> None:
    """One that is not known is refused with those that are."""
    ready = await run(tekton, tmp_path, "components", "list", "--status", "ready", "--type", "core", "-o", "name")
    assert "tekton_core" in ready.out.split()
    none = await run(tekton, tmp_path, "components", "list", "--status", "failed", "--type", "core", "-o", "name")
    assert none.code == 0 and none.out == ""
    wrong = await run(tekton, tmp_path, "components", "list", "--status", "redy")
    assert wrong.code == 2 and "degraded" in wrong.err


async def test_every_page_is_listed(tekton: ControlPlane, tmp_path: Path) -> None:
    """More than one page holds, registered from a file on stdin."""
    kind = new_id("many")
    bodies = [
        {"component_id": f"{kind}-{number}", "component_type": kind, "host": kind, "port": 1000 + number}
        for number in range(1100)
    ]
    done = await run(tekton, tmp_path, "components", "register", "-f", "-", "-o", "name", stdin=json.dumps(bodies))
    assert done.code == 0 and len(done.out.split()) == len(bodies), done.err
    listed = await run(tekton, tmp_path, "comp", "li", "--type", kind, "-o", "name")
    assert len(listed.out.split()) == len(bodies)


async def test_get_takes_the_beginning_of_an_id_and_says_so(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """Only where one component begins so; otherwise they are named."""
    base = new_id("pre")
    await client.register(f"{base}-one")
    await client.register(f"{base}-two")
    unique = await run(tekton, tmp_path, "components", "get", f"{base}-o", "-o", "json")
    assert unique.code == 0 and json.loads(unique.out)["component_id"] == f"{base}-one"
    assert f"this is {base}-one, the only one that begins so" in unique.err
    several = await run(tekton, tmp_path, "components", "get", base)
    assert several.code == 3 and f"{base}-one, {base}-two begin so" in several.err
    assert (await run(tekton, tmp_path, "components", "get", new_id("nobody"))).code == 3


async def test_register_from_options_and_a_file(tekton: ControlPlane, tmp_path: Path) -> None:
    """Options go before the file; the same uuid again is no new instance; other facts under it are a conflict."""
    name, uuid = new_id(), new_uuid()
    (tmp_path / "one.yaml").write_text(
        f"component_id: {name}\ncomponent_type: memory\nport: 8500\nhost: {name}\nmetadata: {{team: blue}}\n"
    )
    call = ("components", "register", "-f", "one.yaml", "--instance", uuid, "--metadata", "size=3", "-o", "json")
    done = await run(tekton, tmp_path, *call)
    assert done.code == 0 and json.loads(done.out)["created"] is True, done.err
    assert json.loads((await run(tekton, tmp_path, *call)).out)["created"] is False
    found = json.loads((await run(tekton, tmp_path, "components", "get", name, "-o", "json")).out)
    assert found["metadata"] == {"team": "blue", "size": 3} and found["component_type"] == "memory"
    assert (await run(tekton, tmp_path, *call, "--port", "8501")).code == 5


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("component_id: x\nport: 1\nversoin: 1.0.0\n", 2, "unknown field versoin in -; did you mean version?"),
        ("port: 1\n", 2, "- names no component_id"),
        ("{", 2, "- cannot be read"),
        ("component_id: x\nport: eight\n", 2, "port"),
        ("component_id: Not-an-id\nport: 8500\n", 6, "component_id"),
        ("component_id: x\nport: 8500\nversion: one\n", 6, "version"),
        ("component_id: tekton_core\nport: 8500\n", 5, "tekton_core"),
    ],
)
async def test_what_cannot_be_registered(
    tekton: ControlPlane, tmp_path: Path, body: str, code: int, words: str
) -> None:
    """A file of a wrong shape never gets to the server; what the server refuses keeps its sentence."""
    done = await run(tekton, tmp_path, "components", "register", "-f", "-", stdin=body)
    assert done.code == code and words in done.err and done.out == "", done.err
    assert done.err.startswith("tekton: ") and done.err.count("\n") == 1


async def test_a_component_is_removed_only_by_somebody_who_is_sure(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """Without a terminal --yes is needed, with one it is asked; a beginning of the id never will do."""
    name = new_id()
    await client.register(name)
    unsure = await run(tekton, tmp_path, "components", "deregister", name)
    assert unsure.code == 2 and "give --yes" in unsure.err
    assert (await run(tekton, tmp_path, "components", "deregister", name[:-1], "--yes")).code == 3
    no = await on_a_terminal(tekton, tmp_path, "components", "deregister", name, answer="n\n")
    assert no.code == 1 and "with its 1 instance(s)?" in no.out and "nothing was removed" in no.out
    assert (await on_a_terminal(tekton, tmp_path, "components", "deregister", name, answer="y\n")).code == 0
    assert (await run(tekton, tmp_path, "components", "get", name)).code == 3


async def test_one_instance_is_ended_without_asking(tekton: ControlPlane, client: Stubs, tmp_path: Path) -> None:
    """The definition stays."""
    answer = await client.register()
    done = await run(
        tekton, tmp_path, "components", "deregister", answer.component_id, "--instance", answer.instance_uuid
    )
    assert done.code == 0, done.err
    found = json.loads((await run(tekton, tmp_path, "components", "get", answer.component_id, "-o", "json")).out)
    assert found["status"] == "stopped"


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


async def test_what_is_over_is_not_up(tekton: ControlPlane, client: Stubs, tmp_path: Path) -> None:
    """A component that was ready once says since when it is no more, and why; Tekton's own parts have no beats."""
    name = new_id()
    answer = await client.register(name)
    report = lifecycle_pb.UpdateComponentStateRequest(
        component_id=name, instance_uuid=answer.instance_uuid, state="ready"
    )
    await client.lifecycle.UpdateComponentState(report)
    assert "up for" in (await run(tekton, tmp_path, "components", "get", name)).out
    await run(tekton, tmp_path, "components", "deregister", name, "--instance", answer.instance_uuid)
    ended = (await run(tekton, tmp_path, "components", "get", name)).out
    assert "up for" not in ended and "(deregistered)" in ended
    own = (await run(tekton, tmp_path, "components", "get", "tekton_core")).out
    assert re.search(r"last beat +-\n", own)


async def test_the_last_errors_of_a_component_are_shown(tekton: ControlPlane, client: Stubs, tmp_path: Path) -> None:
    """Three of them, the newest first, a line each."""
    name = new_id()
    answer = await client.register(name)
    for number in range(4):
        request = error_pb.ReportErrorRequest(
            component_id=name, instance_uuid=answer.instance_uuid, error_type="E", message=f"no {number}\nmore"
        )
        await client.errors.ReportError(request)
    shown = (await run(tekton, tmp_path, "components", "get", name)).out
    assert re.findall(r"  error +\S+ ago: (.*)\n", shown) == ["E: no 3", "E: no 2", "E: no 1"]


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


async def test_status_is_one_screen(tekton: ControlPlane, client: Stubs, tmp_path: Path) -> None:
    """Version, parts, database, leases, counts, and who is not ready since when and why."""
    name = new_id()
    await client.register(name)
    done = await run(tekton, tmp_path, "status")
    assert done.code == 0, done.err
    for words in ("Tekton 0.", "ready", "health", "database", "leases", "components", "NOT READY"):
        assert words in done.out
    assert "self_preservation  passing" in done.out, "no name runs into what is told of it"
    found = json.loads((await run(tekton, tmp_path, "status", "-o", "json")).out)
    assert found["ready"] is True and found["parts"]["database"]["status"] == "passing"
    row = next(row for row in found["not_ready"] if row["component_id"] == name)
    assert row["status_since"] and row["status_reason"] in ("registered", "lease_expired")
    assert found["components"]["total"] == sum(found["components"]["states"].values())


async def test_an_operators_word_about_evictions_is_loud(tekton: ControlPlane, tmp_path: Path) -> None:
    """Shown by its own command and by `status`, which then ends with 1; a word that is none is refused."""
    told = await run(tekton, tmp_path, "preservation")
    assert told.code == 0 and "evictions   as leases time out" in told.out and "auto" in told.out
    said = await run(tekton, tmp_path, "preservation", "on")
    assert "STOPPED" in said.out and "until it is set to auto" in said.out
    status = await run(tekton, tmp_path, "status")
    assert status.code == 1 and "evictions   STOPPED" in status.out and "degraded" in status.out
    off = await run(tekton, tmp_path, "preservation", "off")
    assert "never stopped: an operator has switched it off" in off.out
    assert (await run(tekton, tmp_path, "preservation", "auto", "-o", "name")).out == "auto\n"
    assert (await run(tekton, tmp_path, "status")).code == 0
    assert (await run(tekton, tmp_path, "preservation", "perhaps")).code == 2


async def test_a_narrow_terminal_drops_columns_and_breaks_no_line(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """The id and the state stay."""
    name = new_id()
    await client.register(name, capabilities=["something-long-enough-to-be-too-much"])
    done = await on_a_terminal(tekton, tmp_path, "components", "list", "-q", name, columns=40, NO_COLOR="1")
    lines = done.out.replace("\r", "").splitlines()
    assert (
        len(lines) == 2
        and name in lines[1]
        and ("registering" in lines[1] or "failed" in lines[1])
        and "something" not in done.out
    )
    wide = await on_a_terminal(tekton, tmp_path, "components", "list", "-q", name, columns=200, TERM="dumb")
    assert "something-long" in wide.out and "\x1b" not in wide.out


async def test_what_somebody_registered_cannot_act_on_the_terminal(
    tekton: ControlPlane, client: Stubs, tmp_path: Path
) -> None:
    """Markup is text, and what would move, hide or turn text is shown as its escape, in every form."""
    name, evil = new_id(), "\x1b[31m\x9b2J\x07\u202e\u200b\nend"
    await client.register(name, component_name="[red]x[/] :boom:", metadata={"k": evil})
    for form in ("table", "json", "yaml"):
        done = await run(tekton, tmp_path, "components", "get", name, "-o", form)
        assert done.code == 0, done.err
        assert not set("\x1b\x9b\x07\u202e\u200b") & set(done.out), form
        assert "[red]x[/] :boom:" in done.out
        if form != "table":
            assert (json.loads if form == "json" else yaml.safe_load)(done.out)["metadata"]["k"] == evil
    shown = await on_a_terminal(tekton, tmp_path, "components", "get", name, NO_COLOR="1")
    assert "\\x1b[31m" in shown.out and "\x07" not in shown.out


@pytest.mark.parametrize("arguments", [["status"], ["components", "list"], ["events"], ["comp", "get", "x", "-w"]])
def test_where_nothing_listens_it_says_so_at_once(tmp_path: Path, arguments: list[str]) -> None:
    """One sentence with the address that was tried and what to do."""
    port, began = free_port(), time.monotonic()
    done = subprocess.run(
        [str(TEKTON), *arguments, "--address", f"127.0.0.1:{port}"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 4 and done.stdout == ""
    assert done.stderr == (
        f"tekton: nothing listens on 127.0.0.1:{port}: start it with `tekton up`, "
        "or say where it is with --address (or TEKTON_HOST and TEKTON_PORT)\n"
    )
    assert time.monotonic() - began < 5


async def test_the_address_is_taken_in_the_forms_people_write(tekton: ControlPlane, tmp_path: Path) -> None:
    """Host and port, a URL, or the port alone; nonsense is a wrong call."""
    for address in (f"localhost:{tekton.port}", f"http://127.0.0.1:{tekton.port}/", f":{tekton.port}"):
        done = await run(tekton, tmp_path, "comp", "li", "-o", "name", "-a", address, TEKTON_PORT="1")
        assert done.code == 0 and "tekton_core" in done.out, done.err
    assert (await run(tekton, tmp_path, "status", "-a", "https://x/y")).code == 2


async def test_the_tab_key_knows_component_ids(tekton: ControlPlane, client: Stubs, tmp_path: Path) -> None:
    """Asked from the server; where that cannot be asked, nothing at all is said."""
    name = new_id("tab")
    await client.register(name)
    words = {"_TEKTON_COMPLETE": "complete_bash", "COMP_WORDS": "tekton comp get tab", "COMP_CWORD": "3"}
    done = await run(tekton, tmp_path, **words)
    assert name in done.out.split() and done.err == ""
    silent = await run(tekton, tmp_path, **words, TEKTON_PORT=str(free_port()))
    assert silent.out.strip() == "" and silent.err == ""


@pytest.mark.parametrize("form", ["json", "table"])
async def test_a_reader_that_leaves_is_no_failure(tekton: ControlPlane, tmp_path: Path, form: str) -> None:
    """As `head` does."""
    process = await asyncio.create_subprocess_shell(
        f"bash -c '{TEKTON} components list -o {form} | true; exit ${{PIPESTATUS[0]}}'",
        env=environment(tmp_path, TEKTON_PORT=str(tekton.port)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 0 and err == b""


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
