"""What tells a server that another has written: a connection that listens, and that looks by itself now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import asyncpg

from tekton_server.storage.database import Database
from tekton_server.storage.engine import connect, listener_settings
from tekton_server.storage.errors import translated
from tekton_server.storage.journal import CHANNEL

log = logging.getLogger(__name__)

# A look that takes longer than this, in seconds, is a connection that is gone.
_LOOK_WITHIN = 5.0
_LAST = "SELECT coalesce(max(revision), 0) FROM journal"


class Notices:
    """The connection. `mine` gives the backend of the writer, whose own notices say nothing new.

    Methods raise StorageUnavailableError when the database cannot be asked; then it MUST be reset.
    """

    def __init__(self, database: Database, mine: Callable[[], int | None]) -> None:
        self._database = database
        self._mine = mine
        self._connection: asyncpg.Connection[Any] | None = None
        self._revision = 0
        self._news = asyncio.Event()
        self._deaf = False

    async def next(self, patience: float) -> int:
        """Wait until another server has written, `patience` seconds at most; gives the last revision known of."""
        with translated():
            if self._connection is None:
                await self._open()
                return self._revision
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                # Whatever became of the notices, behind a pooler for example: it is not later than this.
                self._revision = await self._connection.fetchval(_LAST, timeout=_LOOK_WITHIN)
            self._news.clear()
            return self._revision

    def reset(self) -> None:
        """Drop the connection without waiting; the next call opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _open(self) -> None:
        self._connection = await connect(self._database, listener_settings(self._database))
        try:
            await self._connection.add_listener(CHANNEL, self._heard)
        except asyncpg.PostgresError as error:
            if not self._deaf:
                log.warning("the database does not let Tekton listen, so it looks now and then: %s", error)
            self._deaf = True
        self._revision = await self._connection.fetchval(_LAST, timeout=_LOOK_WITHIN)

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        # Nothing in it: only answers to remember were stored.
        if pid != self._mine() and isinstance(payload, str) and payload.isdigit():
            self._revision = max(self._revision, int(payload))
            self._news.set()
