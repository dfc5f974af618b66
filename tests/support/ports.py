"""Ports that no other test is given meanwhile, be it of this run or of another beside it."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
from pathlib import Path

# Names only, for nobody listens there: of fleets that tests launch, and of what tests register themselves.
LAUNCHED, REGISTERED = range(20_000, 21_500), range(21_500, 27_000)
# Below those that the system gives to whoever binds port 0 or connects.
_PORTS = range(REGISTERED.stop, 32_000)
_given: set[int] = set()
_ledger: list[int] = []


def free_port() -> int:
    """Give a port that is free now and that is this process's until it ends.

    Raises:
        RuntimeError: all of them are given away.
    """
    first = secrets.randbelow(len(_PORTS))
    for offset in range(len(_PORTS)):
        port = _PORTS[(first + offset) % len(_PORTS)]
        if port not in _given and _claimed(port) and _nobody_listens(port):
            return port
    raise RuntimeError(f"no port from {_PORTS[0]} to {_PORTS[-1]} is free")


def _claimed(port: int) -> bool:
    # A record lock on one byte a port: the kernel lets it go when the process ends, and a fork does not inherit it.
    if not _ledger:
        path = Path(tempfile.gettempdir()) / f"tekton-test-ports-{os.getuid()}"
        _ledger.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        fcntl.lockf(_ledger[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    _given.add(port)
    return True


def _nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
