"""The command line itself: help that teaches, and refusals of one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tekton_server import config
from tekton_server.config import CONFIG_VARIABLE, ENVIRONMENT, Settings
from tests.support.processes import environment, run

HEAVY = ("grpc", "sqlalchemy", "asyncpg", "alembic", "structlog", "google.protobuf", "httpx")


@pytest.mark.parametrize(
    ("arguments", "more", "words"),
    [
        (["up", "--port", "0"], {}, '--port must be a whole number from 1 to 65535, not "0"'),
        (["up"], {"TEKTON_PORT": "abc"}, 'TEKTON_PORT must be a whole number from 1 to 65535, not "abc"'),
        (["up", "--host", "0.0.0.0"], {}, "--host 0.0.0.0 can be reached from other machines"),
        (["up", "--host", "nosuch.invalid"], {}, "host 'nosuch.invalid' cannot be resolved"),
        (["up", "--config", "/nosuch.json"], {}, "the configuration file /nosuch.json does not exist"),
        (["up", "--data-dir", ""], {}, "--data-dir must be the path of a directory"),
        (["up", "--prot", "1"], {}, "no such option: --prot"),
        (["up", "--port"], {}, "option '--port' requires an argument"),
        (["upp"], {}, "no such command 'upp'"),
    ],
)
def test_a_refusal_is_one_sentence(tmp_path: Path, arguments: list[str], more: dict[str, str], words: str) -> None:
    """On stderr, with the status of a wrong call."""
    done = run(*arguments, env=environment(tmp_path, **more), cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"tekton: {words}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "192.0.2.1", "--insecure"], "192.0.2.1 is not an address of this machine"),
        (["--data-dir", "file"], "cannot be used: "),
        (["--data-dir", "/proc/tekton"], "The data directory /proc/tekton cannot be used: "),
    ],
)
def test_what_the_machine_refuses_is_one_sentence_after_the_steps(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    """No port is opened and no database made for it."""
    (tmp_path / "file").write_text("")
    done = run("up", *arguments, env=environment(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("tekton: ") and words in last
    assert "Traceback" not in done.stderr and "2/5" not in done.stderr


def test_a_misspelt_key_is_warned_about(tmp_path: Path) -> None:
    """And does not stop anything; here a wrong address does."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tekton.json").write_text(json.dumps({"tekton": {"prot": 1, "host": "192.0.2.1"}}))
    done = run("up", "--insecure", env=environment(tmp_path), cwd=tmp_path)
    warning = "config/tekton.json:1:13: prot is not known and has no effect; did you mean port?"
    assert f"tekton: warning: {warning}" in done.stderr


def test_help_names_every_variable_and_default(tmp_path: Path) -> None:
    """In plain text where it is piped, with something to try."""
    done = run("up", "--help", env=environment(tmp_path, COLUMNS="200"), cwd=tmp_path)
    assert done.returncode == 0 and "\x1b" not in done.stdout
    # What is in a section of the file has no option.
    for name, (variable, *_) in ((name, found) for name, found in ENVIRONMENT.items() if "." not in name):
        assert config.flag_of(name) in done.stdout and f"env {variable}" in done.stdout
        default = getattr(Settings(), name)
        if default not in (None, False, ()):
            assert f"default {default}" in done.stdout
    assert CONFIG_VARIABLE in done.stdout
    assert "tekton up --port 8020 --data-dir ./data" in done.stdout


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    """That is no mistake."""
    done = run(env=environment(tmp_path), cwd=tmp_path)
    assert done.returncode == 0 and "up" in done.stdout


def test_the_version_is_shown_by_command_and_by_option(tmp_path: Path) -> None:
    """People try either."""
    shown = {run(word, env=environment(tmp_path), cwd=tmp_path).stdout for word in ("version", "--version")}
    assert len(shown) == 1 and shown.pop().startswith("tekton 0.")


def test_help_and_version_import_nothing_heavy() -> None:
    """They answer at once."""
    code = "import sys; from tekton_server.cli import commands; import tekton_server.build; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(HEAVY) & set(loaded)


def test_without_the_server_extra_it_says_what_to_install() -> None:
    """The plain install is the SDK, and brings the command all the same."""
    code = "import sys; sys.modules['typer'] = None; from tekton_server.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "tekton: typer is not installed; install tekton[server] to run a server\n"
