"""Streams cost other callers nothing: not readers that stall, and not their number."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import grpc
import httpx
import pytest

from tekton.v1 import registry_service_pb2, registry_service_pb2_grpc
from tests.gateway.canned_server import CannedServer
from tests.gateway.clients import StartGateway, rest_client

pytestmark = pytest.mark.timeout(50)

STALLED = 50
STREAMS = 1500


@contextmanager
def reader_that_never_reads(port: int) -> Iterator[socket.socket]:
    """Ask for an endless flood and leave it lying."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /events/tekton/registry?component_ids=flood HTTP/1.1\r\nhost: localhost\r\n\r\n")
        yield client


async def call_and_stream(rest: httpx.AsyncClient) -> None:
    """What everybody else wants meanwhile."""
    assert (await rest.get("/api/tekton/components/vector")).status_code == 200
    async with rest.stream("GET", "/events/tekton/registry") as response:
        assert await anext(response.aiter_text()) == "event: registry\ndata: first\n\n"


async def test_fifty_clients_that_never_read_do_not_delay_a_call(
    start_gateway: StartGateway, server: CannedServer
) -> None:
    """Each holds its own window and no more: new calls and new streams are served."""
    # One worker, so that all share one connection to the server: on another they could not be in the way.
    gateway = await start_gateway(concurrency=1)
    with ExitStack() as clients:
        for _ in range(STALLED):
            clients.enter_context(reader_that_never_reads(gateway.port))
        await server.until_open(STALLED)
        await server.until_stalled()
        async with asyncio.timeout(5), rest_client(gateway) as rest:
            await call_and_stream(rest)


async def test_fifteen_hundred_open_streams_do_not_refuse_a_call(
    channel: grpc.aio.Channel, rest: httpx.AsyncClient, server: CannedServer
) -> None:
    """Envoy's defaults would answer 503 from the 1,025th on."""
    registry = registry_service_pb2_grpc.RegistryServiceStub(channel)
    calls = [registry.WatchRegistry(registry_service_pb2.WatchRegistryRequest()) for _ in range(STREAMS)]
    first = await asyncio.gather(*(call.read() for call in calls))
    assert {message.history_id for message in first} == {"h"}
    await server.until_open(STREAMS)
    async with asyncio.timeout(5):
        await call_and_stream(rest)
    for call in calls:
        call.cancel()
