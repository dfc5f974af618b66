"""Where Tekton is, and how a channel to it is made."""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import quote

import grpc
from grpc import aio

from tekton import __version__, _forks
from tekton.core.ids import bracketed

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 8010
_LARGEST_PORT = 65535

# gRPC waits up to two minutes before it dials again, by default; a restarted Tekton should be found at once, and a call
# that fails because nobody listens must have dialled while it was made.
_REDIAL = 1.0

# What a server binds to listen everywhere is no address to call.
_WILDCARDS = {"0.0.0.0": DEFAULT_HOST, "::": "::1"}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_SOCKET = "unix:"

Options = list[tuple[str, str | int]]


class Target(NamedTuple):
    """The address of a Tekton, or of several servers of one: any of them will do.

    The host may be a Unix socket (`unix:/path`), whose port is 0.
    """

    host: str
    port: int
    others: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return ", ".join(_shown(*pair) for pair in self._pairs)

    @property
    def uri(self) -> str:
        """The address as gRPC reads it; of several, the first."""
        return f"{_SOCKET}{quote(self.host.removeprefix(_SOCKET))}" if self.is_socket else _shown(self.host, self.port)

    @property
    def is_socket(self) -> bool:
        """Whether it is a Unix socket of this machine."""
        return self.host.startswith(_SOCKET)

    @property
    def name(self) -> str:
        """The host by which a component reaches what runs where Tekton does."""
        return DEFAULT_HOST if self.is_socket else self.host

    @property
    def addresses(self) -> tuple[Target, ...]:
        """Every address, each for itself."""
        return tuple(Target(host, port) for host, port in self._pairs)

    @property
    def _pairs(self) -> tuple[tuple[str, int], ...]:
        return ((self.host, self.port), *self.others)

    @classmethod
    def of(cls, host: str | None = None, port: int | None = None) -> Target:
        """Take what is given, then TEKTON_HOST and TEKTON_PORT, then localhost:8010.

        The host may be several, separated by commas, and each may have a port of its own: `a:8010,b:8011,[::1]:8012`;
        or one Unix socket, `unix:/path`.

        Raises:
            ValueError: a port is not a number from 1 to 65535, or a host between commas is empty.
        """
        chosen = host or os.environ.get("TEKTON_HOST") or DEFAULT_HOST
        if chosen.startswith(_SOCKET):
            return cls(chosen, 0)
        # Each once: an address that is given twice would be tried twice in a row.
        (first, second), *others = dict.fromkeys(_address(item.strip(), port) for item in chosen.split(","))
        return cls(first, second, tuple(others))


def _shown(host: str, port: int) -> str:
    if host.startswith(_SOCKET):
        return host
    return f"{bracketed(host)}:{port}"


def _address(text: str, port: int | None) -> tuple[str, int]:
    inside, _, after = text.removeprefix("[").partition("]")
    if text.startswith("["):
        name, own = inside, after.removeprefix(":")
    elif text.count(":") == 1:
        name, _, own = text.partition(":")
    else:
        name, own = text, ""
    if not name:
        raise ValueError("a host of Tekton is empty; give names or addresses separated by single commas")
    return _WILDCARDS.get(name, name), _port(own or port)


def _port(port: int | str | None) -> int:
    text = port or os.environ.get("TEKTON_PORT") or os.environ.get("TEKTON_CORE_PORT") or DEFAULT_PORT
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 0 < number <= _LARGEST_PORT:
        raise ValueError(f"the port of Tekton must be a number from 1 to {_LARGEST_PORT}, not {text!r}")
    return number


def async_channel(target: Target) -> aio.Channel:
    """Make a channel to one address on the running event loop, on a connection of its own.

    Raises:
        RuntimeError: in a forked process; see `_forks`.
    """
    _forks.connecting()
    return aio.insecure_channel(target.uri, options=_options(target, _REDIAL))


def thread_channel(target: Target, redial: float = _REDIAL) -> grpc.Channel:
    """Make a channel to one address for a thread of its own, on a connection of its own.

    `redial` is the longest wait between two attempts to connect, in seconds.

    Raises:
        RuntimeError: in a forked process; see `_forks`.
    """
    _forks.connecting()
    return grpc.insecure_channel(target.uri, options=_options(target, redial))


def _options(target: Target, redial: float) -> Options:
    options: Options = [
        ("grpc.primary_user_agent", f"tekton-python/{__version__}"),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", int(redial * 1000)),
        # A connection that is shared in the process would make a new client wait out the pause of an older one.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if target.is_socket or target.host in _LOOPBACK:
        # An HTTP proxy set for the outside world cannot reach this machine's own loopback.
        options.append(("grpc.enable_http_proxy", 0))
    return options
