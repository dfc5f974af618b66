"""The composition root: everything that `tekton up` runs, started in order and stopped in the opposite one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from tekton_gateway import Envoy, GatewaySettings

from tekton_server.config import ConfigError, Settings
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.system import PHASES, SystemState
from tekton_server.server import Server
from tekton_server.storage.data_directory import DataDirectoryLock
from tekton_server.storage.embedded import EmbeddedPostgres
from tekton_server.storage.engine import create_engine, parse_url
from tekton_server.storage.errors import StorageUnavailableError
from tekton_server.storage.migrate import migrate

log = logging.getLogger(__name__)

STOP_DEADLINE = 10.0
_MAX_SOCKET_PATH = 107

Progress = Callable[[str, str], None]
"""Told of each step: the start-up phase and a sentence."""


class PartFailedError(Exception):
    """A part of a running Tekton ended by itself."""


class Tekton:
    """One running control plane: database, server and gateway. Made by `run`."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.state = SystemState()
        self._progress = progress
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stack = AsyncExitStack()
        self.live: LiveRegistry
        self.server: Server
        self.gateway: Envoy | None = None

    async def wait_failed(self) -> None:
        """Wait until a part ends by itself.

        Raises:
            PartFailedError: naming the part.
        """
        await asyncio.shield(self._failed)

    async def _start(self) -> None:
        self._step("environment", f"data directory {self.settings.data_path}")
        lock = DataDirectoryLock(self.settings.data_path)
        lock.acquire()
        self._stack.callback(lock.release)
        self._step("dependencies", "database")
        url = await self._database(lock)
        engine = create_engine(url)
        self._stack.push_async_callback(engine.dispose)
        await self._migrate(engine)
        self._step("startup", "registry")
        self.live = await LiveRegistry.open(engine, url, self.settings.timing)
        self.live.start(lambda error: self._fail("the registry", error))
        self._stack.push_async_callback(self.live.stop)
        socket = await self._serve()
        self._step("startup", "gateway")
        await self._open_gateway(socket)
        self._step("verification", "health")
        self.state.add_check("database", self._database_trouble)
        self.state.add_check("api", lambda: None)
        self._step("ready", "serving")
        await self.server.set_serving(True)

    async def _database(self, lock: DataDirectoryLock) -> URL:
        if self.settings.database_url is not None:
            try:
                return parse_url(self.settings.database_url)
            except ValueError as error:
                raise ConfigError(f"database_url is wrong: {error}") from error
        postgres = EmbeddedPostgres(
            self.settings.data_path, lock=lock, on_progress=lambda text: self._progress("dependencies", text)
        )
        await postgres.start()
        self._stack.push_async_callback(postgres.stop, STOP_DEADLINE)
        self._watch("PostgreSQL", postgres.wait)
        return make_url(postgres.connection.url())

    async def _migrate(self, engine: AsyncEngine) -> None:
        try:
            await migrate(engine)
        except StorageUnavailableError as error:
            shown = engine.url.set(drivername="postgresql").render_as_string(hide_password=True)
            raise ConfigError(
                f"the database at {shown} cannot be used ({error.__cause__}); "
                "start it, or leave database_url out to use the embedded one"
            ) from error

    async def _serve(self) -> Path:
        self._step("startup", "server")
        directory = self._stack.enter_context(_socket_directory(self.settings.data_path))
        # Lower in the stack than the server: streams hear that they end before the gateway is gone.
        self._stack.push_async_callback(self._close_gateway)
        self.server = Server(self.live, self.state)
        socket = directory / "server.sock"
        self._stack.push_async_callback(self.server.stop)
        await self.server.start(socket=socket, host=self.settings.host, port=self.settings.grpc_port)
        return socket

    async def _open_gateway(self, socket: Path) -> None:
        gateway = GatewaySettings(
            upstream=socket, host=_ip(self.settings.host), port=self.settings.port, admin=socket.with_name("admin.sock")
        )
        logs = self.settings.data_path / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        self.gateway = await Envoy.start(gateway, work_dir=socket.parent, log_path=logs / "envoy.log")
        self._watch("the gateway (Envoy)", self.gateway.wait)

    async def _close_gateway(self) -> None:
        if self.gateway is not None:
            await self.gateway.stop(STOP_DEADLINE)

    def _watch(self, part: str, wait: Callable[[], Awaitable[int]]) -> None:
        """Notice when a child process ends; stopped before the child is, so that a stop is no failure."""

        async def watch() -> None:
            code = await wait()
            self._fail(part, RuntimeError(f"it exited with status {code}"))

        task = asyncio.create_task(watch(), name=f"watch {part}")
        self._stack.push_async_callback(_cancelled, task)

    def _fail(self, part: str, error: BaseException) -> None:
        log.error("%s failed", part, exc_info=error)
        if not self._failed.done():
            self._failed.set_exception(PartFailedError(f"{part} ended unexpectedly: {error}; the log has more"))

    def _database_trouble(self) -> str | None:
        since = self.live.writer.down_since
        return None if since is None else "the database does not answer"

    def _step(self, phase: str, text: str) -> None:
        if phase not in PHASES:
            raise ValueError(phase)
        self.state.enter(phase)
        self._progress(phase, text)

    async def stop(self) -> None:
        """Stop what was started, last first."""
        self._failed.cancel()
        await self._stack.aclose()


@asynccontextmanager
async def run(settings: Settings, progress: Progress = lambda phase, text: None) -> AsyncIterator[Tekton]:
    """Run a control plane for as long as the context is open; a failure half-way stops what was started.

    Raises:
        ConfigError, EmbeddedPostgresError, GatewayError, ListenError, SchemaTooNewError, TektonError: it cannot start.
    """
    tekton = Tekton(settings, progress)
    try:
        await tekton._start()
        yield tekton
    finally:
        await tekton.stop()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@contextlib.contextmanager
def _socket_directory(data_dir: Path) -> Iterator[Path]:
    """Open a private directory for the server's own sockets, short enough for the system's limit."""
    directory = data_dir / "gateway"
    if len(str(directory / "server.sock").encode()) <= _MAX_SOCKET_PATH:
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
        yield directory
    else:
        with tempfile.TemporaryDirectory(prefix="tekton-") as name:
            yield Path(name)


def _ip(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host
