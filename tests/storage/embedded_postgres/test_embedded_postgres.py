"""The PostgreSQL inside Tekton: it starts by itself, is reached by its socket alone, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tekton_server.storage import socket_directory
from tekton_server.storage.cluster import PostgresFailed
from tekton_server.storage.data_directory import DataDirectoryLock, EmbeddedPostgresError
from tekton_server.storage.embedded import ConnectParams, EmbeddedPostgres
from tests.storage.embedded_postgres.owners import ask, family, mode_of
from tests.support.processes import ended


async def test_a_first_start_makes_everything(tmp_path: Path) -> None:
    """From no directory at all to a UTF-8 database with checksums, told to whoever waits."""
    told: list[str] = []
    server = EmbeddedPostgres(tmp_path / "new" / "data", on_progress=told.append)
    await server.start()
    try:
        params = server.connection
        assert (params.user, params.database) == ("tekton", "tekton")
        assert await ask(params, "SELECT current_user || ' ' || current_database()") == "tekton tekton"
        assert await ask(params, "SHOW server_encoding") == "UTF8"
        assert await ask(params, "SHOW data_checksums") == "on"
        assert await ask(params, "SELECT datlocale FROM pg_database WHERE datname = 'tekton'") == "C.UTF-8"
        assert told[0] == "creating the database (once)"
        assert mode_of(server.data_dir) == 0o700
    finally:
        await server.stop()


async def test_data_survives_a_restart(server: EmbeddedPostgres) -> None:
    """The same object starts again, and so does a new one on the same directory."""
    await ask(server.connection, "CREATE TABLE kept AS SELECT 42 AS answer")
    await server.stop()
    await server.start()
    assert await ask(server.connection, "SELECT answer FROM kept") == 42
    await server.stop()
    again = EmbeddedPostgres(server.data_dir)
    await again.start()
    assert await ask(again.connection, "SELECT answer FROM kept") == 42
    await again.stop()


async def test_a_start_on_an_existing_cluster_is_quick(data_dir: Path) -> None:
    """`tekton up` has seconds to be useful; its database takes a fraction of one."""
    server = EmbeddedPostgres(data_dir)
    begun = time.perf_counter()
    await server.start()
    took = time.perf_counter() - begun
    await server.stop()
    assert took < 2  # measured: 0.08 s; the margin is for a busy machine


async def test_stop_leaves_no_process_no_socket_and_no_lock(data_dir: Path) -> None:
    """Even with a client in the middle of a query."""
    server = EmbeddedPostgres(data_dir)
    await server.start()
    sockets = Path(server.connection.host)
    client = await asyncpg.connect(server.connection.dsn())
    sleeping = asyncio.create_task(client.execute("SELECT pg_sleep(60)"))
    processes = family(server.pid)
    await server.stop()
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await sleeping
    assert all(ended(pid, within=0) for pid in processes)
    assert not sockets.exists()
    DataDirectoryLock(data_dir).acquire()
    await server.stop()  # again: harmless


async def test_a_server_that_ends_by_itself_tells_its_supervisor(data_dir: Path) -> None:
    """wait() returns the exit, and after a stop the server can be started again with all that was committed."""
    server = EmbeddedPostgres(data_dir)
    await server.start()
    await ask(server.connection, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(server.pid, signal.SIGKILL)
    assert await asyncio.wait_for(server.wait(), 10) == -signal.SIGKILL
    await server.stop()
    await server.start()
    assert await ask(server.connection, "SELECT answer FROM kept") == 42
    await server.stop()


async def test_a_cancelled_start_leaves_nothing(data_dir: Path) -> None:
    """Cancellation while the server comes up ends it, and frees the directory."""
    server = EmbeddedPostgres(data_dir)
    starting = asyncio.create_task(server.start())
    async with asyncio.timeout(10):
        while server._child is None or not (data_dir / "postgres" / "postmaster.pid").exists():
            await asyncio.sleep(0)
    pid = server.pid
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert ended(pid, within=0)
    DataDirectoryLock(data_dir).acquire()


async def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    """One sentence with the server's own word and where the log is; nothing stays locked."""
    control = data_dir / "postgres" / "global" / "pg_control"
    control.write_bytes(b"\0" * control.stat().st_size)
    with pytest.raises(PostgresFailed, match=r"ended while it started \(exit 1\).*FATAL.*postgres\.log has more\.$"):
        await EmbeddedPostgres(data_dir).start()
    DataDirectoryLock(data_dir).acquire()


async def test_sqlalchemy_and_asyncpg_take_the_addresses(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the user's environment says about PostgreSQL."""
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGHOST", "example.invalid")
    engine = create_async_engine(server.connection.url())
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT current_user"))).scalar_one() == "tekton"
    await engine.dispose()
    assert await ask(server.connection, "SELECT current_user") == "tekton"


async def test_a_database_can_be_added(server: EmbeddedPostgres) -> None:
    """One for every test module, under any name."""
    await server.create_database('a "quoted" name/?')
    name = await ask(server.connection, "SELECT current_database()", database='a "quoted" name/?')
    assert name == 'a "quoted" name/?'
    engine = create_async_engine(server.connection.url('a "quoted" name/?'))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT current_database()"))).scalar_one() == name
    await engine.dispose()


async def test_an_unstarted_server_has_no_address(tmp_path: Path) -> None:
    """Asking too early is an error with a remedy, not a wrong address."""
    with pytest.raises(EmbeddedPostgresError, match="start it first"):
        _ = EmbeddedPostgres(tmp_path).connection


async def test_no_tcp_port_is_open(server: EmbeddedPostgres) -> None:
    """The socket is the only way in."""
    assert await ask(server.connection, "SHOW listen_addresses") == ""
    for pid in family(server.pid):
        with suppress(psutil.NoSuchProcess):  # a backend may end between the two looks
            assert psutil.Process(pid).net_connections(kind="inet") == []


async def test_only_our_user_reaches_the_socket(server: EmbeddedPostgres) -> None:
    """Directory, socket and cluster are closed to everybody else, and so is every other role."""
    sockets = Path(server.connection.host)
    assert mode_of(sockets) == 0o700
    assert mode_of(sockets / socket_directory.SOCKET) == 0o700
    assert mode_of(server.data_dir / "postgres") == 0o700
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(ConnectParams(server.connection.host, user="postgres").dsn())


async def test_settings_a_control_plane_depends_on(server: EmbeddedPostgres) -> None:
    """What is acknowledged is on disk."""
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await ask(server.connection, f"SHOW {name}") == "on"
    assert await ask(server.connection, "SHOW jit") == "off"


def test_addresses_quote_what_a_url_needs() -> None:
    """A host is a directory; only its odd characters are quoted."""
    params = ConnectParams("/run/tekton-0-ab")
    assert params.url() == "postgresql+asyncpg://tekton@/tekton?host=/run/tekton-0-ab&port=5432"
    assert params.dsn("other") == "postgresql://tekton@/other?host=/run/tekton-0-ab&port=5432"
    assert parse_qs(urlsplit(ConnectParams("/a b").dsn()).query)["host"] == ["/a b"]
