"""What is on this machine: versions, and the data directory."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import stat
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from tekton import __version__
from tekton_server.cli.doctor.finding import Finding, fail, ok, warn
from tekton_server.config import Settings

_LITTLE = 1 << 30
_TOO_LITTLE = 100 << 20


def versions() -> Iterator[Finding]:
    """Tell what runs here."""
    parts = ", ".join(f"{name} {metadata.version(name)}" for name in ("grpcio", "protobuf"))
    yield ok("versions", f"tekton {__version__}, Python {platform.python_version()}, {parts}, {platform.platform()}")


def data_directory(settings: Settings) -> Iterator[Finding]:
    """Look at who may use the data directory and how much room it has."""
    path, what = settings.data_path, "data directory"
    try:
        status = path.stat()
    except FileNotFoundError:
        yield from _room(_existing(path), f"{path} is not there yet; `tekton up` makes it")
        return
    except OSError as error:
        yield fail(what, f"{path} cannot be looked at: {error.strerror}", "run Tekton as the user who owns it")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield fail(what, f"{path} is no directory", "choose another with --data-dir")
        return
    owner = _name(status.st_uid)
    mode = stat.S_IMODE(status.st_mode)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield fail(
            what, f"{path} belongs to {owner} and cannot be used by {_name(os.geteuid())}", f"run Tekton as {owner}"
        )
        return
    if mode & 0o077:
        yield warn(what, f"{path} has mode {mode:o}: others may look into it", f"chmod 700 {path}")
    elif status.st_uid != os.geteuid():
        yield warn(what, f"{path} belongs to {owner}, not to {_name(os.geteuid())}", f"run Tekton as {owner}")
    yield from _room(path, f"{path}, of {owner}, mode {mode:o}")


def _room(path: Path, sentence: str) -> Iterator[Finding]:
    what, free = "data directory", shutil.disk_usage(path).free
    shown = f"{free / (1 << 30):.1f} GiB free"
    if free < _TOO_LITTLE:
        yield fail(what, f"{sentence}; only {shown}", "make room: PostgreSQL stops on a full disk")
    elif free < _LITTLE:
        yield warn(what, f"{sentence}; only {shown}", "make room: PostgreSQL stops on a full disk")
    else:
        yield ok(what, f"{sentence}; {shown}")


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
