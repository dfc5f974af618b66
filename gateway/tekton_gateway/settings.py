"""What a gateway can be told. Every limit is here, so that none is Envoy's by accident."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tekton_gateway.failures import GatewayError

SocketAddress = tuple[str, int]
"""A host and a port."""

LOG_LEVELS = ("trace", "debug", "info", "warning", "error", "critical", "off")
STREAM_WINDOW = 64 * 1024
"""How much of one stream may wait for its reader, in bytes. Envoy allows no less than 65,535."""
MAX_CONNECTION_WINDOW = 2**31 - 1
MAX_STREAM_LIMIT = MAX_CONNECTION_WINDOW // STREAM_WINDOW


_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
MAX_SOCKET_PATH = 107
"""The kernel's limit, in bytes."""


@dataclass(frozen=True)
class Collector:
    """Who is told of calls, by OTLP over gRPC."""

    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """One gateway: where it listens, whom it serves, and its limits. Times are seconds, sizes bytes."""

    upstream: Path | SocketAddress | tuple[SocketAddress, ...]
    """The server's own gRPC listener: a Unix socket, or host and port where the two run in different containers.

    Several servers are given as a tuple of such pairs: calls go to those that say that they serve.
    """
    host: str = "127.0.0.1"
    """The IP address to listen on; localhost is 127.0.0.1."""
    port: int = 8010
    """0 takes a free one; `Envoy.port` tells which."""
    allowed_hosts: tuple[str, ...] = ()
    """By which names and addresses HTTP clients may call it, besides `host` and the loopback; without ports."""
    admin: Path | None = None
    """The Unix socket of Envoy's admin interface. It MUST lie in a private directory. None: no admin interface."""

    stream_limit: int = 8192
    """How many streams, and how many unary calls besides, may be open at once."""
    max_request_bytes: int = 1024 * 1024
    """The longest REST body. Native gRPC messages are limited by the server."""
    max_response_bytes: int = 16 * 1024 * 1024
    """The longest REST reply that is not a stream: it is turned into JSON as a whole."""
    max_headers: int = 100
    max_header_kib: int = 16
    """The most request headers. The server MUST accept as much metadata, or it fails such calls at random."""
    buffer_bytes: int = 256 * 1024
    """How much Envoy keeps for one client that does not read."""

    unary_timeout: float = 15.0
    """How long a unary call may take when the client says nothing."""
    max_unary_timeout: float = 300.0
    """The longest deadline (grpc-timeout) of a unary call that is honoured."""
    patient_timeout: float = 3700.0
    """The longest that a call takes which waits for processes: a stop may give them an hour."""
    connect_timeout: float = 1.0
    """How long to try to reach the server."""
    request_idle_timeout: float = 30.0
    """How long a client may stall while it sends a request. Streams may be silent for ever."""

    connection_limit: int = 16384
    """How many clients may be connected at once; more are turned away."""
    concurrency: int = 2
    """Worker threads."""
    log_level: str = "warning"

    collector: Collector | None = None
    """Where to send a span of each call. None: calls are not traced."""
    access_log: Path | None = None
    """The file that gets a line of JSON for each call. None: there is none."""

    def __post_init__(self) -> None:
        """Refuse what Envoy would refuse later and less clearly."""
        if not 1 <= self.stream_limit <= MAX_STREAM_LIMIT:
            raise GatewayError(f"stream_limit is {self.stream_limit}: choose 1 to {MAX_STREAM_LIMIT}.")
        if not 0 <= self.port <= 65535:
            raise GatewayError(f"port is {self.port}: choose 1 to 65535, or 0 for any free one.")
        if self.host != "localhost" and not _is_ip(self.host):
            raise GatewayError(f"host is {self.host!r}: choose an IP address to listen on, such as 127.0.0.1.")
        for name in self.allowed_hosts:
            if not _is_ip(name) and not _HOST_NAME.fullmatch(name):
                raise GatewayError(f"allowed_hosts has {name!r}: name hosts only, such as tekton.example.com.")
        if self.log_level not in LOG_LEVELS:
            raise GatewayError(f"log_level is {self.log_level!r}: choose one of {', '.join(LOG_LEVELS)}.")
        for path in (self.upstream, self.admin):
            if isinstance(path, Path):
                check_socket_path(path)
        self._check_servers()

    def _check_servers(self) -> None:
        if self.upstream == ():
            raise GatewayError("upstream names no server: name one as host and port.")
        for host, port in self.servers:
            if not (_is_ip(host) or _HOST_NAME.fullmatch(host)) or not 1 <= port <= 65535:
                raise GatewayError(f"upstream has {host!r}, {port}: name a host and a port, such as server, 8011.")

    @property
    def servers(self) -> tuple[SocketAddress, ...]:
        """The servers where they are reached over TCP; none behind a Unix socket."""
        if isinstance(self.upstream, Path):
            return ()
        first = self.upstream[0] if self.upstream else ()
        return cast("tuple[SocketAddress, ...]", (self.upstream,) if isinstance(first, str) else self.upstream)

    @property
    def address(self) -> SocketAddress:
        """Where to listen, as Envoy wants it: by number."""
        return ("127.0.0.1" if self.host == "localhost" else self.host, self.port)

    @property
    def is_on_every_address(self) -> bool:
        """Whether it listens on all addresses of the machine, whichever those are."""
        return ipaddress.ip_address(self.address[0]).is_unspecified

    @property
    def host_names(self) -> tuple[str, ...]:
        """What the Host header of HTTP clients may say, in lower case."""
        hosts = ("localhost", "127.0.0.1", "::1", self.host, *self.allowed_hosts)
        return tuple(dict.fromkeys(_as_in_url(host) for host in hosts))


def check_socket_path(path: Path) -> None:
    """Refuse a path that no socket can have."""
    if len(bytes(path)) > MAX_SOCKET_PATH:
        raise GatewayError(f"{path} is too long for a socket: choose a directory of at most {MAX_SOCKET_PATH} bytes.")


def _as_in_url(host: str) -> str:
    address = host.partition("%")[0].lower()
    return f"[{address}]" if ":" in address else address


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
