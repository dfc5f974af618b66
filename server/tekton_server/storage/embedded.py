"""PostgreSQL as a part of Tekton: initialised, started, watched and stopped by us, reachable by us alone."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from tekton_server.process import ChildProcess, ChildStartError
from tekton_server.storage import cluster as clusters
from tekton_server.storage.cluster import ROLE, PostgresFailed, PostgresHasNoRoom
from tekton_server.storage.data_directory import (
    ClusterLock,
    DataDirectoryLock,
    EmbeddedPostgresError,
    ServerLeftBehind,
    has_room,
    unusable,
)
from tekton_server.storage.errors import no_room
from tekton_server.storage.socket_directory import (
    PORT,
    clear_socket_directory,
    close_socket_directory,
    open_socket_directory,
)
from tekton_server.storage.unprivileged import Identity, Mode, choose_identity, own_tree, require_passage

POLL = 0.01
START_DEADLINE = 30.0
RECOVERY_DEADLINE = 600.0
"""Replaying the log of a busy server takes minutes; giving up on it would only begin it again."""
PREDECESSOR_DEADLINE = 30.0
IMMEDIATE_DEADLINE = 8.0
"""A server told to quit at once kills its own stragglers after 5 seconds."""

# On the command line rather than in postgresql.conf: every release brings its own values to every cluster.
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_level": "replica",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class ConnectParams:
    """How to reach the server; its socket directory is the host."""

    host: str
    user: str = ROLE
    database: str = ROLE
    port: int = PORT

    def url(self, database: str | None = None) -> str:
        """For SQLAlchemy."""
        return self._format("postgresql+asyncpg", database)

    def dsn(self, database: str | None = None) -> str:
        """For asyncpg and libpq."""
        return self._format("postgresql", database)

    def _format(self, scheme: str, database: str | None) -> str:
        # The port is spelt out because asyncpg would otherwise take it from a PGPORT in the environment.
        path = quote(database or self.database, safe="")
        return f"{scheme}://{self.user}@/{path}?host={quote(self.host)}&port={self.port}"


class EmbeddedPostgres:
    """One PostgreSQL server on the cluster in `data_dir`/postgres.

    `lock` is the DataDirectoryLock of the same directory where the caller holds it already and goes on holding it until
    after `stop`; without one the server takes the directory for itself from `start` to `stop`. `mode` insists on a way
    to run instead of the best one for this machine. `on_progress` is told, in words for people, what takes time.

    `start` MUST be called on the thread that lives as long as the process (see ChildProcess.start). Killed -9, we leave
    nothing behind on Linux: the kernel tells PostgreSQL to quit at once.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        on_progress: Callable[[str], None] | None = None,
        lock: DataDirectoryLock | None = None,
        mode: Mode | None = None,
    ) -> None:
        if lock is not None and not lock.held:
            raise ValueError("a passed lock must be held")
        self.data_dir = data_dir.absolute()
        self.log_path = self.data_dir / "logs" / "postgres.log"
        self._cluster = self.data_dir / "postgres"
        self._on_progress = on_progress or (lambda _: None)
        self._own_lock = DataDirectoryLock(self.data_dir) if lock is None else None
        self._cluster_lock = ClusterLock(self.data_dir / "postgres.lock")
        self._mode = mode
        self._child: ChildProcess | None = None
        self._sockets: Path | None = None

    @property
    def connection(self) -> ConnectParams:
        if self._sockets is None:
            raise EmbeddedPostgresError("PostgreSQL is not running; start it first.")
        return ConnectParams(host=str(self._sockets))

    @property
    def pid(self) -> int:
        return self._running().pid

    async def start(self) -> None:
        """Return when the database accepts connections, its crash recovery included; on any failure leave nothing."""
        if self._child is not None:
            raise RuntimeError("this server is already started")
        if self._own_lock is not None:
            self._own_lock.acquire()
        try:
            identity, lock_fd = await self._prepare()
            self._child = await self._launch(identity, lock_fd)
            await self._become_ready(self._child)
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise unusable(self.data_dir, error) from error
            raise

    async def restart(self) -> None:
        """Start again after the server ended by itself, at the same address; after a failure it may be tried again."""
        child, self._child = self._child, None
        if child is not None:
            await self._stop_child(child, 0)
        self._cluster_lock.release()
        identity, lock_fd = await self._prepare()
        self._child = await self._launch(identity, lock_fd)
        await self._become_ready(self._child)

    async def stop(self, deadline: float = 10.0) -> None:
        """Disconnect everybody and end in order; past `deadline` end at once. No process and no socket is left."""
        child, self._child = self._child, None
        try:
            if child is not None:
                await self._stop_child(child, deadline)
        finally:
            if self._sockets is not None:
                close_socket_directory(self._sockets)
                self._sockets = None
            self._cluster_lock.release()
            if self._own_lock is not None:
                self._own_lock.release()

    async def wait(self) -> int:
        """The exit of the server, for a supervisor: its code, or minus the signal that ended it."""
        return await self._running().wait()

    async def create_database(self, name: str) -> None:
        """Create an empty database beside the main one."""
        connection = await self._connect("postgres")
        try:
            await _create_database(connection, name)
        finally:
            await connection.close()

    def _running(self) -> ChildProcess:
        if self._child is None:
            raise EmbeddedPostgresError("PostgreSQL is not running; start it first.")
        return self._child

    async def _prepare(self) -> tuple[Identity, int]:
        """Everything on disk that the server needs, made under the lock that proves its predecessor gone."""
        identity = await choose_identity(self._mode)
        require_passage(identity, self.data_dir, [self.data_dir, clusters.binary("postgres").parent])
        self.log_path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            lock_fd = await self._cluster_lock.acquire(PREDECESSOR_DEADLINE)
        except TimeoutError:
            raise ServerLeftBehind(
                f"The PostgreSQL server of an earlier Tekton still runs on {self._cluster}; "
                f"stop it with `kill -QUIT $(head -n 1 {self._cluster}/postmaster.pid)` and start Tekton again."
            ) from None
        if not clusters.exists(self._cluster):
            self._on_progress("creating the database (once)")
            await clusters.initialise(self._cluster, identity, log_path=self.log_path, lock_fd=lock_fd)
        own_tree(self._cluster, identity.owner)
        clusters.settle_pid_file(self._cluster, identity)
        clusters.write_access_rules(self._cluster, identity)
        if self._sockets is None:
            self._sockets = open_socket_directory(self.data_dir, identity)
        else:
            clear_socket_directory(self._sockets)
        return identity, lock_fd

    async def _launch(self, identity: Identity, lock_fd: int) -> ChildProcess:
        settings = SETTINGS | {"unix_socket_directories": self.connection.host}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        try:
            return await ChildProcess.start(
                [str(clusters.binary("postgres")), "-D", str(self._cluster), *options],
                name="postgres",
                log_path=self.log_path,
                env=clusters.environment(),
                death_signal=signal.SIGQUIT,  # PostgreSQL's immediate shutdown: its children end with it
                pass_fds=[lock_fd],
                run_as=identity.run_as,
            )
        except ChildStartError as error:
            raise PostgresFailed(f"PostgreSQL could not be started: {error}.") from error

    async def _become_ready(self, child: ChildProcess) -> None:
        connection = await self._first_connection(child)
        try:
            # Asked at every start: a first start may have been killed between initdb and here.
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", ROLE):
                await _create_database(connection, ROLE)
        finally:
            await connection.close()

    async def _first_connection(self, child: ChildProcess) -> asyncpg.Connection:
        clock = asyncio.get_running_loop().time
        started = reported = clock()
        deadline = started + START_DEADLINE
        while clock() < deadline:
            if child.returncode is not None:
                raise self._failed(f"PostgreSQL ended while it started (exit {child.returncode})")
            try:
                return await self._connect("postgres")
            except asyncpg.CannotConnectNowError as error:  # 57P03: alive, and recovering
                deadline = started + RECOVERY_DEADLINE
                # Every start passes through "starting up" for an instant; only what takes longer is worth a word.
                first = reported == started and "starting up" not in str(error)
                if first or clock() - reported >= 1:
                    reported = clock()
                    self._on_progress(f"waiting for PostgreSQL: {error} ({reported - started:.0f} s)")
            except (OSError, asyncpg.PostgresConnectionError):  # no socket yet, or one not served yet
                pass
            except asyncpg.PostgresError as error:
                raise self._failed(f"PostgreSQL refused Tekton ({error})") from error
            await asyncio.sleep(POLL)
        raise self._failed(f"PostgreSQL did not answer within {deadline - started:.0f} s")

    def _failed(self, what: str) -> PostgresFailed:
        lines = (self._child.log_tail() if self._child else "").splitlines()
        # Its own word for why, which is not always its last one.
        fatal = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines[-1:]
        full = not has_room(self._cluster)
        if full:
            fatal = [line for line in fatal if no_room(line)] or fatal
        said = f' ("{fatal[-1].strip()}")' if fatal else ""
        if full or no_room(said):
            return PostgresHasNoRoom(
                f"The disk that holds {self._cluster} is full; free some space there. {what}{said}."
            )
        return PostgresFailed(f"{what}{said}; {self.log_path} has more.")

    async def _connect(self, database: str) -> asyncpg.Connection:
        params = self.connection
        return await asyncpg.connect(
            host=params.host, port=params.port, user=params.user, database=database, ssl=False, timeout=5
        )

    async def _stop_child(self, child: ChildProcess, deadline: float) -> None:
        child.send_signal(signal.SIGINT)  # fast: SIGTERM would wait for every client to leave
        try:
            async with asyncio.timeout(deadline):
                await child.wait()
        except TimeoutError:
            pass
        finally:
            await child.stop(deadline=IMMEDIATE_DEADLINE, sig=signal.SIGQUIT)
        # Each backend leads a session of its own: one that outlived its server is out of reach of any group kill, but
        # ends by itself, and the lock it inherited says when.
        self._cluster_lock.release()
        try:
            await self._cluster_lock.acquire(IMMEDIATE_DEADLINE)
        except TimeoutError:
            self._on_progress(f"processes of PostgreSQL are still ending in {self._cluster}")


async def _create_database(connection: asyncpg.Connection, name: str) -> None:
    quoted = name.replace('"', '""')
    await connection.execute(f'CREATE DATABASE "{quoted}"')
