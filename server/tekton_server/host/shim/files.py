"""The files of one launch: small JSON objects, each written whole or not at all, and the lock that means "alive"."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping


def write_object(path: str, value: Mapping[str, object]) -> None:
    """Put an object in the place of a file in one step: a reader sees the old one or the new one."""
    fresh = f"{path}.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        data = as_json(value).encode("ascii") + b"\n"
        while data:
            data = data[os.write(fd, data) :]
    finally:
        os.close(fd)
    os.replace(fresh, path)


def as_json(value: object) -> str:
    """Write JSON. The library's own would double what this process takes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(key)}: {as_json(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    raise TypeError(f"no JSON for {value!r}")


def lock(path: str) -> int | None:
    """Take a lock; give the descriptor that holds it, which can be handed on, or None where somebody else does."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def held(path: str) -> bool:
    """Tell whether some process holds a lock."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared: two who test at once do not take each other for the holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _quoted(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    plain = (chr(one) if 0x20 <= one < 0x7F and one not in (0x22, 0x5C) else f"\\u{one:04x}" for one in codes)
    return f'"{"".join(plain)}"'
