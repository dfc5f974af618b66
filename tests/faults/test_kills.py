"""kill -9 of each part under load: what callers, watchers and components saw agrees with the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.faults.history import violations
from tests.faults.load import journal, load
from tests.faults.running import TIMEOUT, Faulty
from tests.support.processes import Up

# As many as several seconds of load bring.
MORE = 60


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Faulty:
    """A data directory and ports for the tests of this module."""
    return Faulty(tmp_path_factory.mktemp("k"))


@pytest.fixture(scope="module")
def tekton(faulty: Faulty) -> Iterator[Up]:
    """One Tekton, which outlives the loss of its children."""
    with faulty.up() as up:
        yield up.ready()
        assert "Traceback" not in up.text
        assert up.stop() == 0


async def writers_backend(dsn: str) -> int:
    """Find the process in which PostgreSQL serves the writer."""
    connection = await asyncpg.connect(dsn)
    try:
        asked = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tekton-writer'"
        pid: int = await connection.fetchval(asked)
    finally:
        await connection.close()
    return pid


async def victim(name: str, tekton: Up, faulty: Faulty) -> psutil.Process:
    """Find the process to kill."""
    return psutil.Process(await writers_backend(faulty.dsn)) if name == "backend" else tekton.child(name)


@pytest.mark.parametrize("part", ["postgres", "backend", "envoy"])
async def test_a_part_that_is_killed_loses_nothing_and_fails_nobody(part: str, tekton: Up, faulty: Faulty) -> None:
    """PostgreSQL as a whole, the backend that serves the writer, Envoy: Tekton goes on, and so does everybody else."""
    async with load(faulty.where) as running:
        (await victim(part, tekton, faulty)).kill()
        await asyncio.gather(running.history.more(MORE), asyncio.sleep(TIMEOUT))
        await running.end()
        wrong = violations(running.history, await journal(faulty.dsn))
    assert not wrong, wrong
    assert any(watch.connections > 1 for watch in running.history.watches) == (part == "envoy")


async def test_a_server_that_is_killed_loses_nothing_and_fails_nobody(tmp_path: Path) -> None:
    """All of `tekton up` ends; started again on the same data directory, it goes on where everybody saw it last."""
    faulty = Faulty(tmp_path)
    with ExitStack() as servers:
        tekton = servers.enter_context(faulty.up()).ready()
        async with load(faulty.where) as running:
            psutil.Process(tekton.pid).kill()
            await asyncio.to_thread(tekton.wait)
            again = servers.enter_context(faulty.up())
            await asyncio.to_thread(again.ready)
            await asyncio.gather(running.history.more(MORE), asyncio.sleep(TIMEOUT))
            await running.end()
            wrong = violations(running.history, await journal(faulty.dsn))
        assert not wrong, wrong
        assert all(watch.connections > 1 for watch in running.history.watches)
        assert again.stop() == 0
