"""How the commands that ask a running Tekton find it, how it is, and what becomes of their output."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.cli.running import DEADLINE, on_a_terminal, run
from tests.support.client import Stubs, new_id
from tests.support.control_plane import ControlPlane
from tests.support.ports import free_port
from tests.support.processes import TEKTON, environment


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


async def test_an_output_that_cannot_be_written_is_told_in_one_sentence(tekton: ControlPlane, tmp_path: Path) -> None:
    """As where the disk is full."""
    process = await asyncio.create_subprocess_shell(
        f"{TEKTON} components list -o json > /dev/full",
        env=environment(tmp_path, TEKTON_PORT=str(tekton.port)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1 and err.decode().endswith(
        "the output could not be written: No space left on device\n"
    )
    assert len(err.splitlines()) == 1
