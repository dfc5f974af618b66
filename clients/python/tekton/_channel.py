"""Where Tekton is, and how a channel to it is made."""

from __future__ import annotations

import os
from typing import NamedTuple

import grpc
from grpc import aio

from tekton import __version__

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 8010
_LARGEST_PORT = 65535

# gRPC waits up to two minutes before it dials again, by default; a restarted Tekton should be found at once, and a call
# that fails because nobody listens must have dialled while it was made.
_REDIAL = 1.0

# What a server binds to listen everywhere is no address to call.
_WILDCARDS = {"0.0.0.0": DEFAULT_HOST, "::": "::1"}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Options = list[tuple[str, str | int]]


class Target(NamedTuple):
    """The address of a Tekton."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def of(cls, host: str | None = None, port: int | None = None) -> Target:
        """Take what is given, then TEKTON_HOST and TEKTON_PORT, then localhost:8010.

        Raises:
            ValueError: the port is not a number from 1 to 65535.
        """
        chosen = (host or os.environ.get("TEKTON_HOST") or DEFAULT_HOST).removeprefix("[").removesuffix("]")
        return cls(_WILDCARDS.get(chosen, chosen), _port(port))


def _port(port: int | None) -> int:
    text = port or os.environ.get("TEKTON_PORT") or os.environ.get("TEKTON_CORE_PORT") or DEFAULT_PORT
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 0 < number <= _LARGEST_PORT:
        raise ValueError(f"the port of Tekton must be a number from 1 to {_LARGEST_PORT}, not {text!r}")
    return number


def async_channel(target: Target) -> aio.Channel:
    """Make the channel of a client on its event loop, on a connection of its own. Call it while the loop runs."""
    return aio.insecure_channel(str(target), options=_options(target, _REDIAL))


def thread_channel(target: Target, redial: float = _REDIAL) -> grpc.Channel:
    """Make a channel for a thread of its own, on a connection of its own.

    `redial` is the longest wait between two attempts to connect, in seconds.
    """
    return grpc.insecure_channel(str(target), options=_options(target, redial))


def _options(target: Target, redial: float) -> Options:
    options: Options = [
        ("grpc.primary_user_agent", f"tekton-python/{__version__}"),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", int(redial * 1000)),
        # A connection that is shared in the process would make a new client wait out the pause of an older one.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if target.host in _LOOPBACK:
        # An HTTP proxy set for the outside world cannot reach this machine's own loopback.
        options.append(("grpc.enable_http_proxy", 0))
    return options
