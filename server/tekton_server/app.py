"""The composition root: everything that `tekton up` runs, started in order and stopped in the opposite one."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from socket import gethostname

from sqlalchemy import make_url

from tekton_gateway import Collector, Envoy, GatewaySettings
from tekton_server.assembly import PART_DEADLINE, Assembly, PartFailedError
from tekton_server.config import ConfigError, Settings, resolve
from tekton_server.database import database_of
from tekton_server.domain import built_in
from tekton_server.fleet_files import Fleet
from tekton_server.host.machine import ThisMachine
from tekton_server.host.process import ThisProcess
from tekton_server.listening import unreachable
from tekton_server.live.metrics import Calls, Telemetry
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.resources.sampling import Root
from tekton_server.live.system import PHASES, SystemState
from tekton_server.means import launcher_of, means_of
from tekton_server.metrics_port import MetricsPort
from tekton_server.observed import Observed, observed
from tekton_server.premises import (
    NoAnswerError,
    answers,
    look_at_failpoints,
    own_directory,
    ports_are_free,
    reason,
    socket_directory,
)
from tekton_server.rotation import keep_short
from tekton_server.server import Server
from tekton_server.services.exposition import Exposition
from tekton_server.services.openapi import OPENMETRICS
from tekton_server.storage.data_directory import DataDirectoryLock
from tekton_server.storage.database import Database
from tekton_server.storage.embedded import EmbeddedPostgres
from tekton_server.storage.engine import create_engine
from tekton_server.storage.errors import StorageUnavailableError, is_full
from tekton_server.storage.migrate import migrate
from tekton_server.supervision import Part
from tekton_server.whole_fleet import WholeFleet

log = logging.getLogger(__name__)

# How long it takes at most to find out what an earlier Tekton has left running, before that keeps nobody waiting.
_SETTLE_WITHIN = 5.0
Progress = Callable[[str, str], None]
"""Told of each step: the start-up phase and a sentence."""


class Tekton:
    """One running control plane: database, server and gateway; `bare` is the server alone. Made by `run`.

    `embedded` is for a program that is not ours: database and server, on a Unix socket alone.
    """

    def __init__(
        self,
        settings: Settings,
        progress: Progress,
        *,
        bare: bool = False,
        embedded: bool = False,
        fleet: Fleet | None = None,
    ) -> None:
        self.settings = settings
        self._fleet = fleet
        self.state = SystemState()
        self.socket: Path | None = None
        self._bare = bare
        self._embedded = embedded
        self._progress = progress
        self._parts = Assembly(self.state)
        self._telemetry = Telemetry(Calls(), ThisProcess())
        self._observed = Observed()
        self._host = resolve(settings.host)
        # An address that only stands for all of this machine's is none that others can call.
        self._shown = gethostname() if self._host in ("0.0.0.0", "::") else settings.host
        self._names = (self._shown, *settings.allowed_hosts)
        self.database = "embedded"
        self.live: LiveRegistry
        self.server: Server
        self.gateway: Envoy | None = None

    async def wait_failed(self) -> None:
        """Wait until a part ends by itself.

        Raises:
            PartFailedError: naming the part.
        """
        await asyncio.shield(self._parts.failed)

    async def stop(self) -> None:
        """Stop what was started, last first; past the deadline, or when cancelled, end the rest by force."""
        await self._parts.stop()

    @property
    def failure(self) -> BaseException | None:
        """The PartFailedError that `wait_failed` raises, once a part has ended by itself."""
        return self._parts.failure

    async def _start(self) -> None:
        lock = await self._environment()
        look_at_failpoints()
        self._observed = observed(self.settings.otlp_endpoint)
        self._parts.on_stop("the export of traces", self._observed.stop)
        database = await self._database(lock)
        engine = create_engine(database)
        self._parts.on_stop("the pool of connections", engine.dispose)
        await self._migrate(database)
        self._step("startup", "loading the registry")
        timing, retention = self.settings.timing, self.settings.retention
        ceiling = self.settings.components.max_beats_per_second
        address = f"{self._shown}:{self._direct_port or self.settings.port}"
        # The embedded one is behind a lock that no other process can hold.
        alone = self.settings.database_url is None
        self.live = await LiveRegistry.open(
            engine, database, timing, retention, self._observed.parts, ceiling, address=address, alone=alone,
            routing=self.settings.routing_terms,
            sampler=self._sampler(), resource_terms=self.settings.resource_terms,
        )  # fmt: skip
        self.live.resources.roots = _own_processes
        if not self._embedded:
            settle_memory()
        self.live.build_in(self._shown, self.settings.port)
        if self._fleet is not None and not self._bare:
            self._equip(self._fleet, alone=alone)
        self.live.start(lambda error: self._parts.fail(f"the registry ended unexpectedly ({error})", error))
        self._parts.on_stop("the registry", self.live.stop)
        self.state.add_check("database", self._database_trouble)
        judge = self.live.leases.judge
        self.state.add_notice("self_preservation", lambda: judge.preservation.trouble)
        if (healer := self.live.healer) is not None:
            self.state.add_notice("healing", lambda: healer.notice)
        self.state.watch(judge.part)
        self.live.fleet.usual_timeout = self.settings.components.startup_timeout
        await self._open_metrics_port()
        await self._serve()
        self._parts.check()
        self._parts.supervisor.begin()
        # What was loaded could not beat before now.
        self.live.leases.judge.begin()
        if self.live.healer is not None:
            self.live.healer.begin()
        if self._fleet is not None and not self._bare:
            if not await self.live.lifecycle.settled(_SETTLE_WITHIN):
                log.warning("what runs of the components is not known yet; starts wait until it is")
            everything = WholeFleet(self.live.fleet, self.settings.components)
            self._parts.stop_deadline += everything.stops_within
            # The first to be stopped: they need everything else for that.
            self._parts.on_stop("the components", everything.stop)
            await everything.start(partial(self._step, "startup"), self._parts.failed)
        await self._verify()
        self._parts.check()
        self._step("ready", "serving")
        await self.server.set_serving(True)

    def _equip(self, fleet: Fleet, *, alone: bool) -> None:
        """Give the lifecycle what it launches with."""
        launcher = launcher_of(self.settings, fleet, self._host)
        self.live.resources.roots = lambda: _own_processes() | launcher.roots()
        # Below the registry in the stack: first nobody follows what runs, then it is let go.
        self._parts.stack.callback(launcher.close)
        self.live.lifecycle.equip(means_of(self.settings, fleet, launcher, alone=alone))
        self.live.heal(self.settings.healing)

    async def _environment(self) -> DataDirectoryLock | None:
        """Take the data directory, where there is one, and see to it that the ports are free."""
        lock = None
        if self._bare:
            self._step("environment", "the server alone, with a database elsewhere")
            if self.settings.database_url is None:
                raise ConfigError("a server alone needs a database: set --database-url or TEKTON_DATABASE_URL.")
            if self.settings.own_metrics_port == self._direct_port:
                raise ConfigError("monitoring.metrics_port must differ from the port that the server itself takes")
            await ports_are_free(self._host, None, self._direct_port, self.settings.own_metrics_port)
        else:
            self._step("environment", f"data directory {self.settings.data_path}")
            lock = DataDirectoryLock(self.settings.data_path)
            lock.acquire()
            self._parts.stack.callback(lock.release)
            if not self._embedded:
                wanted = self.settings
                await ports_are_free(self._host, wanted.port, wanted.grpc_port, wanted.metrics_port)
        return lock

    def _sampler(self) -> ThisMachine:
        return ThisMachine("/" if self._bare else str(self.settings.data_path))

    @property
    def _direct_port(self) -> int | None:
        """The server's own port beside the gateway; where there is none, it takes the gateway's place."""
        return (self.settings.grpc_port or self.settings.port) if self._bare else self.settings.grpc_port

    async def _database(self, lock: DataDirectoryLock | None) -> Database:
        if self.settings.database_url is not None:
            database = database_of(self.settings)
            self.database = database.shown
            self._step("dependencies", f"connecting to {self.database}")
            return database
        self._step("dependencies", "starting PostgreSQL")
        postgres = EmbeddedPostgres(
            self.settings.data_path, lock=lock, on_progress=lambda text: self._progress("dependencies", text)
        )
        await postgres.start()
        self._parts.on_stop("PostgreSQL", lambda: postgres.stop(PART_DEADLINE))
        ended = partial(_child_ended, postgres.wait, postgres.log_path)
        self._parts.supervise(Part("database", "PostgreSQL", ended, postgres.restart, patient=is_full))
        return Database(make_url(postgres.connection.url()), self.settings.terms)

    async def _migrate(self, database: Database) -> None:
        try:
            await migrate(database)
        except StorageUnavailableError as error:
            if self.settings.database_url is None:
                raise
            why = f"the database at {self.database} {error.problem} ({reason(error)}); {error.remedy}"
            raise ConfigError(why) from error

    async def _serve(self) -> None:
        self._step("startup", "starting the server")
        socket = None
        if not self._bare:
            socket = self._parts.stack.enter_context(socket_directory(self.settings.data_path)) / "server.sock"
            self.socket = socket
            # Lower in the stack than the server: streams hear that they end before the gateway is gone.
            self._parts.on_stop("the gateway", self._close_gateway)
        self._parts.on_stop("the server", self._stop_server)
        self.server = await self._new_server(socket)
        self.state.add_check("api")
        restart = partial(self._restart_server, socket)
        self._parts.supervise(Part("api", "the server's listener", lambda: self.server.unreachable(), restart))
        if self._embedded:
            self._keep_short("postgres.log")
        elif socket is not None:
            self._step("startup", "starting the gateway (Envoy)")
            await self._open_gateway(socket)
            self.state.add_check("gateway")

    async def _open_metrics_port(self) -> None:
        """Let scrapers ask this process itself, where that is configured: as long as there is something to tell."""
        number = self.settings.own_metrics_port if self._bare else self.settings.metrics_port
        if number is None or self._embedded:
            return
        exposition = Exposition(self.live, self.state, self._telemetry)
        port = MetricsPort(exposition.text, OPENMETRICS, (self.settings.host, *self._names))
        await port.start(self._host, number)
        self._parts.on_stop("the port of the metrics", port.stop)
        # Told with the health; who can do without metrics can go on, so it is tried for as long as it takes.
        self.state.add_notice("metrics")
        gone = partial(unreachable, (port.address,))
        self._parts.supervise(Part("metrics", "the port of the metrics", gone, port.restart, vital=False))

    async def _verify(self) -> None:
        if self.gateway is None:
            self._step("verification", "a call to the server")
            return await self.server.reachable()
        self._step("verification", "a call through the gateway")
        try:
            await answers(self._host, self.gateway.port)
        except NoAnswerError as error:
            raise PartFailedError(str(error)) from error

    async def _new_server(self, socket: Path | None) -> Server:
        trusted = self.settings.networks
        metrics = self.settings.monitoring.enable_metrics
        server = Server(self.live, self.state, self._telemetry, self._observed.interceptor, trusted, metrics=metrics)
        await server.start(socket=socket, host=self._host, port=self._direct_port)
        return server

    async def _restart_server(self, socket: Path | None) -> None:
        await self.server.abandon()
        self.server = await self._new_server(socket)
        await self.server.set_serving(True)

    async def _stop_server(self) -> None:
        await self.server.stop()

    async def _open_gateway(self, socket: Path) -> None:
        logs = own_directory(self.settings.data_path, "logs")
        collector = self.settings.collector
        settings = GatewaySettings(
            upstream=socket,
            host=self._host,
            port=self.settings.port,
            admin=socket.with_name("admin.sock"),
            allowed_hosts=self._names,
            collector=Collector(*collector) if collector else None,
            access_log=logs / "access.log" if collector else None,
        )
        log_path = logs / "envoy.log"

        async def start() -> None:
            self.gateway = await Envoy.start(settings, work_dir=socket.parent, log_path=log_path)

        async def ended() -> str:
            assert self.gateway is not None
            return await _child_ended(self.gateway.wait, log_path)

        await start()
        self._parts.supervise(Part("gateway", "the gateway (Envoy)", ended, start))
        self._keep_short("postgres.log", log_path.name, "access.log")

    def _keep_short(self, *names: str) -> None:
        kept, children = self.settings.logs, tuple(self.settings.data_path / "logs" / name for name in names)
        self._parts.keep(keep_short(children, kept.max_bytes, kept.keep), "keep the logs short")

    async def _close_gateway(self) -> None:
        if self.gateway is not None:
            await self.gateway.stop(PART_DEADLINE)

    def _database_trouble(self) -> str | None:
        return self.live.writer.trouble

    def _step(self, phase: str, text: str) -> None:
        if phase not in PHASES:
            raise ValueError(phase)
        self.state.enter(phase)
        self._progress(phase, text)


@asynccontextmanager
async def run(
    settings: Settings,
    progress: Progress = lambda phase, text: None,
    *,
    bare: bool = False,
    embedded: bool = False,
    fleet: Fleet | None = None,
) -> AsyncIterator[Tekton]:
    """Run a control plane for as long as the context is open; a failure half-way stops what was started.

    `bare` runs the server alone, without gateway and embedded database; it launches nothing. `embedded` runs it with
    the latter, without gateway and ports, and leaves the process around it as it is. `fleet` is what is launched, and
    runs on when the control plane ends; without one, what an earlier one has launched is left alone.

    Raises:
        ConfigError, EmbeddedPostgresError, GatewayError, ListenError, PartFailedError, SchemaTooNewError, TektonError:
            it cannot start.
    """
    tekton = Tekton(settings, progress, bare=bare, embedded=embedded, fleet=fleet)
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


def settle_memory() -> None:
    """Take what was loaded out of the garbage collector: walking it all again would stop every call for a while."""
    gc.collect()
    gc.freeze()
    # Many young objects live as long as a call; looking at them less often is looking at fewer.
    gc.set_threshold(20_000, 20, 20)


def _own_processes() -> dict[str, Root]:
    """Give where the processes of Tekton itself begin: the server, and the database and the gateway below it."""
    return {built_in.CORE_UUID: Root(os.getpid())}


async def _child_ended(wait: Callable[[], Awaitable[int]], log_path: Path) -> str:
    """Wait until a child process ends, and say how."""
    code = await wait()
    how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
    return f"{how}; its log is {log_path}"
