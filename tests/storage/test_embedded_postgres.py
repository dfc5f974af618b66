"""The PostgreSQL inside Tekton: it starts by itself, belongs to one Tekton alone, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import pwd
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tekton_server.storage import socket_directory, unprivileged
from tekton_server.storage.cluster import ClusterUnusable, PostgresFailed, binary
from tekton_server.storage.data_directory import (
    DataDirectoryLock,
    DataDirectoryLocked,
    DataDirectoryUnusable,
    EmbeddedPostgresError,
    ServerLeftBehind,
)
from tekton_server.storage.embedded import ConnectParams, EmbeddedPostgres
from tekton_server.storage.unprivileged import ClosedToAccount, Mode, choose_identity, choose_mode, mapped_account

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


def ended(pid: int, within: float = 10.0) -> bool:
    """Whether a process ends in time; the kernel wakes us."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], within)[0])
    finally:
        os.close(fd)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def ask(params: ConnectParams, query: str, database: str | None = None) -> object:
    connection = await asyncpg.connect(params.dsn(database))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that was started and stopped once; initdb is too slow to repeat for every test."""
    data_dir = tmp_path_factory.mktemp("template") / "data"

    async def make() -> None:
        server = EmbeddedPostgres(data_dir)
        await server.start()
        await server.stop()

    asyncio.run(make())
    return data_dir


@pytest.fixture
def data_dir(template: Path, tmp_path: Path) -> Path:
    """A data directory of the test's own, with a cluster that was stopped in order."""
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory every account can reach, unlike pytest's own."""
    place = Path(tempfile.mkdtemp(prefix="tekton-test-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


# Starting and stopping


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


# Reaching it


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


# Where it lives


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


# To whom it belongs


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


# As whom it runs


@pytest.mark.parametrize(
    ("euid", "has_account", "namespaces", "mode"),
    [
        (1000, True, True, Mode.DIRECT),
        (1000, True, False, Mode.DIRECT),
        (1000, False, True, Mode.NAMESPACE),
        (0, True, True, Mode.NAMESPACE),
        (0, True, False, Mode.ACCOUNT),
    ],
)
def test_the_way_to_run(euid: int, has_account: bool, namespaces: bool, mode: Mode) -> None:
    """An ordinary user runs as itself; root and the nameless in a namespace; root elsewhere as a lesser account."""
    assert choose_mode(euid=euid, has_account=has_account, namespaces=namespaces) is mode


def test_a_nameless_user_without_namespaces_is_told() -> None:
    """PostgreSQL needs a name for its user; an arbitrary uid in a strict container has none."""
    with pytest.raises(unprivileged.NoUnprivilegedIdentity, match="uid 1234, which has no account"):
        choose_mode(euid=1234, has_account=False, namespaces=False)


def test_a_namespace_never_shows_us_as_the_overflow_user() -> None:
    """Inside a namespace all strangers bear the overflow id: sharing it would let them all in."""
    root, nobody, other = (pwd.struct_passwd((name, "x", uid, uid, "", "/", "")) for name, uid in ACCOUNTS)
    assert mapped_account([root, nobody]) is None
    assert mapped_account([root, nobody, other]) == other


ACCOUNTS = (("root", 0), ("nobody", unprivileged._overflow_uid()), ("other", 1234))


@needs_root
async def test_root_in_a_namespace_keeps_every_file(tmp_path: Path) -> None:
    """The parent may be closed to all others; the cluster belongs to root, and nothing runs with privilege."""
    if (await choose_identity()).mode is not Mode.NAMESPACE:
        pytest.skip("user namespaces are refused here")
    assert mode_of(tmp_path) == 0o700
    server = EmbeddedPostgres(tmp_path / "data", mode=Mode.NAMESPACE)
    await server.start()
    assert {path.stat().st_uid for path in (tmp_path / "data" / "postgres").rglob("*")} == {0}
    capabilities = Path(f"/proc/{server.pid}/status").read_text().split("CapEff:")[1].split()[0]
    assert int(capabilities, 16) == 0
    await server.stop()


@needs_root
async def test_root_without_namespaces_uses_a_lesser_account(open_place: Path) -> None:
    """It owns the cluster and the socket directory, and nothing else; and root can go back to a namespace later."""
    data_dir = open_place / "data"
    server = EmbeddedPostgres(data_dir, mode=Mode.ACCOUNT)
    await server.start()
    account = psutil.Process(server.pid).uids().real
    assert account != 0
    assert await ask(server.connection, "SELECT current_user") == "tekton"
    assert {path.stat().st_uid for path in (data_dir / "postgres").rglob("*")} == {account}
    assert Path(server.connection.host).stat().st_uid == account
    assert mode_of(Path(server.connection.host)) == 0o700
    assert (data_dir.stat().st_uid, mode_of(data_dir), mode_of(open_place)) == (0, 0o710, 0o755)
    await server.stop()
    again = EmbeddedPostgres(data_dir)
    await again.start()
    assert await ask(again.connection, "SELECT current_user") == "tekton"
    await again.stop()


@needs_root
@needs_linux
def test_kill_9_leaves_no_postgres_of_a_lesser_account_either(open_place: Path) -> None:
    """A change of credentials clears the death signal; it is set after."""
    with owner(open_place / "data", mode=Mode.ACCOUNT) as process:
        pid, _ = ready(process)
        processes = family(pid)
        process.kill()
    assert all(ended(pid) for pid in processes)


@needs_root
async def test_a_parent_closed_to_the_account_is_named(data_dir: Path, tmp_path: Path) -> None:
    """The account cannot pass a private parent, which Tekton does not open: the sentence says where and what to do."""
    with pytest.raises(
        ClosedToAccount, match=r"cannot enter .*; choose a --data-dir .*or run Tekton as an ordinary user"
    ):
        await EmbeddedPostgres(data_dir, mode=Mode.ACCOUNT).start()
    assert mode_of(tmp_path) == 0o700


@needs_root
@pytest.mark.parametrize("uid", [65534, 54321], ids=["with an account", "without an account"])
def test_an_ordinary_user_needs_nothing_special(open_place: Path, uid: int) -> None:
    """Neither root nor, where namespaces are allowed, even a name."""
    interpreter = reachable_interpreter(uid)
    home = open_place / "home"
    home.mkdir(mode=0o700)
    os.chown(home, uid, uid)
    imports = [entry for entry in map(Path, sys.path) if entry.is_dir() and reachable(entry, uid)]
    environment = {"HOME": str(home), "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, imports))}
    options: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": (), "cwd": open_place, "env": environment}
    with owner(home / "data", interpreter=interpreter, **options) as process:
        pid, sockets = ready(process)
        assert psutil.Process(pid).uids().real == uid
        assert sockets.stat().st_uid == uid
        rest, _ = process.communicate("\n", timeout=20)
    assert rest.endswith("stopped\n")
    assert process.returncode == 0
    assert not sockets.exists()


def reachable(directory: Path, uid: int) -> bool:
    return unprivileged.closed_directory(directory, uid, uid) is None


def reachable_interpreter(uid: int) -> str:
    """An interpreter of our version that the user can run, along with Tekton and the PostgreSQL programs."""
    for needed in (Path(unprivileged.__file__).parent, binary("postgres").parent):
        if not reachable(needed, uid):
            pytest.skip(f"uid {uid} cannot reach {needed}")
    system = shutil.which(f"python3.{sys.version_info.minor}", path=os.defpath)
    for candidate in (sys.executable, system):
        if candidate and reachable(Path(candidate).resolve().parent, uid):
            return candidate
    pytest.skip(f"uid {uid} cannot reach a Python of this version")


def test_addresses_quote_what_a_url_needs() -> None:
    """A host is a directory; only its odd characters are quoted."""
    params = ConnectParams("/run/tekton-0-ab")
    assert params.url() == "postgresql+asyncpg://tekton@/tekton?host=/run/tekton-0-ab&port=5432"
    assert params.dsn("other") == "postgresql://tekton@/other?host=/run/tekton-0-ab&port=5432"
    assert parse_qs(urlsplit(ConnectParams("/a b").dsn()).query)["host"] == ["/a b"]
