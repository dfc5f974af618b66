"""The documented logger, in processes of their own: what is set up in a process stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tekton.utils.tekton_logging import get_logger

_DOCUMENTED = """
from tekton.utils.tekton_logging import get_logger
logger = get_logger("part")
logger.debug("details")
logger.info("Started")
try:
    raise ValueError("no")
except ValueError:
    logger.error("Failed", exc_info=True)
logger.info("Request", extra={"request_id": "550e", "user_id": "user 123", "component": "part"})
"""


def written(source: str, **environment: str) -> str:
    """Run it; gives what it wrote on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


def test_lines_for_people() -> None:
    """Time, level, name, message, and what was given beside it."""
    lines = written(_DOCUMENTED).splitlines()
    assert lines[0].endswith("Z INFO    part: Started")
    assert any(line.endswith("ERROR   part: Failed") for line in lines)
    assert "ValueError: no" in lines
    assert lines[-1].endswith('part: Request request_id=550e user_id="user 123" component=part')


def test_lines_for_programs() -> None:
    """An object of JSON each, from the level on that was asked for."""
    lines = written(_DOCUMENTED, TEKTON_LOG_FORMAT="json", TEKTON_LOG_LEVEL="debug").splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["level"] for one in found] == ["debug", "info", "error", "info"]
    assert "ValueError: no" in found[2]["exception"]
    assert found[3] | {"timestamp": ""} == {
        "timestamp": "", "level": "info", "logger": "part", "message": "Request", "request_id": "550e",
        "user_id": "user 123", "component": "part",
    }  # fmt: skip
    assert written(_DOCUMENTED, TEKTON_LOG_LEVEL="ERROR").count("part:") == 1


def test_a_line_for_programs_is_json_whatever_was_given() -> None:
    """What JSON has no form for is told as text, the rest as it is; and no record is lost."""
    source = """
from tekton.utils.tekton_logging import get_logger
class Odd:
    def __str__(self): raise RuntimeError
loop = {}
loop["self"] = loop
for given in (float("nan"), {(1, 2): 3}, loop, Odd(), [Odd()]):
    get_logger("part").info("Odd", extra={"given": given, "count": 5})
get_logger("part").info("Here", stack_info=True)
"""

    def strict(value: str) -> None:
        raise AssertionError(f"{value} is not JSON")

    lines = written(source, TEKTON_LOG_FORMAT="json").splitlines()
    found = [json.loads(line, parse_constant=strict) for line in lines]
    assert [one.get("given") for one in found] == [
        "nan", "{(1, 2): 3}", "{'self': {...}}", "<Odd>", ["<Odd>"], None
    ]  # fmt: skip
    assert all(one["count"] == 5 for one in found[:5]) and "Stack" in found[5]["stack"]


def test_a_record_is_one_line_whoever_handles_it() -> None:
    """Loggers within each other, asked for twice, and beside handlers of the application's own."""
    source = """
from tekton.utils.tekton_logging import get_logger
import logging
for name in ("a.b", "a", "a", "a.b"):
    get_logger(name)
logging.getLogger("a.b.c").addHandler(logging.NullHandler())
logging.getLogger("a.b.c").warning("one")
get_logger("a").warning("two")
logging.basicConfig(format="own %(message)s")
get_logger("a.b").warning("three")
"""
    lines = written(source).splitlines()
    assert [line.split()[-1] for line in lines] == ["one", "two", "three"]
    assert lines[2] == "own three"


def test_a_logger_has_a_name() -> None:
    with pytest.raises(TypeError, match="must be a text, not int"):
        get_logger(5)  # type: ignore[arg-type]
