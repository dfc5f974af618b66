"""Processes that own a PostgreSQL, and what is left of it when they end."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from tekton_server.storage.embedded import ConnectParams
from tekton_server.storage.unprivileged import Mode

ROOT = os.geteuid() == 0

needs_root = pytest.mark.skipif(not ROOT, reason="only root needs, and can test, another identity for PostgreSQL")

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")

OWNER = """
import asyncio, pathlib, sys
from tekton_server.storage.embedded import EmbeddedPostgres
from tekton_server.storage.unprivileged import Mode
async def main():
    mode = Mode(sys.argv[2]) if len(sys.argv) > 2 else None
    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), on_progress=lambda text: print(text, flush=True), mode=mode)
    await server.start()
    print("ready", server.pid, server.connection.host, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await server.stop()
    print("stopped", flush=True)
asyncio.run(main())
"""


def owner(
    data_dir: Path, *, mode: Mode | None = None, interpreter: str = sys.executable, **options: Any
) -> subprocess.Popen[str]:
    """A process that owns a server on a directory until it reads a line, or is killed."""
    command = [interpreter, "-c", OWNER, str(data_dir), *([mode] if mode else [])]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, **options)


def ready(process: subprocess.Popen[str]) -> tuple[int, Path]:
    """The server's pid and its socket directory, once it is up."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            _, pid, host = line.split()
            return int(pid), Path(host)
    raise AssertionError("the owner ended before its server was ready")


def family(pid: int) -> list[int]:
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def ask(params: ConnectParams, query: str, database: str | None = None) -> object:
    connection = await asyncpg.connect(params.dsn(database))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
