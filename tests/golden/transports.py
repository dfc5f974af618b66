"""The four ways to ask: REST with server-sent events, native gRPC on two ports, and gRPC-Web by a stock client."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import grpc
import httpx
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status
from grpc import aio

from tekton_server.services.sse import to_json
from tests.golden import answers, bindings
from tests.golden.answers import Answer, Json
from tests.golden.corpus import Exchange
from tests.support import sse, stock_client
from tests.support.control_plane import ControlPlane

STATUSES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


class Watch(Protocol):
    """The events of an open watch."""

    async def next(self) -> sse.Event:
        """Wait for the next one."""
        ...


class Transport(Protocol):
    """A way to ask."""

    def wanted(self, exchange: Exchange) -> int | str:
        """Give the status that an exchange ends with here."""
        ...

    async def call(self, exchange: Exchange) -> Answer:
        """Make a call to its end; of a watch this is its refusal."""
        ...

    def watch(self, exchange: Exchange) -> AbstractAsyncContextManager[Watch]:
        """Open a watch."""
        ...


class Rest:
    """JSON over HTTP, through the gateway."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    def wanted(self, exchange: Exchange) -> int | str:
        return exchange.status

    async def call(self, exchange: Exchange) -> Answer:
        reply = await self._http.request(exchange.method, exchange.path, headers=exchange.headers, json=exchange.body)
        kind, revision = reply.headers["content-type"], reply.headers.get("tekton-revision", "")
        if reply.is_success and exchange.rpc and _is_text(bindings.method_of(exchange.rpc)):
            return Answer(reply.status_code, {"content_type": kind, "text": reply.text}, revision)
        assert kind == "application/json", reply.text
        return Answer(reply.status_code, reply.json(), revision)

    def watch(self, exchange: Exchange) -> AbstractAsyncContextManager[Watch]:
        url = f"{self._http.base_url}".rstrip("/") + exchange.path
        return sse.events(url, method=exchange.method, body=exchange.body, **exchange.headers)


class Rpc:
    """A watch by its messages."""

    def __init__(self, next_message: Callable[[], Any]) -> None:
        self._next_message = next_message
        self._events: deque[sse.Event] = deque()
        self._last_id = ""

    async def next(self) -> sse.Event:
        async with asyncio.timeout(5):
            while not self._events:
                self._events.extend(answers.events(await self._next_message(), self._last_id))
        event = self._events.popleft()
        self._last_id = event.last_id
        return event


class Native:
    """Native gRPC, by the library's own client."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def wanted(self, exchange: Exchange) -> int | str:
        return exchange.grpc

    async def call(self, exchange: Exchange) -> Answer:
        call = self._begun(exchange)
        try:
            if not bindings.method_of(exchange.rpc).server_streaming:
                reply = _json(await call)
                return Answer("OK", answers.reply(reply), _metadata(await call.trailing_metadata())["tekton-revision"])
            raise AssertionError(f"the watch was not refused: {await call.read()}")
        except aio.AioRpcError as error:
            return _refused(error)

    @asynccontextmanager
    async def watch(self, exchange: Exchange) -> AsyncIterator[Watch]:
        call = self._begun(exchange)

        async def message() -> Json:
            return _json(await call.read())

        try:
            yield Rpc(message)
        finally:
            call.cancel()

    def _begun(self, exchange: Exchange) -> Any:
        method = bindings.method_of(exchange.rpc)
        kind = self._channel.unary_stream if method.server_streaming else self._channel.unary_unary
        path = f"/{method.containing_service.full_name}/{method.name}"
        request, reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        made = kind(path, request_serializer=request.SerializeToString, response_deserializer=reply.FromString)
        return made(ParseDict(bindings.request_of(exchange), request()), timeout=10)


class GrpcWeb:
    """gRPC-Web through the gateway, by a stock client, which prints the JSON itself."""

    def __init__(self, client: stock_client.StockClient) -> None:
        self._client = client

    def wanted(self, exchange: Exchange) -> int | str:
        return exchange.grpc

    async def call(self, exchange: Exchange) -> Answer:
        call, message = self._begun(exchange), None
        while "message" in (said := await call.next()):
            assert message is None, f"the watch was not refused: {said}"
            message = said["message"]
        end = said["end"]
        if end["code"] == 0:
            assert message is not None
            return Answer("OK", answers.reply(message), end["metadata"]["tekton-revision"])
        details = [(one["type"], answers.decoded(one["value"])) for one in end["details"]]
        return answers.failure(STATUSES[end["code"]], end["message"], details, end["metadata"]["tekton-revision"])

    @asynccontextmanager
    async def watch(self, exchange: Exchange) -> AsyncIterator[Watch]:
        call = self._begun(exchange)

        async def message() -> Json:
            said = await call.next()
            assert "message" in said, said
            found: Json = said["message"]
            return found

        try:
            yield Rpc(message)
        finally:
            call.cancel()

    def _begun(self, exchange: Exchange) -> stock_client.Call:
        return self._client.call(bindings.method_of(exchange.rpc).full_name, bindings.request_of(exchange))


@asynccontextmanager
async def opened(name: str, plane: ControlPlane, folder: Path) -> AsyncIterator[Transport]:
    """Open a transport to a control plane: rest, grpc-direct, grpc-gateway or grpc-web."""
    async with AsyncExitStack() as stack:
        if name == "rest":
            yield Rest(await stack.enter_async_context(httpx.AsyncClient(base_url=plane.http, timeout=10)))
        elif name == "grpc-web":
            yield GrpcWeb(await stack.enter_async_context(stock_client.stock_client(plane.port, folder)))
        else:
            target = plane.direct if name == "grpc-direct" else plane.gateway
            yield Native(await stack.enter_async_context(aio.insecure_channel(target)))


def _is_text(method: MethodDescriptor) -> bool:
    return bool(method.output_type.full_name == "google.api.HttpBody")


def _json(message: Any) -> Json:
    assert message is not aio.EOF, "the watch has ended"
    found: Json = json.loads(to_json(message))
    return found


def _refused(error: aio.AioRpcError) -> Answer:
    said = _metadata(error.trailing_metadata())
    status = Status.FromString(said["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    details = [(one.type_url, one.value) for one in status.details]
    return answers.failure(error.code().name, status.message, details, said["tekton-revision"])


def _metadata(given: Any) -> dict[str, Any]:
    return dict(given or ())
