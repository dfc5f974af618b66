"""Failpoints: what there is is documented, what there is not is refused, and a normal run has none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tekton_server import failpoints
from tests.support.ports import free_port
from tests.support.processes import Up, environment, run

ROOT = Path(__file__).parents[2]
CALL = re.compile(r'if failpoints\.ACTIVE:\n\s+await failpoints\.reach\("([\w.]+)"')
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def section(title: str) -> dict[str, str]:
    """Read a table of the documentation."""
    text = (ROOT / "docs" / "failpoints.md").read_text()
    return dict(ROW.findall(text.split(f"## {title}\n")[1].split("\n## ")[0]))


def test_the_documentation_lists_every_failpoint_and_every_action_as_the_code_does() -> None:
    """Neither more nor less, in the same words."""
    assert section("Places") == dict(failpoints.POINTS)
    assert section("Actions") == dict(failpoints.ACTIONS)


def test_every_failpoint_is_reached_in_one_place_and_costs_a_test_of_a_constant() -> None:
    """No place is called without its guard, and none is listed that is not there."""
    sources = "".join(path.read_text() for path in (ROOT / "server").rglob("*.py") if path.name != "failpoints.py")
    assert sorted(CALL.findall(sources)) == sorted(failpoints.POINTS)
    assert sources.count("failpoints.reach(") == len(failpoints.POINTS)


def test_a_normal_run_has_none() -> None:
    """Whether there are any is settled when the module is imported."""
    asked = "from tekton_server import failpoints; print(failpoints.ACTIVE, failpoints.active())"
    said = subprocess.run(
        [sys.executable, "-c", asked], env=environment(ROOT), capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["False", "()"]


def test_terms_follow_one_another_as_their_counts_are_used_up() -> None:
    """Two pass, one drops, and the last goes on for ever."""
    (terms,) = failpoints.parse("journal.before_commit=2*off->1*drop->pause:0.5").values()
    taken = [next(term.action for term in terms if term.take()) for _ in range(5)]
    assert taken == ["off", "off", "drop", "pause", "pause"]
    assert terms[2].seconds == 0.5


def test_several_are_set_at_once() -> None:
    """Separated by semicolons; spaces do not matter."""
    assert list(failpoints.parse(" journal.after_commit=kill ; writer.before_answer = 1*stop;")) == [
        "journal.after_commit",
        "writer.before_answer",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("journal.before_comit=kill", "names 'journal.before_comit'; the failpoints are journal.after_begin,"),
        ("kill", "names 'kill'; the failpoints are"),
        ("journal.before_commit=explode", "'explode'; the actions are off, error, drop, pause:SECONDS, stop, kill"),
        ("journal.before_commit", "''; the actions are"),
        ("journal.before_commit=0*kill", "'0*kill'; the actions are"),
        ("journal.before_commit=pause", "'pause'; the actions are"),
        ("writer.before_answer=drop", "only journal.* has a connection to drop"),
    ],
)
def test_what_there_is_not_is_refused_with_the_list_of_what_there_is(text: str, words: str) -> None:
    """A failpoint that is misspelt would make a test pass that tests nothing."""
    with pytest.raises(failpoints.FailpointSyntaxError, match=re.escape(words)):
        failpoints.parse(text)


def test_tekton_does_not_start_with_an_unknown_failpoint(tmp_path: Path) -> None:
    """One sentence with the list, and exit code 1."""
    env = environment(tmp_path, TEKTON_FAILPOINTS="journal.nowhere=kill")
    refused = run("up", "--data-dir", str(tmp_path / "d"), "--port", str(free_port()), env=env, cwd=tmp_path)
    assert refused.returncode == 1
    said = " ".join((refused.stdout + refused.stderr).split())
    assert "TEKTON_FAILPOINTS names 'journal.nowhere'; the failpoints are journal.after_begin" in said
    assert "Traceback" not in said


def test_tekton_warns_of_failpoints_that_are_set(tmp_path: Path) -> None:
    """Nobody runs one of them by mistake without a word in the log; one that never strikes changes nothing else."""
    env = environment(tmp_path, TEKTON_FAILPOINTS="journal.before_commit=1000*off->kill")
    with Up(tmp_path / "d", free_port(), env=env) as up:
        warning = up.ready().until("failpoints are active")
        assert "warning" in warning and "journal.before_commit" in warning
        assert up.stop() == 0
