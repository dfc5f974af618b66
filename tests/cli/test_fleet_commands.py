"""`tekton start`, `stop`, `restart` and `plan` as people and scripts run them, with real processes behind them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cli.running import Streaming, on_a_terminal, run
from tests.host.fleet import until
from tests.support.control_plane import ControlPlane
from tests.support.launched import files_of, launch, launching, small
from tests.support.postgres import Cluster

FLEET = {
    "low": small("low", number=1),
    "mid": small("mid", "low", number=2),
    "top": small("top", "mid", number=3),
    "ill": launch("sh", "-c", "echo no such model; exit 3"),
    "ward": {"dependencies": ["ill"], **launch()},
    "hung": launch(startup_timeout=0.3),
    "lost": {"dependencies": ["ghost"], **launch()},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with that fleet to launch."""
    home = tmp_path_factory.mktemp("commands")
    gated = {"slow": small("slow", number=4, env={"GATE": str(home / "gate")})}
    async with launching(cluster.new_database(), home, FLEET | gated) as running:
        yield running


def launches(tekton: ControlPlane, component_id: str) -> int:
    """Count the processes that a component has had."""
    return len(files_of(tekton.settings.data_path, component_id))


async def test_a_plan_shows_waves_what_is_missing_and_ends_with_1_where_something_could_not_start(
    tekton: ControlPlane, tmp_path: Path
) -> None:
    done = await run(tekton, tmp_path, "plan")
    rows = {line.split()[1]: line.split() for line in done.out.splitlines()[1:] if len(line.split()) > 3}
    assert rows["top"][0::2] == ["3", "start", "mid"] and rows["lost"] == [
        "-", "lost", "skip", "unknown", "lost", "needs", "ghost",
    ]  # fmt: skip
    assert "missing: ghost, needed by lost" in done.out and done.code == 1
    assert done.out.isascii() and "\x1b" not in done.out
    named = await run(tekton, tmp_path, "plan", "top", "-o", "name")
    assert (named.out.split(), named.code) == (["low", "mid", "top"], 0)
    alone = json.loads((await run(tekton, tmp_path, "plan", "top", "--no-dependencies", "-o", "json")).out)
    assert alone["components"][0]["chain"] == ["top", "mid"] and launches(tekton, "low") == 0


async def test_a_piped_start_is_a_line_for_each_step(tekton: ControlPlane, tmp_path: Path) -> None:
    """And once more changes nothing."""
    done = await run(tekton, tmp_path, "start", "mid")
    steps = [line.split()[1:] for line in done.out.splitlines()]
    assert [step[:2] for step in steps[1:-1]] == [
        [event, name] for name in ("low", "mid") for event in ("starting", "running", "ready")
    ]
    assert (steps[0][0], steps[-1]) == ("planned", ["done", "2", "ready"])
    assert done.code == 0 and done.err == "" and "\x1b" not in done.out
    again = await run(tekton, tmp_path, "start", "mid", "-o", "name")
    assert (again.code, again.out) == (0, "mid\n") and launches(tekton, "mid") == 1


async def test_json_is_an_object_a_line(tekton: ControlPlane, tmp_path: Path) -> None:
    done = await run(tekton, tmp_path, "start", "top", "-o", "json")
    steps = [json.loads(line) for line in done.out.splitlines()]
    assert [step["event"] for step in steps] == ["planned", "starting", "running", "ready", "done"], done.out
    assert steps[-1]["summary"]["succeeded"] == ["mid", "top"]


async def test_on_a_terminal_it_is_drawn_with_a_mark_for_each_and_its_causes_below(
    tekton: ControlPlane, tmp_path: Path
) -> None:
    """No line is wider than the terminal."""
    done = await on_a_terminal(tekton, tmp_path, "start", "ward", columns=70)
    assert done.code == 1
    picture = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.out).replace("\r", "")
    assert "✗ ill" in picture and "○ ward" in picture
    assert "ill ended before it was ready: exit code 3\n  | no such model\n" in picture
    # A picture is drawn over the one before.
    drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", re.sub(r"(\x1b\[2?K|\x1b\[1A)+", "\n", done.out))
    assert [line for line in re.split(r"[\r\n]+", drawn) if len(line) > 70] == []


async def test_the_exit_code_is_that_of_the_first_that_failed(tekton: ControlPlane, tmp_path: Path) -> None:
    """1 for one that ended, 8 for one that was late, 6 for what is missing, 3 for what is not there, 2 for nothing."""
    ill, hung, lost, nobody, nothing, both = await asyncio.gather(
        *(
            run(tekton, tmp_path, "start", *which)
            for which in (["ward"], ["hung"], ["lost"], ["nobody"], [], ["low", "--all"])
        )
    )
    assert [one.code for one in (ill, hung, lost, nobody, nothing, both)] == [1, 8, 6, 3, 2, 2]
    assert "ward was not started: ward needs ill" in ill.out and "name components or say --all" in nothing.err


async def test_ctrl_c_ends_the_display_and_the_start_goes_on(tekton: ControlPlane, tmp_path: Path) -> None:
    streaming = await Streaming.start(tekton, tmp_path, "start", "slow")
    await streaming.until("running", "slow")
    ended = await streaming.interrupt()
    assert ended.code == 130 and "it goes on without being watched" in ended.err
    (tekton.settings.data_path.parent / "gate").touch()
    view = tekton.app.live.view
    await until(lambda: view.get("slow"), lambda found: found is not None and found.status == "ready")


async def test_a_restart_stops_and_starts_and_a_stop_goes_the_other_way_round(
    tekton: ControlPlane, tmp_path: Path
) -> None:
    assert (await run(tekton, tmp_path, "start", "top")).code == 0
    before = launches(tekton, "mid"), launches(tekton, "low")
    done = await run(tekton, tmp_path, "restart", "mid", "--timeout", "0")
    assert done.code == 0 and re.search(r"stopped +mid(.|\n)*ready +mid", done.out), done.out
    assert (launches(tekton, "mid"), launches(tekton, "low")) == (before[0] + 1, before[1])
    alone = await run(tekton, tmp_path, "stop", "mid", "--dependents", "--timeout", "0", "-o", "name")
    assert alone.out.split() == ["top", "mid"]
    rest = await run(tekton, tmp_path, "stop", "--all", "--force", "--timeout", "0")
    assert rest.code == 0 and re.search(r"stopped +low", rest.out) and not re.search(r" top\b", rest.out)
    assert (await run(tekton, tmp_path, "stop", "tekton_core")).code == 6


async def test_one_instance_is_restarted_and_stopped_by_its_uuid(tekton: ControlPlane, tmp_path: Path) -> None:
    """And told in words, as data and as bare uuids; a wrong one is an error, and so is one of many."""
    await run(tekton, tmp_path, "start", "low")
    view = tekton.app.live.view

    def uuid() -> str:
        found = view.launch("low")
        assert found is not None
        return found.instance_uuid

    before = uuid()
    done = await run(tekton, tmp_path, "restart", "low", "--instance", before, "--timeout", "0")
    assert (done.code, done.out, done.err) == (0, "low: Component starting\n", "") and uuid() != before
    done = await run(tekton, tmp_path, "stop", "low", "--instance", uuid(), "--timeout", "0", "-o", "json")
    assert json.loads(done.out)["instances"][0] == {
        "instance_uuid": uuid(), "launched": True, "outcome": "stopped", "message": "ended by SIGTERM"
    }  # fmt: skip
    nobody = "00000000-0000-4000-8000-000000000000"
    asked = (["low", "-o", "name"], ["low", "mid"], ["low", "--dependents"], ["low", "--instance", nobody])
    named, many, more, gone = await asyncio.gather(
        *(run(tekton, tmp_path, "stop", "--instance", uuid(), *which) for which in asked)
    )
    assert (named.code, named.out) == (0, "")
    assert (gone.code, gone.err) == (3, f"tekton: component low has no instance {nobody}\n")
    for wrong in (many, more):
        assert wrong.code == 2 and "--instance is of one component" in wrong.err
