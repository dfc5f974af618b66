"""The contract is compared with the one that clients were given last."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUF = Path(sys.executable).with_name("buf")
FILE = Path("proto/tekton/v1/component.proto")


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """Copy everything that `buf breaking` reads, the baseline included."""
    copy = [sys.executable, "-c", "import generate; generate.copy_google_api()"]
    subprocess.run(copy, cwd=ROOT / "proto", check=True, timeout=20)
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    for folder in ("proto", "build/proto-deps"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def broken(contract: Path, old: str, new: str) -> str:
    """Change the first such place, and give what the check of the Makefile says: nothing if it passes."""
    text = (contract / FILE).read_text()
    assert old in text
    (contract / FILE).write_text(text.replace(old, new, 1))
    (check,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "buf breaking" in line]
    argv = [str(BUF), *check.split()[1:]]
    done = subprocess.run(argv, cwd=contract, capture_output=True, text=True, timeout=20)
    assert (done.returncode == 0) == (done.stdout == ""), done.stderr
    return done.stdout


def test_the_contract_is_compatible_and_may_grow(contract: Path) -> None:
    """A new field breaks nobody."""
    assert broken(contract, "string component_id = 1;", "string component_id = 1;\n  string added = 9999;") == ""


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("", 'name "component_id" on message'),
        ("string component_ident = 1;", "changed name"),
        ("string component_id = 9999;", 'name "component_id" on message'),
        ("int32 component_id = 1;", "changed type"),
    ],
    ids=["removed", "renamed", "renumbered", "retyped"],
)
def test_what_would_break_a_client_is_refused(contract: Path, new: str, words: str) -> None:
    """On the wire or in JSON."""
    assert words in broken(contract, "string component_id = 1;", new)


def test_a_field_may_go_once_its_number_and_its_name_are_reserved(contract: Path) -> None:
    """Then neither comes back with another meaning."""
    reserved = 'reserved 1;\n  reserved "component_id";'
    assert broken(contract, "string component_id = 1;", reserved) == ""
