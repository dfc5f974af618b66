"""The log: what each record says of the call that it is about."""

from __future__ import annotations

import contextvars
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tekton_server.cli.logs import configure_logging
from tekton_server.config import LogFormat
from tekton_server.live.call import CURRENT, Call


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


def _say(style: LogFormat, path: Path, call: Call | None, *, structured: bool = False) -> str:
    """Log one record about a call, and give what the file has of it."""

    def say() -> None:
        CURRENT.set(call)
        logging.getLogger("some.part").warning("it is %s", "so", extra={"step": 3})

    file = configure_logging("info", style, structured=structured)
    file.open(path / "tekton.log")
    contextvars.copy_context().run(say)
    assert file.target is not None
    file.target.close()
    return (path / "tekton.log").read_text()


@pytest.mark.usefixtures("logging_as_before")
def test_in_json_a_record_is_one_object_with_the_name_and_the_trace_of_its_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By which it is found from an answer, and from a trace."""
    text = _say("json", tmp_path, Call(name="mine", trace=("ab" * 16, "cd" * 8)))
    record = json.loads(capsys.readouterr().err)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "level": "warning",
        "logger": "some.part",
        "message": "it is so",
        "step": 3,
        "request_id": "mine",
        "trace_id": "ab" * 16,
        "span_id": "cd" * 8,
    }
    assert text.endswith("some.part: it is so [request mine]\n")


@pytest.mark.usefixtures("logging_as_before")
def test_without_a_call_a_record_has_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the server does by itself is nobody's request."""
    assert _say("json", tmp_path, None).endswith("it is so\n")
    assert "request_id" not in json.loads(capsys.readouterr().err)


@pytest.mark.usefixtures("logging_as_before")
def test_the_file_has_json_where_traces_are_collected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the console stays as it was asked for."""
    record = json.loads(_say("console", tmp_path, Call(name="mine"), structured=True))
    assert record["message"] == "it is so" and record["request_id"] == "mine"
    assert not capsys.readouterr().err.startswith("{")
