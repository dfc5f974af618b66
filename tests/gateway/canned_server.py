"""A real gRPC server with canned answers, which keeps to the protocol between server and gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.api import httpbody_pb2
from google.protobuf import any_pb2, struct_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2_grpc

from tekton.core import errors
from tekton.v1 import (
    component_pb2,
    heartbeat_service_pb2,
    heartbeat_service_pb2_grpc,
    registry_service_pb2,
    registry_service_pb2_grpc,
    system_service_pb2,
    system_service_pb2_grpc,
)

OPTIONS = [
    ("grpc.so_reuseport", 0),
    # The library fails calls at random above 8 KiB of headers, and from 1,000 calls that wait to be taken up.
    ("grpc.max_metadata_size", 32 * 1024),
    ("grpc.absolute_max_metadata_size", 64 * 1024),
    ("grpc.server.max_pending_requests", 8192),
    ("grpc.server.max_pending_requests_hard_limit", 16384),
]


async def fail(context: Any, error: errors.TektonError) -> None:
    """End the call as the server's error interceptor does."""
    metadata = dict(context.invocation_metadata())
    trailing = [("retry-after", f"{error.retry_after:.0f}")] if error.retry_after else []
    if metadata.get("x-tekton-rest") == "1":
        trailing += [("tekton-error", json.dumps(error.body())), ("tekton-http-status", str(error.http_status))]
    else:
        info = any_pb2.Any()
        info.Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain="tekton"))
        code = getattr(grpc.StatusCode, error.grpc_status).value[0]
        details = status_pb2.Status(code=code, message=error.message, details=[info])
        trailing += [("grpc-status-details-bin", details.SerializeToString())]
    context.set_trailing_metadata(tuple(trailing))
    await context.abort(getattr(grpc.StatusCode, error.grpc_status), error.message)


class Registry(registry_service_pb2_grpc.RegistryServiceServicer):
    """The component_id says which answer is wanted."""

    def __init__(self, server: CannedServer) -> None:
        self._server = server

    async def RegisterComponent(self, request: Any, context: Any) -> Any:
        self._server.note(context)
        context.set_trailing_metadata((("tekton-http-status", "201"), ("tekton-revision", "h.7")))
        return registry_service_pb2.RegisterComponentResponse(success=True, component_id=request.component_id)

    async def GetComponent(self, request: Any, context: Any) -> Any:
        self._server.note(context)
        match request.component_id:
            case "missing":
                await fail(
                    context, errors.ComponentNotFoundError('no "missing" here\n\u00e9', details={"id": "missing"})
                )
            case "late":
                await context.send_initial_metadata((("tekton-revision", "h.8"),))
                await fail(context, errors.UnavailableError("storage is down"))
            case "bare":
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, "a word of the library")
            case "slow":
                await self._server.until_cancelled()
            case "large":
                metadata = struct_pb2.Struct()
                metadata["text"] = "x" * 4_000_000
                return component_pb2.Component(component_id="large", metadata=metadata)
        context.set_trailing_metadata((("tekton-trailer", "kept"),))
        return component_pb2.Component(component_id=request.component_id, status=4)

    async def ListComponents(self, request: Any, context: Any) -> Any:
        self._server.note(context)
        return registry_service_pb2.ListComponentsResponse()

    async def StreamRegistry(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._server.note(context)
        wanted = request.component_ids[0] if request.component_ids else ""
        if wanted == "late":
            await context.send_initial_metadata((("tekton-revision", "h.9"),))
        if wanted in ("missing", "late"):
            await fail(context, errors.ValidationError.of("after_revision", "is not ours", "format"))
        yield _event("first")
        if wanted == "breaks":
            await fail(context, errors.SlowWatcherError("too slow"))
        if wanted == "flood":
            await self._server.count(1)
        while wanted == "flood":
            self._server.sent += 1
            yield _event("x" * 16_000)
        if wanted != "short":
            await self._server.until_cancelled()

    async def WatchRegistry(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._server.note(context)
        yield registry_service_pb2.WatchRegistryResponse(history_id="h")
        await self._server.until_cancelled()


class Heartbeat(heartbeat_service_pb2_grpc.HeartbeatServiceServicer):
    """Echoes the component_id of a beat; on the stream answers each message at once, and the half-close by GoAway."""

    async def SendHeartbeat(self, request: Any, context: Any) -> Any:
        return heartbeat_service_pb2.SendHeartbeatResponse(success=True, message=request.component_id)

    async def Connect(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            match request.WhichOneof("message"):
                case "hello":
                    yield heartbeat_service_pb2.ConnectResponse(welcome={})
                case "beat":
                    yield heartbeat_service_pb2.ConnectResponse(ack={})
        yield heartbeat_service_pb2.ConnectResponse(go_away={})
        context.set_trailing_metadata((("tekton-trailer", "kept"),))


class System(system_service_pb2_grpc.SystemServiceServicer):
    """Says that all is well."""

    async def Index(self, request: Any, context: Any) -> Any:
        return system_service_pb2.IndexResponse(name="tekton", docs="/docs")

    async def Health(self, request: Any, context: Any) -> Any:
        return system_service_pb2.HealthResponse(status="healthy")


class CannedServer:
    """The server, on a Unix socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.open_streams = 0
        self.sent = 0
        self._opened = asyncio.Condition()
        self._ended = asyncio.Event()
        self._server = grpc.aio.server(options=OPTIONS)
        registry_service_pb2_grpc.add_RegistryServiceServicer_to_server(Registry(self), self._server)
        heartbeat_service_pb2_grpc.add_HeartbeatServiceServicer_to_server(Heartbeat(), self._server)
        system_service_pb2_grpc.add_SystemServiceServicer_to_server(System(), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), self._server)
        self._server.add_insecure_port(f"unix:{path}")

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self) -> None:
        """Cut every call; stopping twice is harmless."""
        await self._server.stop(None)

    def note(self, context: Any) -> None:
        """Remember what reached the server."""
        self.calls.append((context.peer(), dict(context.invocation_metadata())))

    async def until_cancelled(self) -> None:
        """Hold a call open, and tell how many are."""
        await self.count(1)
        try:
            await asyncio.Event().wait()
        finally:
            # Not awaited: a cancelled call may not wait for a lock.
            self.open_streams -= 1
            self._ended.set()

    async def until_stalled(self) -> None:
        """Wait until no flood gets on: every buffer between here and its reader is full."""
        before = -1
        while before != self.sent:
            before = self.sent
            await asyncio.sleep(0.2)

    async def until_idle(self) -> None:
        """Wait, but not for long, until no call is held open."""
        async with asyncio.timeout(5):
            while self.open_streams:
                self._ended.clear()
                await self._ended.wait()

    async def until_open(self, count: int) -> None:
        """Wait until so many calls are held open."""
        async with self._opened:
            await self._opened.wait_for(lambda: self.open_streams >= count)

    async def count(self, more: int) -> None:
        """Count the calls that are held open."""
        async with self._opened:
            self.open_streams += more
            self._opened.notify_all()


def _event(text: str) -> Any:
    return httpbody_pb2.HttpBody(content_type="text/event-stream", data=f"event: registry\ndata: {text}\n\n".encode())


@asynccontextmanager
async def dying_server(path: Path) -> AsyncIterator[list[int]]:
    """A server that is gone as soon as it has a call, without a goodbye; gives the calls that it had."""
    calls: list[int] = []

    async def die_with_a_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")  # HTTP/2 SETTINGS, empty
        await reader.readexactly(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        kind = None
        while kind != 1:  # HEADERS: the call is here
            length, kind = int.from_bytes(await reader.readexactly(3)), (await reader.readexactly(1))[0]
            await reader.readexactly(5 + length)
        calls.append(len(calls))
        writer.close()

    async with await asyncio.start_unix_server(die_with_a_call, path):
        yield calls
