"""A private place for PostgreSQL's socket, short enough for the 107 bytes the system allows."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tekton_server.storage.unprivileged import Identity, Mode, closed_directory

PORT = 5432
"""Only a part of the socket's name: no port is ever opened."""
SOCKET = f".s.PGSQL.{PORT}"
MAX_SOCKET_PATH = 107

# A comma separates hosts in a URL and in PostgreSQL's own list, a colon starts a port there; other characters need
# quoting somewhere. A directory with such a name is left to the fallbacks, whose names are ours.
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


def open_socket_directory(data_dir: Path, identity: Identity) -> Path:
    """An empty directory of mode 0700: `data_dir`/run, or a short one that is always the same for this data directory.

    It is PostgreSQL's alone. What a killed predecessor left in it is removed, so the caller MUST know it to be gone.
    """
    for candidate in _candidates(data_dir, identity):
        if fits(candidate) and _claim(candidate, identity):
            return candidate
    # Everything is too long, or a stranger has taken our name in the temporary directory.
    directory = Path(tempfile.mkdtemp(prefix="tekton-", dir="/tmp"))
    _claim(directory, identity)
    return directory


def close_socket_directory(directory: Path) -> None:
    """Remove it with whatever a killed server left; a directory that holds anything else stays."""
    clear_socket_directory(directory)
    with contextlib.suppress(OSError):
        directory.rmdir()


def clear_socket_directory(directory: Path) -> None:
    """Remove what a killed server left; the caller MUST know it to be gone."""
    for name in (SOCKET, f"{SOCKET}.lock"):
        (directory / name).unlink(missing_ok=True)


def fits(directory: Path) -> bool:
    """Whether a socket in it can be named, in a system call and in a URL."""
    path = str(directory / SOCKET)
    return _PLAIN.fullmatch(path) is not None and len(os.fsencode(path)) <= MAX_SOCKET_PATH


def _candidates(data_dir: Path, identity: Identity) -> Iterator[Path]:
    yield data_dir / "run"
    # The real path, so that two spellings of one directory agree; the uid, so that two users never collide.
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    for base in (runtime, tempfile.gettempdir(), "/tmp"):
        if base and Path(base).is_absolute() and Path(base).is_dir() and _reachable(Path(base), identity):
            yield Path(base) / f"tekton-{os.geteuid()}-{digest}"


def _reachable(base: Path, identity: Identity) -> bool:
    return identity.mode is not Mode.ACCOUNT or closed_directory(base, *identity.owner) is None


def _claim(directory: Path, identity: Identity) -> bool:
    """Make the directory ours, or say that it cannot be: never use what a stranger has put there."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        status = directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.geteuid(), identity.owner[0]):
            return False
    except OSError:
        return False
    directory.chmod(0o700)
    if directory.stat().st_uid != identity.owner[0]:
        os.chown(directory, *identity.owner, follow_symlinks=False)
    clear_socket_directory(directory)
    return True
