"""The benchmark runs and writes what it promises; how fast anything is, no test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--quick", "--rounds", "1", "--seconds", "0.1")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, env=os.environ | {"NO_COLOR": "1"}
    )


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a short run of some rows has written."""
    path = tmp_path_factory.mktemp("bench") / "out" / "bench.json"
    run = bench(*SHORT, "--rows", "read,find,mesh,plan", "--json", str(path))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "find_component" in run.stdout
    return json.loads(path.read_text())


def test_the_document_names_machine_and_versions(document: Any) -> None:
    machine = document["machine"]
    assert machine["cores"] >= 1 and machine["memory_gib"] > 0
    for name in ("cpu", "kernel", "python", "grpcio", "commit", "tekton"):
        assert machine[name]
    assert "PostgreSQL" in machine["postgresql"] and "version" in machine["envoy"]


def test_rows_come_as_asked_for_with_their_goals(document: Any) -> None:
    assert [row["name"] for row in document["rows"]] == ["read", "find", "mesh", "plan"]
    read, find, mesh, plan = document["rows"]
    assert read["goal"] == {"value": 0.8, "unit": "of bare", "at_most": False}
    assert find["goal"]["value"] == 500_000
    assert mesh["missing"] == "not there yet" and mesh["value"] is None and mesh["reached"] is None
    assert not plan["missing"] and plan["goal"]["unit"] == "ms" and plan["value"]["median"] > 0


def test_a_compared_row_has_every_round_of_both_sides(document: Any) -> None:
    read = document["rows"][0]
    assert not read["missing"]
    assert 0 < read["value"]["low"] <= read["value"]["median"] <= read["value"]["high"]
    assert read["reached"] in (True, False)
    for side in ("bare", "tekton"):
        (sample,) = read["details"][side]
        assert sample["rate"] > 0 and sample["figures"]["calls"] > 0 and sample["figures"]["failures"] == 0
        assert sample["cpu_us"]["server"] >= 0


def test_an_unknown_row_is_refused_with_those_there_are() -> None:
    run = bench("--rows", "speed")
    assert run.returncode == 2
    assert "read" in run.stderr and "register" in run.stderr
