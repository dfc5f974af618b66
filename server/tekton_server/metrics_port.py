"""The metrics on a port of their own: one server process answers `GET /metrics` itself, over HTTP/1.1.

One request a connection, read by h11. What is slow or says nothing is cut off in time; where too many are connected,
the one that came first makes room, so that a scraper is never kept out by clients that only hold connections.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable, Collection
from email.utils import formatdate
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

import h11

from tekton.core.ids import bracketed
from tekton_server.listening import Address, ListenError, callable_host

log = logging.getLogger(__name__)

PATH = "/metrics"
ALLOWED = ("GET", "HEAD")
# How long a connection may last, in seconds, and how many there may be at once.
WITHIN = 10.0
MOST = 32

_TEXT = "text/plain; charset=utf-8"
_BAD_HOST = (
    "this name is none of Tekton's: call it by its IP address or as localhost, or add the name to allowed_hosts\n"
)
_FAULT = "a fault of ours; the server's log has the cause\n"


class MetricsPort:
    """The listener. `start` opens it, `stop` closes it and cuts what is under way.

    text: gives the metrics.
    media: their content type.
    names: by which names it may be called, beside IP addresses: a page elsewhere can give this machine a name of its
        own, and so read here what its visitor may read.
    """

    def __init__(self, text: Callable[[], Awaitable[bytes]], media: str, names: Collection[str]) -> None:
        self.text = text
        self.media = media
        self.names = frozenset(name.lower() for name in names)
        self.open: dict[Connection, None] = {}
        self.answering: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._host, self._port = "", 0

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            ListenError: the address is taken or may not be used.
        """
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(lambda: Connection(self), host, port, backlog=MOST)
        except OSError as error:
            # asyncio's own words say the address once more.
            why = os.strerror(error.errno) if error.errno else str(error)
            raise ListenError(
                f"{bracketed(host)}:{port} cannot be listened on ({why}); choose another "
                "monitoring.metrics_port (or TEKTON_MONITORING_METRICS_PORT), or leave it out"
            ) from error
        self._host, self._port = host, port

    @property
    def address(self) -> Address:
        """Where it can be called."""
        return callable_host(self._host), self._port

    async def restart(self) -> None:
        """Listen anew where nothing does any more.

        Raises:
            ListenError: as at the start.
        """
        await self.stop()
        await self.start(self._host, self._port)

    async def stop(self) -> None:
        """Close everything; doing it twice is harmless."""
        if self._listener is None:
            return
        self._listener.close()
        for one in tuple(self.open):
            one.cut()
        if self.answering:
            await asyncio.wait(self.answering)
        await self._listener.wait_closed()
        self._listener = None

    def came(self, connection: Connection) -> None:
        """One more is connected."""
        if len(self.open) >= MOST:
            next(iter(self.open)).cut()
        self.open[connection] = None

    def is_ours(self, host: str) -> bool:
        """Tell whether a Host header names this machine."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self.names or name == "localhost" or _is_address(name)


class Connection(asyncio.Protocol):
    """One connection of a client: a request, its answer, the end."""

    def __init__(self, port: MetricsPort) -> None:
        self._port = port
        self._http = h11.Connection(h11.SERVER)
        self._method = ""
        self._read = False
        self._client_done = False
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there, and has so much time for everything."""
        # Not every loop's transports are of that class.
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = asyncio.get_running_loop().call_later(WITHIN, self.cut)
        self._port.came(self)

    def data_received(self, data: bytes) -> None:
        """Read on, up to the end of the headers; what comes after them is nobody's."""
        if self._read:
            return
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._read = True
            self._say(error.error_status_hint, f"this is no request of HTTP/1.1: {error}\n")
        else:
            if isinstance(event, h11.Request):
                self._read = True
                self._asked(event)

    def eof_received(self) -> bool:
        """The client sends no more; true where it is still to get its answer."""
        self._client_done = True
        return self._answering is not None and not self._answering.done()

    def connection_lost(self, error: Exception | None) -> None:
        """It is over, whoever ended it."""
        self._deadline.cancel()
        if self._answering is not None:
            self._answering.cancel()
        self._port.open.pop(self, None)

    def cut(self) -> None:
        """End it now, whatever has not been sent."""
        self._port.open.pop(self, None)
        if self._answering is not None:
            self._answering.cancel()
        self._transport.abort()

    def _asked(self, request: h11.Request) -> None:
        self._method = request.method.decode("ascii")
        host = next((value.decode("latin-1") for name, value in request.headers if name == b"host"), None)
        path = request.target.decode("ascii", "replace").partition("?")[0]
        # What has no Host is HTTP/1.0, which no browser speaks.
        if host is not None and not self._port.is_ours(host):
            self._say(HTTPStatus.FORBIDDEN, _BAD_HOST)
        elif path != PATH:
            self._say(HTTPStatus.NOT_FOUND, f"there is nothing here but {PATH}; the rest of Tekton is on its port\n")
        elif self._method not in ALLOWED:
            sentence = f"{PATH} takes {' and '.join(ALLOWED)} only\n"
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, sentence, ("allow", ", ".join(ALLOWED)))
        else:
            self._answering = asyncio.create_task(self._scraped(), name="answer a scraper")
            self._port.answering.add(self._answering)
            self._answering.add_done_callback(self._port.answering.discard)

    async def _scraped(self) -> None:
        try:
            text = await self._port.text()
        except Exception as error:
            log.error("the metrics could not be gathered", exc_info=error)
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, _FAULT)
        else:
            self._answer(HTTPStatus.OK, text, ("content-type", self._port.media))

    def _say(self, status: int, sentence: str, *more: tuple[str, str]) -> None:
        self._answer(status, sentence.encode(), ("content-type", _TEXT), *more)

    def _answer(self, status: int, body: bytes, *more: tuple[str, str]) -> None:
        frame = (("date", formatdate(usegmt=True)), ("content-length", str(len(body))), ("connection", "close"))
        phrase = HTTPStatus(status).phrase.encode()
        self._send(h11.Response(status_code=status, reason=phrase, headers=[*frame, *more]))
        if self._method != "HEAD":
            self._send(h11.Data(data=body))
        if self._client_done:
            self._transport.close()
        else:
            # Closed, what the client still sends would be answered by a reset, and take the answer away from it.
            self._transport.write_eof()

    def _send(self, event: h11.Event) -> None:
        self._transport.write(self._http.send(event) or b"")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
