"""`tekton logs` and the commands about the files of the fleet, as an operator runs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from tests.host.fleet import Fleet, until
from tests.support.processes import TEKTON, environment, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="components are launched on Linux only")


@pytest_asyncio.fixture(loop_scope="module")
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """A launcher on a data directory."""
    made = Fleet(tmp_path / "data")
    made.data.mkdir()
    yield made
    made.launcher.close()
    assert made.left() == []


def logs(fleet: Fleet, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `tekton logs` on its data directory."""
    home = fleet.data.parent
    return run("logs", *arguments, env=environment(home, TEKTON_DATA_DIR=str(fleet.data), **more), cwd=home)


async def test_the_last_lines_of_the_newest_launch_are_shown(fleet: Fleet) -> None:
    """Or of an earlier one; by either spelling of the id; with times and streams where wanted."""
    old = await fleet.launch("echo", "of old", identity=fleet.identity("my_notes"))
    await fleet.launcher.wait(old)
    new = await fleet.launch("sh", "-c", "seq 9; printf '\\033[1mbold\\n' >&2", identity=fleet.identity("my_notes"))
    await fleet.launcher.wait(new)
    assert logs(fleet, "my-notes", "-n", "2").stdout in ("9\n\\x1b[1mbold\n", "8\n9\n")
    assert logs(fleet, "my_notes", "--instance", old.identity.instance_uuid[:8]).stdout == "of old\n"
    stamped = logs(fleet, "my_notes", "--instance", old.identity.instance_uuid, "-t").stdout
    assert stamped.endswith("Z stdout of old\n")
    found = [json.loads(line) for line in logs(fleet, "my_notes", "-o", "json").stdout.splitlines()]
    assert {(one["stream"], one["text"]) for one in found} >= {("stdout", "1"), ("stderr", "\x1b[1mbold")}


async def test_what_is_not_here_is_said_to_be_elsewhere(fleet: Fleet) -> None:
    """Exit code 3, and where logs are read; another machine's address is refused with the same."""
    done = logs(fleet, "notes")
    assert done.returncode == 3 and done.stdout == ""
    assert f"no launch of notes in {fleet.data}; logs are read on the machine that launched it" in done.stderr
    done = logs(fleet, "notes", "--address", "tekton.example.com:8010")
    assert done.returncode == 2
    assert "run tekton logs on tekton.example.com itself" in done.stderr


async def test_following_goes_on_through_rotations_and_from_launch_to_launch(fleet: Fleet) -> None:
    """Until Ctrl-C, which is its ordinary end."""
    object.__setattr__(fleet.around, "log_bytes", 3000)
    first = await fleet.launch("sh", "-c", "echo begun; sleep 0.3; seq 100; sleep 60")
    home = fleet.data.parent
    command = [str(TEKTON), "logs", "notes", "-f", "-n", "1000", "--data-dir", str(fleet.data)]
    seen = home / "seen"
    with (
        seen.open("wb") as target,
        subprocess.Popen(
            # Whoever runs the tests in the background ignores Ctrl-C, and children inherit that.
            command,
            env=environment(home),
            cwd=home,
            stdout=target,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        ) as following,
    ):
        try:
            await until(seen.read_text, lambda text: text.endswith("\n100\n"))
            await fleet.launcher.stop(first)
            second = await fleet.launch("echo", "again")
            await fleet.launcher.wait(second)
            await until(seen.read_text, lambda text: text.endswith("again\n"))
            following.send_signal(signal.SIGINT)
            _, told = following.communicate(timeout=10)
        finally:
            following.kill()
    assert following.returncode == 0
    assert seen.read_text().split() == ["begun", *map(str, range(1, 101)), "again"]
    assert told == f"tekton: notes was launched again: instance {second.identity.instance_uuid}\n"


def test_config_check_reads_what_stands_beside_the_settings(tmp_path: Path) -> None:
    """Each file is named: fine, or with line, column and key; exit code 2 where one is wrong."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "tekton.json").write_text('{"tekton": {}}')
    (folder / "ports.json").write_text('{"ports": {"engram": 8000}}')
    (folder / "components.json").write_text('{"components":\n {"engram": {"launch": {"comand": ["x"]}}}}')
    done = run("config", "check", env=environment(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == "ok: config/tekton.json\nok: config/ports.json\n"
    assert "config/components.json:2:25: components.engram.launch.comand is not known; did you mean" in done.stderr
    done = run("config", "check", "config/ports.json", "config/tekton.json", env=environment(tmp_path), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "ok: config/ports.json\nok: config/tekton.json\n")


def test_config_schema_prints_a_schema_for_each_file(tmp_path: Path) -> None:
    """One JSON document; an unknown name is told with those there are."""
    made = json.loads(run("config", "schema", "components.json", env=environment(tmp_path), cwd=tmp_path).stdout)
    assert made["title"] == "components.json" and "$defs" in made
    done = run("config", "schema", "nosuch", env=environment(tmp_path), cwd=tmp_path)
    assert done.returncode == 2 and "there are tekton, components, dependencies, ports" in done.stderr


def test_what_others_may_write_to_starts_nothing(tmp_path: Path) -> None:
    """`tekton up` does not begin, and `tekton config check` says the same before."""
    folder = tmp_path / "config"
    folder.mkdir(mode=0o755)
    file = folder / "components.json"
    file.write_text('{"components": {"engram": {"launch": {"command": ["true"]}}}}')
    file.chmod(0o666)
    for command in (("config", "check"), ("up", "--data-dir", str(tmp_path / "data"))):
        done = run(*command, env=environment(tmp_path), cwd=tmp_path)
        assert done.returncode in (1, 2)
        assert "says what Tekton starts, and others may write to it; run chmod go-w" in done.stderr + done.stdout
    assert not (tmp_path / "data" / "postgres").exists()
