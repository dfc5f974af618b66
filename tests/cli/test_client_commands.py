"""The commands that ask for components of a running Tekton, as people and scripts run them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tekton.core.ids import new_uuid
from tekton.v1 import error_report_service_pb2 as error_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tests.cli.running import on_a_terminal, run
from tests.support.client import Stubs, new_id
from tests.support.control_plane import ControlPlane


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
