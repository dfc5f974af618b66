"""Where the PostgreSQL inside Tekton lives, and that it belongs to one Tekton alone."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tekton_server.storage import socket_directory
from tekton_server.storage.cluster import ClusterUnusable
from tekton_server.storage.data_directory import (
    DataDirectoryLock,
    DataDirectoryLocked,
    DataDirectoryUnusable,
    ServerLeftBehind,
)
from tekton_server.storage.embedded import ConnectParams, EmbeddedPostgres
from tekton_server.storage.unprivileged import choose_identity
from tests.storage.embedded_postgres.owners import ask, family, mode_of, needs_linux, owner, ready
from tests.support.processes import ended


@pytest.mark.parametrize("name", ["with space", "grüße-日本", 'it\'s "quoted", $HOME: {a}', "-dash"])
async def test_any_name_of_a_directory_works(template: Path, tmp_path: Path, name: str) -> None:
    """Names that PostgreSQL's lists, shells or URLs would trip over."""
    data_dir = shutil.copytree(template, tmp_path / name)
    server = EmbeddedPostgres(data_dir)
    await server.start()
    assert await ask(server.connection, "SHOW data_directory") == str(data_dir / "postgres")
    await server.stop()


async def test_initdb_takes_any_name_too(tmp_path: Path) -> None:
    """A first start in a directory with spaces, quotes and foreign letters."""
    server = EmbeddedPostgres(tmp_path / "ein \"Ort\" mit 'allem' ü")
    await server.start()
    await server.stop()


async def test_a_long_path_gets_a_short_private_socket_directory(template: Path, tmp_path: Path) -> None:
    """A socket's path holds 107 bytes; the directory chosen instead is private, always the same, and removed."""
    long = tmp_path / ("x" * 60) / ("y" * 60)
    long.mkdir(parents=True)
    server = EmbeddedPostgres(Path(shutil.copytree(template, long / "data")))
    chosen = []
    for _ in range(2):
        await server.start()
        sockets = Path(server.connection.host)
        chosen.append(sockets)
        assert len(os.fsencode(sockets / socket_directory.SOCKET)) <= socket_directory.MAX_SOCKET_PATH
        assert mode_of(sockets) == 0o700
        await server.stop()
        assert not sockets.exists()
    assert chosen[0] == chosen[1]
    assert not chosen[0].is_relative_to(server.data_dir)


async def test_a_strangers_directory_under_our_name_is_not_used(
    open_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever prepares our socket directory in a shared temporary directory is passed over: here, a link."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_place))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    identity = await choose_identity()
    data_dir = tmp_path / "with space"
    data_dir.mkdir()
    ours = socket_directory.open_socket_directory(data_dir, identity)
    assert ours.parent == open_place
    socket_directory.close_socket_directory(ours)
    ours.symlink_to(tmp_path)
    other = socket_directory.open_socket_directory(data_dir, identity)
    assert other != ours
    assert mode_of(other) == 0o700
    socket_directory.close_socket_directory(other)


async def test_no_parent_is_touched(template: Path, tmp_path: Path) -> None:
    """Existing parents keep their modes; new ones get ordinary ones."""
    parent = tmp_path / "shared"
    parent.mkdir()
    parent.chmod(0o2751)
    before = [(path, path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in parent.parents]
    server = EmbeddedPostgres(Path(shutil.copytree(template, parent / "data")))
    await server.start()
    await server.stop()
    assert mode_of(parent) == 0o2751
    assert [(path, path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in parent.parents] == before


async def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file in the way, and a folder that holds something else."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryUnusable, match="choose another with --data-dir"):
        await EmbeddedPostgres(tmp_path / "file").start()
    (tmp_path / "data" / "postgres" / "precious").mkdir(parents=True)
    with pytest.raises(ClusterUnusable, match="holds no PostgreSQL cluster"):
        await EmbeddedPostgres(tmp_path / "data").start()
    assert (tmp_path / "data" / "postgres" / "precious").exists()


async def test_a_cluster_of_another_major_version_is_refused(data_dir: Path) -> None:
    """The sentence names both versions and the way over."""
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ClusterUnusable, match=r"PostgreSQL 16 and this Tekton runs 18; move it over with pg_upgrade"):
        await EmbeddedPostgres(data_dir).start()


async def test_two_starts_on_one_directory_are_refused(server: EmbeddedPostgres) -> None:
    """The second is told the directory, the pid and what to do; the first goes on."""
    with pytest.raises(DataDirectoryLocked) as refused:
        await EmbeddedPostgres(server.data_dir).start()
    message = str(refused.value)
    assert str(server.data_dir) in message
    assert f"pid {os.getpid()}" in message
    assert "--data-dir" in message
    assert await ask(server.connection, "SELECT 1") == 1


async def test_a_lock_can_be_the_callers(data_dir: Path) -> None:
    """`tekton up` owns its directory with any database; the server then neither takes the lock nor releases it."""
    lock = DataDirectoryLock(data_dir)
    with pytest.raises(ValueError, match="must be held"):
        EmbeddedPostgres(data_dir, lock=lock)
    lock.acquire()
    server = EmbeddedPostgres(data_dir, lock=lock)
    await server.start()
    await server.stop()
    with pytest.raises(DataDirectoryLocked):
        DataDirectoryLock(data_dir).acquire()
    lock.release()
    DataDirectoryLock(data_dir).acquire()


@needs_linux
async def test_kill_9_of_the_owner_leaves_no_postgres_and_the_next_start_works(data_dir: Path) -> None:
    """No postmaster, no backend; what was committed is there."""
    with owner(data_dir) as process:
        pid, sockets = ready(process)
        await ask(ConnectParams(str(sockets)), "CREATE TABLE kept AS SELECT 42 AS answer")
        processes = family(pid)
        assert len(processes) > 3
        process.kill()
    assert all(ended(pid) for pid in processes)
    server = EmbeddedPostgres(data_dir)
    await server.start()
    assert await ask(server.connection, "SELECT answer FROM kept") == 42
    await server.stop()


@needs_linux
async def test_a_start_right_after_kill_9_waits_for_the_last_backend(data_dir: Path) -> None:
    """A predecessor that is still ending is waited for, and crash recovery too, with progress told."""
    with owner(data_dir) as process:
        pid, sockets = ready(process)
        await ask(
            ConnectParams(str(sockets)), "CREATE TABLE big AS SELECT repeat('x', 500) FROM generate_series(1, 50000)"
        )
        processes = family(pid)
        process.kill()
    told: list[str] = []
    server = EmbeddedPostgres(data_dir, on_progress=told.append)
    await server.start()
    assert all(ended(pid, within=0) for pid in processes)
    assert await ask(server.connection, "SELECT count(*) FROM big") == 50000
    assert any(line.startswith("waiting for PostgreSQL: the database system is") for line in told)
    await server.stop()


@needs_linux
async def test_a_predecessor_that_nobody_has_reaped_does_not_stop_the_next_one(data_dir: Path) -> None:
    """In a container whose first process does not reap, a killed server stays listed for ever."""
    with subprocess.Popen(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        (data_dir / "postgres" / "postmaster.pid").write_text(f"{zombie.pid}\n{data_dir / 'postgres'}\n1\n5432\n")
        server = EmbeddedPostgres(data_dir)
        await server.start()
        await server.stop()


@needs_linux
async def test_a_recycled_pid_is_neither_believed_nor_killed(data_dir: Path) -> None:
    """A postmaster.pid that names a living stranger of our own user stops nothing, and nobody."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (data_dir / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{data_dir / 'postgres'}\n1\n5432\n")
        server = EmbeddedPostgres(data_dir)
        await server.start()
        await server.stop()
        assert stranger.poll() is None
        stranger.kill()


@needs_linux
async def test_a_server_somebody_else_started_there_is_refused(data_dir: Path) -> None:
    """A process that works in the cluster under the recorded pid is no stranger, and not ours to stop."""
    cluster = data_dir / "postgres"
    with subprocess.Popen(["sleep", "60"], cwd=cluster) as other:
        (cluster / "postmaster.pid").write_text(f"{other.pid}\n{cluster}\n1\n5432\n")
        with pytest.raises(ServerLeftBehind, match=rf"pid {other.pid}\) is running on .*`kill -INT {other.pid}`"):
            await EmbeddedPostgres(data_dir).start()
        assert other.poll() is None
        other.kill()


@needs_linux
async def test_a_killed_initdb_leaves_no_half_cluster(tmp_path: Path) -> None:
    """The next start begins anew and clears what the killed one left."""
    data_dir = tmp_path / "data"
    with owner(data_dir) as process:
        deadline = time.monotonic() + 10
        while not list(data_dir.glob("postgres.initdb-*/base")):
            assert time.monotonic() < deadline
            await asyncio.sleep(0)
        process.kill()
    assert not (data_dir / "postgres").exists()
    server = EmbeddedPostgres(data_dir)
    await server.start()
    assert await ask(server.connection, "SELECT 1") == 1
    await server.stop()
    assert not list(data_dir.glob("postgres.initdb-*"))
