"""Comparing replies with what is printed: a reply is a superset with the same JSON types."""

from __future__ import annotations

import re
from typing import Any

PATTERNS = {
    "<uuid>": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z",
    "<clock>": r"\d{2,}:\d\d:\d\d",
    "<day>": r"\d{4}-\d\d-\d\d",
    "<text>": r".+",
    "<token>": r"[0-9a-f]{8}\.\d{1,18}",
}


def assert_superset(actual: Any, printed: Any, where: str = "$", loose: frozenset[str] = frozenset()) -> None:
    """Check that `actual` holds everything of `printed`; under a loose key only the types have to agree."""
    if isinstance(printed, dict):
        assert isinstance(actual, dict), f"{where} is {actual!r}, not an object"
        for key, value in printed.items():
            assert key in actual, f"{where}.{key} is missing in {actual}"
            if key in loose:
                assert_same_types(actual[key], value, f"{where}.{key}")
            else:
                assert_superset(actual[key], value, f"{where}.{key}", loose)
    elif isinstance(printed, list):
        assert isinstance(actual, list) and len(actual) == len(printed), f"{where} is {actual!r}, not {printed!r}"
        for index, value in enumerate(printed):
            assert_superset(actual[index], value, f"{where}[{index}]", loose)
    elif isinstance(printed, str) and printed in PATTERNS:
        assert re.fullmatch(PATTERNS[printed], actual), f"{where} is {actual!r}, not a {printed}"
    else:
        assert actual == printed and isinstance(actual, bool) == isinstance(printed, bool), f"{where} is {actual!r}"


def assert_same_types(actual: Any, printed: Any, where: str = "$") -> None:
    """Check that `actual` has everything of `printed` with the same JSON types, whatever the values."""
    if isinstance(printed, dict):
        assert isinstance(actual, dict), f"{where} is {actual!r}, not an object"
        for key, value in printed.items():
            assert key in actual, f"{where}.{key} is missing in {actual}"
            assert_same_types(actual[key], value, f"{where}.{key}")
    elif isinstance(printed, list):
        assert isinstance(actual, list), f"{where} is {actual!r}, not a list"
        for index, (one, two) in enumerate(zip(actual, printed, strict=False)):
            assert_same_types(one, two, f"{where}[{index}]")
    else:
        assert _kind(actual) == _kind(printed), f"{where} is {actual!r}, printed as {printed!r}"


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return repr(type(value))
    return "number" if isinstance(value, (int, float)) else type(value).__name__
