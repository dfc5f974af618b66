"""What a start needs of the machine: free ports, private directories, and an answer through the front door."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tekton_gateway import GatewaySettings, PortInUseError
from tekton_gateway.envoy import check_port_is_free
from tekton_server import failpoints
from tekton_server.config import ConfigError
from tekton_server.listening import ListenError
from tekton_server.storage.data_directory import unusable

# Children of a Tekton that was killed get their signal after it is gone, and may hold its ports a moment longer.
_PORT_PATIENCE = 1.0
_MAX_SOCKET_PATH = 107
_METRICS_PORT = "monitoring.metrics_port in tekton.json, or TEKTON_MONITORING_METRICS_PORT"

log = logging.getLogger(__name__)


class NoAnswerError(Exception):
    """Tekton does not answer at its own address; the text is one sentence."""


async def ports_are_free(host: str, port: int | None, grpc_port: int | None, metrics_port: int | None = None) -> None:
    """Look before anything is started; Envoy and gRPC still refuse what is taken in the meantime. None is no port.

    Raises:
        GatewayError: the gateway's port is taken, or its address is none of this machine.
        ListenError: the direct port, or that of the metrics, is taken.
    """
    if port is not None:
        await _until_free(host, port)
    for own, remedy in ((grpc_port, "--grpc-port or TEKTON_GRPC_PORT"), (metrics_port, _METRICS_PORT)):
        if own is None:
            continue
        try:
            await _until_free(host, own)
        except PortInUseError as error:
            raise ListenError(
                f"{host}:{error.port} is taken by another process: stop it, or choose another port ({remedy})."
            ) from error


def look_at_failpoints() -> None:
    """Warn of failpoints that are set: they break things on purpose.

    Raises:
        ConfigError: one is set that there is not.
    """
    if not failpoints.ACTIVE:
        return
    try:
        names = failpoints.active()
    except failpoints.FailpointSyntaxError as error:
        raise ConfigError(str(error)) from error
    listed = ", ".join(names)
    log.warning("failpoints are active, this server fails on purpose: %s; unset %s", listed, failpoints.VARIABLE)


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


async def answers(host: str, port: int) -> None:
    """Make the call that a user would make first.

    Raises:
        NoAnswerError: it does not come back well.
    """

    def status() -> int:
        with contextlib.closing(http.client.HTTPConnection(host, port, timeout=5)) as connection:
            connection.request("GET", "/api/health")
            return connection.getresponse().status

    try:
        answer = await asyncio.to_thread(status)
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"the gateway does not answer on {host}:{port} ({reason(error)})") from error
    if answer != http.HTTPStatus.OK:
        raise NoAnswerError(f"the server does not answer through the gateway (status {answer})")


def reason(error: BaseException) -> str:
    """Give the words of the innermost cause, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def own_directory(data_dir: Path, name: str) -> Path:
    """Make a directory of ours, and of nobody else.

    Raises:
        EmbeddedPostgresError: the data directory cannot be used.
    """
    directory = data_dir / name
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise unusable(data_dir, error) from error
    return directory


@contextlib.contextmanager
def socket_directory(data_dir: Path) -> Iterator[Path]:
    """Open a private directory for the server's own sockets, short enough for the system's limit."""
    # To gRPC a comma is between two addresses, however it is written.
    if "," not in str(data_dir) and len(str(data_dir / "gateway" / "server.sock").encode()) <= _MAX_SOCKET_PATH:
        yield own_directory(data_dir, "gateway")
    else:
        with tempfile.TemporaryDirectory(prefix="tekton-") as name:
            yield Path(name)
