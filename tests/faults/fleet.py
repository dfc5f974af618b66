"""Several `tekton serve` on one database behind one `tekton gateway`, with short leases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import psutil
from sqlalchemy import make_url

from tests.deploy.pieces import Piece
from tests.faults.load import Where
from tests.faults.running import INTERVAL
from tests.support.ports import free_port

SERVERS = 3
# The gateway leaves a server that hangs out after three seconds, and a stream that falls silent is opened again after
# three intervals: leases have to outlast both together.
TIMEOUT = 5.0
# A part of the timeout, and no less than this.
SERVER_LEASE = 1.0


class Fleet:
    """The processes. `ports` are those of the servers; one that was killed is started again by `start`."""

    def __init__(self, database_url: str, home: Path, stack: ExitStack) -> None:
        self.dsn = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.ports = [free_port() for _ in range(SERVERS)]
        self.gateway = free_port()
        self.servers: list[Piece] = []
        self._home = home
        self._stack = stack
        config = home / "tekton.json"
        terms = {"heartbeat_interval": INTERVAL, "heartbeat_timeout": TIMEOUT}
        config.write_text(json.dumps({"tekton": {"components": terms}}))
        self._env = {
            "TEKTON_CONFIG_FILE": str(config),
            "TEKTON_DATABASE_URL": database_url,
            "TEKTON_LOG_FORMAT": "json",
        }

    def start(self) -> None:
        """Start them all, and wait until each runs."""
        self.servers = [self._server(port) for port in self.ports]
        upstreams = [word for port in self.ports for word in ("--upstream", f"127.0.0.1:{port}")]
        envoy = self._piece("gateway", "--port", str(self.gateway), *upstreams)
        for piece in (*self.servers, envoy):
            piece.until("runs at")

    def again(self, number: int) -> None:
        """Start a server again that was killed."""
        self.servers[number] = self._server(self.ports[number]).until("runs at")

    def where(self, number: int) -> Where:
        """The gateway, and one of the servers."""
        return Where(self.gateway, self.ports[number])

    def process(self, number: int) -> psutil.Process:
        """One of the servers."""
        return psutil.Process(self.servers[number].process.pid)

    async def owner(self, instance_uuid: str, *, streamed: bool = False) -> int:
        """Tell which server owns a lease, once one that lives does; `streamed`: by a stream that carries it."""
        asked = (
            "SELECT address FROM servers JOIN leases USING (server_id) "
            "WHERE instance_uuid = $1::text::uuid AND session_epoch >= $2"
        )
        connection = await asyncpg.connect(self.dsn)
        try:
            async with asyncio.timeout(5):
                while not (found := await connection.fetchval(asked, instance_uuid, int(streamed))):
                    await asyncio.sleep(0.1)
        finally:
            await connection.close()
        return self.ports.index(int(found.rpartition(":")[2]))

    def _server(self, port: int) -> Piece:
        return self._piece("serve", "--grpc-port", str(port))

    def _piece(self, *command: str) -> Piece:
        return self._stack.enter_context(Piece(command, self._env, self._home))


@contextmanager
def running_fleet(database_url: str, home: Path) -> Iterator[Fleet]:
    """Run three servers and a gateway; what they said is printed, for the report of a test that fails."""
    with ExitStack() as stack:
        fleet = Fleet(database_url, home, stack)
        fleet.start()
        try:
            yield fleet
        finally:
            for number, server in enumerate(fleet.servers):
                # That what nobody beats for is failed is no news.
                told = [line for line in server.lines if "lease_expired" not in line]
                print(f"server {number}:", *told, sep="\n")
