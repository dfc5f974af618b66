"""What a check found."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """`what` was looked at, how it is, and what to do about it, empty where nothing is to be done."""

    what: str
    how: Literal["ok", "warn", "fail"]
    message: str
    remedy: str = ""


def ok(what: str, message: str) -> Finding:
    """It is as it should be."""
    return Finding(what, "ok", message)


def warn(what: str, message: str, remedy: str) -> Finding:
    """It works, and may not for long or not for everybody."""
    return Finding(what, "warn", message, remedy)


def fail(what: str, message: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(what, "fail", message, remedy)
