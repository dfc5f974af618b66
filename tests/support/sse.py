"""A reader of server-sent events, as strict as a browser's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass
class Event:
    """One event, with the id as the client would remember it."""

    name: str
    data: Any
    last_id: str


class Events:
    """The events of one stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""
        self.comments = 0

    async def next(self, within: float = 5.0) -> Event:
        """Read the next event; fails when none comes in time."""
        async with asyncio.timeout(within):
            return await self._next()

    async def _next(self) -> Event:
        name, data = "message", ""
        async for line in self._lines:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line == "" and data:
                return Event(name, json.loads(data), self.last_id)
            if line.startswith(":"):
                self.comments += 1
            elif field == "id":
                self.last_id = value
            elif field == "event":
                name = value
            elif field == "data":
                data += value
        raise AssertionError("the stream ended")


@asynccontextmanager
async def events(
    url: str, *, method: str = "GET", body: dict[str, Any] | None = None, **headers: str
) -> AsyncIterator[Events]:
    """Open a stream."""
    asking = httpx.AsyncClient(timeout=None)
    async with asking as http, http.stream(method, url, headers=headers, json=body) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"] == "text/event-stream"
        yield Events(response)
