"""Forks: gRPC's threads and connections are not in the child, where whoever waited for them would wait for ever."""

from __future__ import annotations

import os

_connected = False
_orphan = False


def connecting() -> None:
    """Note that this process opens a connection.

    Raises:
        RuntimeError: as `check`.
    """
    global _connected
    check()
    _connected = True


def check() -> None:
    """Refuse to talk to Tekton in a child of a process that has done so.

    Raises:
        RuntimeError: this is one.
    """
    if _orphan:
        raise RuntimeError(
            "this process was forked from one that talks to Tekton, and gRPC does not survive that: start it by spawn, "
            'as multiprocessing.get_context("spawn") does, or fork before the first call to Tekton'
        )


def _forked() -> None:
    global _orphan
    _orphan = _orphan or _connected


os.register_at_fork(after_in_child=_forked)
