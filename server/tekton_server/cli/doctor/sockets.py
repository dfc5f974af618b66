"""Who listens on a port of this machine."""

from __future__ import annotations

import socket

import psutil

_WITHIN = 0.3


def listeners(port: int) -> str:
    """Name the processes that listen on a port; empty where nobody does."""
    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.Error:
        # Not every system tells everybody.
        return "a process that only root may see" if _taken(port) else ""
    pids = {one.pid for one in found if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port}
    return ", ".join(sorted(map(_named, pids)))


def _named(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        process = psutil.Process(pid)
        return f"{process.name()}, pid {pid}, of {process.username()}"
    except psutil.Error:
        return f"pid {pid}"


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(_WITHIN)
        return probe.connect_ex(("127.0.0.1", port)) == 0
