"""The composition root: everything that `tekton up` runs, started in order and stopped in the opposite one."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import re
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from socket import gethostname

from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_gateway import Envoy, GatewaySettings, PortInUseError
from tekton_gateway.envoy import check_port_is_free
from tekton_server.config import ConfigError, Settings, resolve
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.system import PHASES, SystemState
from tekton_server.server import ListenError, Server
from tekton_server.storage.data_directory import DataDirectoryLock, unusable
from tekton_server.storage.embedded import EmbeddedPostgres
from tekton_server.storage.engine import create_engine, parse_url
from tekton_server.storage.errors import StorageClosedError, StorageUnavailableError
from tekton_server.storage.migrate import migrate

log = logging.getLogger(__name__)

# Less than the ten seconds that container runtimes give.
STOP_DEADLINE = 8.0
# What each part gets of it before it is ended by force.
_PART_DEADLINE = 3.0
# Children of a Tekton that was killed get their signal after it is gone, and may hold its ports a moment longer.
_PORT_PATIENCE = 1.0
_MAX_SOCKET_PATH = 107

Progress = Callable[[str, str], None]
"""Told of each step: the start-up phase and a sentence."""


class PartFailedError(Exception):
    """A part of a running Tekton ended by itself; the text is one sentence, and a fault of ours is the cause."""


class Tekton:
    """One running control plane: database, server and gateway. Made by `run`."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.state = SystemState()
        self._progress = progress
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stack = AsyncExitStack()
        self.database = "embedded"
        self.live: LiveRegistry
        self.server: Server
        self.gateway: Envoy | None = None
        self._shown: str

    async def wait_failed(self) -> None:
        """Wait until a part ends by itself.

        Raises:
            PartFailedError: naming the part.
        """
        await asyncio.shield(self._failed)

    async def _start(self) -> None:
        self._step("environment", f"data directory {self.settings.data_path}")
        host = resolve(self.settings.host)
        lock = DataDirectoryLock(self.settings.data_path)
        lock.acquire()
        self._stack.callback(lock.release)
        await self._ports_are_free(host)
        url = await self._database(lock)
        engine = create_engine(url)
        self._on_stop("the pool of connections", engine.dispose)
        await self._migrate(engine)
        self._step("startup", "loading the registry")
        self.live = await LiveRegistry.open(engine, url, self.settings.timing, self.settings.retention)
        # An address that only stands for all of this machine's is none that others can call.
        self._shown = gethostname() if host in ("0.0.0.0", "::") else self.settings.host
        self.live.build_in(self._shown, self.settings.port)
        self.live.start(lambda error: self._fail(f"the registry ended unexpectedly ({error})", error))
        self._on_stop("the registry", self.live.stop)
        socket = await self._serve(host)
        self._step("startup", "starting the gateway (Envoy)")
        gateway = await self._open_gateway(socket, host)
        self._step("verification", "a call through the gateway")
        self.state.add_check("database", self._database_trouble)
        self.state.add_check("api", lambda: None)
        await _answers(host, gateway.port)
        if self._failed.done():
            await self._failed
        self._step("ready", "serving")
        await self.server.set_serving(True)

    async def _ports_are_free(self, host: str) -> None:
        """Look before anything is started; Envoy and gRPC still refuse what is taken in the meantime."""
        await _until_free(host, self.settings.port)
        if self.settings.grpc_port is not None:
            try:
                await _until_free(host, self.settings.grpc_port)
            except PortInUseError as error:
                raise ListenError(
                    f"{host}:{error.port} is taken by another process: stop it, "
                    "or choose another port (--grpc-port or TEKTON_GRPC_PORT)."
                ) from error

    async def _database(self, lock: DataDirectoryLock) -> URL:
        if self.settings.database_url is not None:
            try:
                # The shorter scheme is what many hosters print.
                url = parse_url(re.sub("^postgres:", "postgresql:", self.settings.database_url))
            except ValueError as error:
                raise ConfigError(f"the setting database_url (--database-url) is wrong: {error}") from error
            self.database = url.set(drivername="postgresql").render_as_string(hide_password=True)
            self._step("dependencies", f"connecting to {self.database}")
            return url
        self._step("dependencies", "starting PostgreSQL")
        postgres = EmbeddedPostgres(
            self.settings.data_path, lock=lock, on_progress=lambda text: self._progress("dependencies", text)
        )
        await postgres.start()
        self._on_stop("PostgreSQL", lambda: postgres.stop(_PART_DEADLINE))
        self._watch("PostgreSQL", postgres.wait, postgres.log_path)
        return make_url(postgres.connection.url())

    async def _migrate(self, engine: AsyncEngine) -> None:
        try:
            await migrate(engine)
        except StorageUnavailableError as error:
            if self.settings.database_url is None:
                raise
            wrong, remedy = "cannot be used", "start it, or leave database_url out to use the embedded one"
            if isinstance(error, StorageClosedError):
                wrong, remedy = "does not let Tekton in", "correct the address, or what its user may do"
            raise ConfigError(f"the database at {self.database} {wrong} ({_reason(error)}); {remedy}") from error

    async def _serve(self, host: str) -> Path:
        self._step("startup", "starting the server")
        directory = self._stack.enter_context(_socket_directory(self.settings.data_path))
        # Lower in the stack than the server: streams hear that they end before the gateway is gone.
        self._on_stop("the gateway", self._close_gateway)
        self.server = Server(self.live, self.state)
        socket = directory / "server.sock"
        self._on_stop("the server", self.server.stop)
        await self.server.start(socket=socket, host=host, port=self.settings.grpc_port)
        return socket

    async def _open_gateway(self, socket: Path, host: str) -> Envoy:
        gateway = GatewaySettings(
            upstream=socket,
            host=host,
            port=self.settings.port,
            admin=socket.with_name("admin.sock"),
            allowed_hosts=(self._shown, *self.settings.allowed_hosts),
        )
        log_path = _own_directory(self.settings.data_path, "logs") / "envoy.log"
        self.gateway = await Envoy.start(gateway, work_dir=socket.parent, log_path=log_path)
        self._watch("the gateway (Envoy)", self.gateway.wait, log_path)
        return self.gateway

    async def _close_gateway(self) -> None:
        if self.gateway is not None:
            await self.gateway.stop(_PART_DEADLINE)

    def _on_stop(self, part: str, stop: Callable[[], Awaitable[object]]) -> None:
        """Stop a part in its turn, and go on with the next one if that fails."""

        async def stopped() -> None:
            try:
                await stop()
            except Exception as error:
                log.error("%s did not stop in order", part, exc_info=error)

        self._stack.push_async_callback(stopped)

    def _watch(self, part: str, wait: Callable[[], Awaitable[int]], log_path: Path) -> None:
        """Notice when a child process ends; stopped before the child is, so that a stop is no failure."""

        async def watch() -> None:
            code = await wait()
            how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
            self._fail(f"{part} ended unexpectedly ({how}); its log is {log_path}")

        task = asyncio.create_task(watch(), name=f"watch {part}")
        self._stack.push_async_callback(_cancelled, task)

    def _fail(self, sentence: str, cause: BaseException | None = None) -> None:
        if not self._failed.done():
            failure = PartFailedError(sentence)
            failure.__cause__ = cause
            self._failed.set_exception(failure)

    def _database_trouble(self) -> str | None:
        since = self.live.writer.down_since
        return None if since is None else "the database does not answer"

    def _step(self, phase: str, text: str) -> None:
        if phase not in PHASES:
            raise ValueError(phase)
        self.state.enter(phase)
        self._progress(phase, text)

    @property
    def failure(self) -> BaseException | None:
        """The PartFailedError that `wait_failed` raises, once a part has ended by itself."""
        return self._failed.exception() if self._failed.done() and not self._failed.cancelled() else None

    async def stop(self) -> None:
        """Stop what was started, last first; past the deadline, or when cancelled, end the rest by force."""
        self._failed.cancel()
        closing = asyncio.create_task(self._stack.aclose(), name="stop")
        try:
            await asyncio.wait([closing], timeout=STOP_DEADLINE)
            if not closing.done():
                log.error("the stop took more than %g s; what is left is ended by force", STOP_DEADLINE)
        finally:
            await _forced(closing)


@asynccontextmanager
async def run(settings: Settings, progress: Progress = lambda phase, text: None) -> AsyncIterator[Tekton]:
    """Run a control plane for as long as the context is open; a failure half-way stops what was started.

    Raises:
        ConfigError, EmbeddedPostgresError, GatewayError, ListenError, PartFailedError, SchemaTooNewError, TektonError:
            it cannot start.
    """
    tekton = Tekton(settings, progress)
    try:
        try:
            await tekton._start()
        except Exception as error:
            # What else failed then failed because of it.
            if tekton.failure is not None:
                raise tekton.failure from error
            raise
        yield tekton
    finally:
        await tekton.stop()


async def _forced(closing: asyncio.Task[None]) -> None:
    """Cancel whatever a stop still waits for, part after part; a cancelled part kills its child."""
    if closing.done():
        return closing.result()
    while not closing.done():
        closing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([closing], timeout=0.1)
    # The killed are reaped meanwhile: left to a slow init, the next PostgreSQL would take a dead pid for a living one.
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0.2)
    return None if closing.cancelled() else closing.result()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _until_free(host: str, port: int) -> None:
    settings = GatewaySettings(upstream=(host, port), host=host, port=port)
    deadline = time.monotonic() + _PORT_PATIENCE
    while True:
        try:
            return check_port_is_free(settings)
        except PortInUseError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.05)


async def _answers(host: str, port: int) -> None:
    """Make the call that a user would make first.

    Raises:
        PartFailedError: it does not come back well.
    """

    def status() -> int:
        with contextlib.closing(http.client.HTTPConnection(host, port, timeout=5)) as connection:
            connection.request("GET", "/api/health")
            return connection.getresponse().status

    try:
        answer = await asyncio.to_thread(status)
    except (OSError, http.client.HTTPException) as error:
        raise PartFailedError(f"the gateway does not answer on {host}:{port} ({_reason(error)})") from error
    if answer != http.HTTPStatus.OK:
        raise PartFailedError(f"the server does not answer through the gateway (status {answer})")


def _reason(error: BaseException) -> str:
    """Give the driver's own words, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _own_directory(data_dir: Path, name: str) -> Path:
    directory = data_dir / name
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise unusable(data_dir, error) from error
    return directory


@contextlib.contextmanager
def _socket_directory(data_dir: Path) -> Iterator[Path]:
    """Open a private directory for the server's own sockets, short enough for the system's limit."""
    if len(str(data_dir / "gateway" / "server.sock").encode()) <= _MAX_SOCKET_PATH:
        yield _own_directory(data_dir, "gateway")
    else:
        with tempfile.TemporaryDirectory(prefix="tekton-") as name:
            yield Path(name)
