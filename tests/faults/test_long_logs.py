"""Logs of a running Tekton's children: they begin anew when they are long, and go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import asyncpg
import pytest

from tests.faults.running import Faulty, until


async def complain(dsn: str, times: int) -> None:
    """Have PostgreSQL log so many errors, of a kilobyte each."""
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(times):
            with pytest.raises(asyncpg.UndefinedTableError):
                await connection.execute(f"SELECT '{'x' * 1000}' FROM nosuch")
    finally:
        await connection.close()


async def test_the_log_of_postgresql_is_kept_short(short_tmp: Path) -> None:
    """As long as the setting says; and a PostgreSQL whose Tekton was killed still says its last words."""
    faulty = Faulty(short_tmp)
    logs = short_tmp / "d" / "logs"
    (short_tmp / "tekton.json").write_text('{"tekton": {"logs": {"max_bytes": 65536, "keep": 1}}}')
    with faulty.up() as up:
        up.ready()
        await complain(faulty.dsn, 80)
        until((logs / "postgres.log.1").exists)
        assert (logs / "postgres.log.1").read_text().count("nosuch") >= 80
        await complain(faulty.dsn, 1)
        assert "nosuch" in (logs / "postgres.log").read_text()
        os.kill(up.pid, signal.SIGKILL)
        up.nothing_is_left()
    assert "received immediate shutdown request" in (logs / "postgres.log").read_text()
