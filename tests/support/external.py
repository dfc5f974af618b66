"""A PostgreSQL that is not Tekton's own: reached over TCP with a password, and over TLS through a front of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import trustme

from tekton_server.process import ChildProcess
from tekton_server.storage import cluster as clusters
from tekton_server.storage.unprivileged import choose_identity, own_tree
from tests.support.ports import free_port

T = TypeVar("T")
# Another installation to test with, such as /usr/lib/postgresql/15/bin.
PROGRAMS = "TEKTON_TEST_POSTGRES"
PASSWORD = "hunter2 @:/?#%"
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_ACCESS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


def program(name: str) -> str:
    """Give a program of the PostgreSQL to test with."""
    chosen = os.environ.get(PROGRAMS)
    return str(Path(chosen) / name) if chosen else str(clusters.binary(name))


class External:
    """A running server. The role `tekton` owns everything; it has a password over TCP and needs none on the socket."""

    def __init__(self, directory: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.sockets = directory
        self.port = free_port()
        self.tls_port = free_port()
        self.authority = directory / "authority.pem"
        self._data = directory / "data"
        self._loop = loop
        self._numbers = iter(range(1000))

    def call(self, job: Coroutine[Any, Any, T]) -> T:
        """Run something on its loop."""
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(60)

    def new_database(self) -> str:
        """Make an empty database and give its name."""
        name = f"external_{next(self._numbers)}"
        self.call(self.run(f"CREATE DATABASE {name}"))
        return name

    async def run(self, sql: str, database: str = "postgres") -> None:
        """Run SQL as the owner of everything."""
        connection = await asyncpg.connect(self.socket_url(database))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    def socket_url(self, database: str) -> str:
        """The address of a database on the socket."""
        return f"postgresql://tekton@/{database}?host={self.sockets}&port={self.port}"

    async def start(self) -> None:
        """Start it, and the front that speaks TLS."""
        identity = await choose_identity()
        self._data.mkdir()
        for one in (self.sockets, self._data):
            own_tree(one, identity.owner)
        log = self.sockets / "log"
        made = ["--pgdata", str(self._data), "--username", "tekton", "--auth", "trust", "--locale", "C"]
        initdb = await ChildProcess.start(
            [program("initdb"), *made], name="initdb", log_path=log, env=clusters.environment(), run_as=identity.run_as
        )
        assert await initdb.wait() == 0, log.read_text()
        (self._data / "pg_hba.conf").write_text(_ACCESS)
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.sockets}
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._child = await ChildProcess.start(
            [program("postgres"), "-D", str(self._data), *given],
            name="postgres",
            log_path=log,
            env=clusters.environment(),
            death_signal=signal.SIGQUIT,
            run_as=identity.run_as,
        )
        async with asyncio.timeout(20):
            while True:
                with suppress(OSError, asyncpg.PostgresError):
                    quoted = PASSWORD.replace("'", "''")
                    return await self.run(f"ALTER ROLE tekton PASSWORD '{quoted}'")
                await asyncio.sleep(0.02)

    async def open_front(self) -> None:
        """Answer over TLS, as `localhost`, with a certificate of an authority of its own."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._front = await asyncio.start_server(lambda r, w: self._serve(r, w, context), "127.0.0.1", self.tls_port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(8) != _SSL_REQUEST:
                writer.close()
                return
            writer.write(b"S")
            await writer.start_tls(context)
            there = await asyncio.open_connection("127.0.0.1", self.port)
            await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))

    async def stop(self) -> None:
        """Stop both."""
        self._front.close()
        await self._child.stop(deadline=10, sig=signal.SIGINT)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()


@contextmanager
def running_external(directory: Path) -> Iterator[External]:
    """Run one; its loop has a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="external")
    thread.start()
    external = External(directory, loop)
    try:
        external.call(external.start())
        external.call(external.open_front())
        yield external
        external.call(external.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
