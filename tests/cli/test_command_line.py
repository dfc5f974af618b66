"""How commands are found, and how they end: shortened names, help, and the table of exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.main import get_command

from tekton.core import errors
from tekton_server.cli.commands import app
from tekton_server.cli.exits import MEANING, ExitCode, code_of, listed
from tekton_server.cli.grid import Column, grid
from tekton_server.cli.text import clean, duration
from tests.support.processes import environment, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"


def test_every_error_has_an_exit_code() -> None:
    """A new class of error has to be put in the table; a class made from one has its code."""
    assert listed()
    assert code_of(errors.StaleSessionError("x")) is ExitCode.CONFLICT
    assert code_of(type("Newer", (errors.UnavailableError,), {})("x")) is ExitCode.UNREACHABLE


def test_the_codes_are_documented_as_they_are(tmp_path: Path) -> None:
    """In the help and in docs/cli.md, word for word."""
    assert set(MEANING) == set(ExitCode)
    shown = " ".join(run("--help", env=environment(tmp_path, COLUMNS="200"), cwd=tmp_path).stdout.split())
    rows = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", DOCUMENT.read_text(), re.MULTILINE))
    for code, meaning in MEANING.items():
        assert rows[str(code.value)] == meaning
        assert f"{code.value} {meaning}" in shown


def test_a_command_may_be_shortened(tmp_path: Path) -> None:
    """As long as only one begins so; otherwise those that do are named."""
    assert run("vers", env=environment(tmp_path), cwd=tmp_path).stdout.startswith("tekton 0.")
    assert "--capability" in run("comp", "li", "--help", env=environment(tmp_path), cwd=tmp_path).stdout
    for words, expected in (
        (("co",), "tekton: 'co' could be components or config; see tekton --help\n"),
        (("comp", "x"), "tekton: no such command 'x'; see tekton components --help\n"),
        (
            ("components", "command", "notes"),
            "tekton: missing argument 'KIND'. Choose from: stop, restart, reload, probe; "
            "see tekton components command --help\n",
        ),
    ):
        done = run(*words, env=environment(tmp_path), cwd=tmp_path)
        assert (done.returncode, done.stderr, done.stdout) == (2, expected, "")


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (("start",), "tekton start [OPTIONS] [ID]..."),
        (("route",), "tekton route [OPTIONS] [TASK_TYPE]"),
        (("graph",), "tekton graph [OPTIONS] [COMPONENT_ID]"),
        (("components", "command"), "tekton components command [OPTIONS] COMPONENT_ID KIND"),
        (("components", "watch"), "tekton components watch [OPTIONS] [COMPONENT_ID]..."),
        (("config", "check"), "tekton config check [OPTIONS] [FILE]..."),
    ],
)
def test_a_usage_has_brackets_around_what_may_be_left_out(words: tuple[str, ...], usage: str) -> None:
    """Once, and nothing around what may not."""
    context = get_command(app).make_context("tekton", [], resilient_parsing=True)
    for word in words:
        command = context.command.get_command(context, word)  # type: ignore[attr-defined]
        context = command.make_context(word, [], parent=context, resilient_parsing=True)
    assert context.command.get_usage(context).strip() == f"Usage: {usage}"


def test_help_groups_the_commands_and_teaches_by_examples(tmp_path: Path) -> None:
    """Every command has some."""
    shown = run("--help", env=environment(tmp_path), cwd=tmp_path).stdout
    assert "See and change the fleet" in shown and "Examples" in shown and "tekton components list" in shown
    for command in ("status", "events", "doctor", "components", "config"):
        assert "Examples" in run(command, "--help", env=environment(tmp_path), cwd=tmp_path).stdout


def test_the_commands_import_nothing_heavy_before_they_run() -> None:
    """Help and completion answer at once."""
    code = "import sys; from tekton_server.cli import commands; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"grpc", "google.protobuf", "yaml", "psutil", "httpx", "asyncpg", "sqlalchemy", "asyncio"} & set(loaded)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße, 世界 🚀", "Grüße, 世界 🚀"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\r\t\x00\x7f", "a\\nb\\r\\t\\x00\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc\u2066\u200b\ufeff", "\\u202eabc\\u2066\\u200b\\ufeff"),
        ("\ud800\u2028", "\\ud800\\u2028"),
    ],
)
def test_what_could_act_on_a_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    """And what people write stays."""
    assert clean(text) == shown


def test_a_table_fits_the_terminal(tmp_path: Path) -> None:
    """Columns go by rank, then the widest are cut, wide characters counted as two; without a width nothing is cut."""
    columns = (Column("ID"), Column("TYPE", 1), Column("NAME", 2))
    rows = [("a" * 30, "kind", "世界" * 10)]
    for width in (80, 45, 36, 20, 12):
        assert all(cell_len(line.plain) <= width for line in grid(columns, rows, width))
    assert "NAME" not in grid(columns, rows, 45)[0].plain and "TYPE" in grid(columns, rows, 45)[0].plain
    assert "世界" * 10 in grid(columns, rows, None)[1].plain


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0s"), (59.9, "59s"), (61, "1m 1s"), (3720, "1h 2m"), (90000, "1d 1h"), (-5, "0s")]
)
def test_times_are_told_in_two_units(seconds: float, shown: str) -> None:
    """A clock that is a little ahead is no negative time."""
    assert duration(seconds) == shown
