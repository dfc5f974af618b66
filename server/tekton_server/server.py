"""The gRPC server: a live registry behind listeners, with health and reflection."""

from __future__ import annotations

import contextlib
from pathlib import Path
from urllib.parse import quote

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from tekton.core.ids import Token, bracketed
from tekton_server import listening, services
from tekton_server.interceptors import CallInterceptor, Interceptor, around
from tekton_server.listening import Address, ListenError, callable_host
from tekton_server.live.metrics import Telemetry
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.system import SystemState
from tekton_server.services import reflection
from tekton_server.services.caller import Networks

# What is larger gRPC refuses in its own words; between this and limits.REQUEST_BYTES it is the documented error.
MAX_MESSAGE = 10 * 1024 * 1024
# As much as the gateway lets through, or calls with long headers fail at random.
MAX_METADATA = 64 * 1024
GRACE = 1.0
RECONNECT_AFTER = 1.0

_OPTIONS = (
    ("grpc.so_reuseport", 0),
    # Nobody is shown what it keeps: half a KiB of each connection that there ever was, and we try our listeners often.
    ("grpc.enable_channelz", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", 16 * 1024 * 1024),
    ("grpc.max_metadata_size", MAX_METADATA),
    ("grpc.absolute_max_metadata_size", 2 * MAX_METADATA),
    ("grpc.max_concurrent_streams", 20_000),
    # By default calls are cancelled at random once about a thousand wait.
    ("grpc.server.max_pending_requests", 8_192),
    ("grpc.server.max_pending_requests_hard_limit", 16_384),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class Server:
    """One grpc.aio server. `start` opens the listeners, `stop` ends every stream in good order."""

    def __init__(
        self,
        live: LiveRegistry,
        state: SystemState,
        telemetry: Telemetry,
        interceptor: Interceptor = CallInterceptor,
        trusted: Networks = (),
        *,
        metrics: bool = True,
    ) -> None:
        self._live = live
        self._state = state
        self._telemetry = telemetry
        self._trusted = trusted
        self._metrics = metrics
        self._token = Token(live.view.history_id, live.view.revision)
        self._handlers = around(self._revision, live.reach, telemetry.calls, interceptor)
        # Before all others: each call asks one after the other.
        self._server = aio.server(handlers=(self._handlers,), options=_OPTIONS)
        self._health = HealthServicer()
        self._addresses: list[Address] = []
        self.grpc_port: int | None = None

    async def start(self, *, socket: Path | None = None, host: str = "127.0.0.1", port: int | None = None) -> None:
        """Listen on a Unix socket, on a TCP port, or both.

        Raises:
            ListenError: an address is taken or may not be used.
        """
        ours = self._handlers.as_server
        services.register(ours, self._live, self._state, self._telemetry, self._trusted, metrics=self._metrics)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.register(self._server, (*services.SERVICES, _HEALTH))
        # The health servicer starts out serving; nobody shall see that before the last start-up phase.
        await self.set_serving(False)
        if socket is not None:
            with contextlib.suppress(FileNotFoundError):
                socket.unlink()
            # gRPC takes it for a URI.
            self._listen(f"unix:{quote(str(socket))}", str(socket))
            self._addresses.append(socket)
        if port is not None:
            self.grpc_port = self._listen(f"{bracketed(host)}:{port}", f"{host}:{port}")
            self._addresses.append((callable_host(host), self.grpc_port))
        await self._server.start()

    async def set_serving(self, serving: bool) -> None:
        """Tell grpc.health.v1 clients."""
        response = health_pb2.HealthCheckResponse
        status = response.SERVING if serving else response.NOT_SERVING
        for name in ("", *services.SERVICES):
            await self._health.set(name, status)

    async def stop(self) -> None:
        """Refuse new calls, end the streams, and give calls in progress a moment."""
        self._state.stopping = True
        await self.set_serving(False)
        self._live.end_watches(RECONNECT_AFTER)
        await self._server.stop(GRACE)

    async def abandon(self) -> None:
        """End a server that cannot be reached; its clients find the next one by themselves."""
        await self._server.stop(None)

    async def reachable(self) -> None:
        """Connect to each listener.

        Raises:
            ListenError: one is gone.
        """
        await listening.reachable(self._addresses)

    async def unreachable(self) -> str:
        """Return once a listener is gone, saying which."""
        return await listening.unreachable(self._addresses)

    def _listen(self, address: str, shown: str) -> int:
        try:
            port = int(self._server.add_insecure_port(address))
        except RuntimeError as error:
            raise ListenError(
                f"{shown} cannot be listened on: it is taken or not allowed; choose another with --grpc-port"
            ) from error
        return port

    def _revision(self) -> Token:
        """Give the present revision; the same object as long as it is the same."""
        view = self._live.view
        if self._token.revision != view.revision or self._token.history_id != view.history_id:
            self._token = Token(view.history_id, view.revision)
        return self._token


_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
