"""A whole control plane inside the test's process: what `tekton up` runs, with the test's database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tekton_server import app
from tekton_server.config import Settings
from tekton_server.fleet_files import Fleet
from tekton_server.sections import Components, Monitoring
from tests.support.ports import free_port

# A busy machine must not be an event in every test.
QUIET = Monitoring(cpu_threshold=None, memory_threshold=None, disk_threshold=None)
INTERVAL = 0.5
TIMEOUT = 2.0


@dataclass
class ControlPlane:
    """A running control plane. `port` is the gateway's, `grpc_port` the server's own; both on `host`."""

    host: str
    port: int
    grpc_port: int
    settings: Settings
    app: app.Tekton

    @property
    def http(self) -> str:
        """The base URL of the REST paths, through the real Envoy."""
        return f"http://{self.host}:{self.port}"

    @property
    def gateway(self) -> str:
        """The gateway as a gRPC target."""
        return f"{self.host}:{self.port}"

    @property
    def direct(self) -> str:
        """The server's own listener as a gRPC target."""
        return f"{self.host}:{self.grpc_port}"


def settings_for(database_url: str | None, data_dir: Path, *, timeout: float = TIMEOUT) -> Settings:
    """Make settings with free ports and short leases."""
    return Settings(
        port=free_port(),
        grpc_port=free_port(),
        data_dir=str(data_dir),
        database_url=database_url,
        components=Components(heartbeat_interval=min(INTERVAL, timeout / 4), heartbeat_timeout=timeout),
        monitoring=QUIET,
    )


@asynccontextmanager
async def control_plane(
    database_url: str,
    data_dir: Path,
    *,
    timeout: float = TIMEOUT,
    settings: Settings | None = None,
    fleet: Fleet | None = None,
) -> AsyncIterator[ControlPlane]:
    """Run a control plane on a database."""
    chosen = settings or settings_for(database_url, data_dir, timeout=timeout)
    async with app.run(chosen, fleet=fleet) as running:
        assert chosen.grpc_port is not None
        yield ControlPlane(chosen.host, chosen.port, chosen.grpc_port, chosen, running)
