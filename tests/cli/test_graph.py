"""`tekton graph` as people and scripts run it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree

import pytest_asyncio

from tests.cli.running import on_a_terminal, run
from tests.support.client import new_id, stubs
from tests.support.control_plane import ControlPlane


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tekton: ControlPlane) -> AsyncIterator[list[str]]:
    """Four components, one of them on nothing: low, mid, top, and a missing one that top needs."""
    low, mid, top, gone = (new_id(name) for name in ("low", "mid", "top", "gone"))
    async with stubs(tekton.direct) as api:
        await api.register(top, dependencies=[mid, gone])
        await api.register(mid, dependencies=[low])
        await api.register(low)
        yield [low, mid, top, gone]


async def test_a_piped_graph_is_plain_and_whole(tekton: ControlPlane, fleet: list[str], tmp_path: Path) -> None:
    low, mid, top, gone = fleet
    done = await run(tekton, tmp_path, "graph")
    assert done.code == 0 and "\x1b" not in done.out and done.err == ""
    places = [done.out.index(f" {name} ") for name in (gone, low, mid, top)]
    assert places == sorted(places)
    assert f"  {gone}, needed by {top}" in done.out.splitlines()


async def test_on_a_terminal_it_is_in_colour_and_no_wider(
    tekton: ControlPlane, fleet: list[str], tmp_path: Path
) -> None:
    done = await on_a_terminal(tekton, tmp_path, "graph", fleet[1], columns=60)
    assert done.code == 0 and "\x1b[" in done.out and "●" in done.out


async def test_one_component_in_every_form(tekton: ControlPlane, fleet: list[str], tmp_path: Path) -> None:
    """JSON is the reply of REST; name is what has to start, in order."""
    low, mid, top, gone = fleet
    named = await run(tekton, tmp_path, "graph", top, "-o", "name")
    assert named.out.split() == [low, mid, top]
    reply = json.loads((await run(tekton, tmp_path, "graph", mid, "-o", "json")).out)
    assert (reply["depends_on"], reply["dependent_components"]) == ([low], [top])
    whole = json.loads((await run(tekton, tmp_path, "graph", "-o", "json")).out)
    assert whole["dependencies"][top] == [mid, gone]
    picture = await run(tekton, tmp_path, "graph", top, "-o", "svg")
    root = ElementTree.fromstring(picture.out)
    assert {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")} >= set(fleet)
    assert (await run(tekton, tmp_path, "graph", "-o", "mermaid")).out.startswith("flowchart RL\n")
    assert f'  "{top}" -> "{mid}";' in (await run(tekton, tmp_path, "graph", "-o", "dot")).out.splitlines()


async def test_a_component_that_is_not_there_ends_with_3(tekton: ControlPlane, tmp_path: Path) -> None:
    done = await run(tekton, tmp_path, "graph", "nobody-at-all")
    assert done.code == 3 and "nobody-at-all" in done.err and done.out == ""
    assert (await run(tekton, tmp_path, "graph", "-o", "png")).code == 2


async def test_one_that_is_only_needed_is_told_with_those_who_need_it(
    tekton: ControlPlane, fleet: list[str], tmp_path: Path
) -> None:
    """It is no component that can be drawn; why it is not ready is the same answer."""
    *_, top, gone = fleet
    for command in ("graph", "why"):
        done = await run(tekton, tmp_path, command, gone)
        assert (done.code, done.out) == (3, "")
        assert done.err == f"tekton: there is no component {gone}, and {top} needs it\n"
