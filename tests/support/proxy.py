"""A proxy before PostgreSQL's socket that can lose a connection exactly at COMMIT, on either side of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum
from pathlib import Path

_SOCKET = ".s.PGSQL.5432"


class Cut(Enum):
    """Where to cut a connection."""

    BEFORE_COMMIT = "the server never sees the COMMIT"
    AFTER_COMMIT = "the server commits, and its answer is lost"
    EVERYTHING = "nobody gets through"


class Proxy:
    """Listens in `directory` and forwards to the socket in `target`; `cut` is used up by the next COMMIT."""

    def __init__(self, directory: Path, target: Path) -> None:
        self.directory = directory
        self._target = target
        self.cut: Cut | None = None
        self.cuts = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_unix_server(self._accept, self.directory / _SOCKET)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def drop(self) -> None:
        """Lose every connection."""
        for task in self._connections:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.cut is Cut.EVERYTHING:
                return
            there, back = await asyncio.open_unix_connection(self._target / _SOCKET)
            try:
                await self._forward(reader, writer, there, back)
            finally:
                back.close()
        finally:
            writer.close()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        answers = asyncio.create_task(_pump(there, writer))
        try:
            while data := await reader.read(1 << 16):
                if b"COMMIT" in data and self.cut in (Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT):
                    cut, self.cut = self.cut, None
                    self.cuts += 1
                    if cut is Cut.BEFORE_COMMIT:
                        return
                    answers.cancel()
                    await asyncio.wait([answers])
                    back.write(data)
                    await back.drain()
                    await there.read(1)  # the server has answered, so it has committed
                    return
                back.write(data)
                await back.drain()
        finally:
            answers.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await answers


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
