"""Callers that leave a stream while it cannot take what is written: no fault of ours, and counted as what it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tekton.v1 import component_pb2 as component_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import registry_service_pb2_grpc as registry_grpc
from tekton_server.live.metrics import Calls
from tests.support.client import stubs
from tests.support.registry_server import registry_server

METHOD = "/tekton.v1.RegistryService/WatchRegistry"
_event = registry_pb.RegistryEvent(definition=component_pb.Definition(health_check="x" * 2_000_000))
# More than the windows of flow control let through to a client that does not read.
FLOOD = registry_pb.WatchRegistryResponse(events=[_event])


class Flooding(registry_grpc.RegistryServiceServicer):
    """Writes as fast as it can."""

    def __init__(self) -> None:
        self.written = 0
        self.ended = asyncio.Event()

    async def WatchRegistry(  # type: ignore[override]
        self, request: registry_pb.WatchRegistryRequest, context: Any
    ) -> AsyncIterator[registry_pb.WatchRegistryResponse]:
        """Never end."""
        try:
            while True:
                yield FLOOD
                self.written += 1
        finally:
            self.ended.set()


Flooding.__abstractmethods__ = frozenset()


@asynccontextmanager
async def flooding() -> AsyncIterator[tuple[Flooding, Calls, str]]:
    """Serve a stream that floods, with all that is around each call."""
    servicer, calls = Flooding(), Calls()
    server = registry_server(servicer, calls)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield servicer, calls, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def _blocked(servicer: Flooding) -> None:
    """Wait until nothing more is written: the client's windows are full."""
    async with asyncio.timeout(10):
        before = -1
        while servicer.written != before:
            before = servicer.written
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("way", "codes"),
    [
        ("cancel", {"CANCELLED"}),
        ("close", {"CANCELLED"}),
        # The caller's clock began earlier, so that its end of the call may come before the server's own.
        ("deadline", {"DEADLINE_EXCEEDED", "CANCELLED"}),
    ],
)
async def test_who_leaves_a_stream_that_is_blocked_is_counted_as_gone(
    caplog: pytest.LogCaptureFixture, way: str, codes: set[str]
) -> None:
    """Not as an error of the server, and the stream's own end comes at once."""
    caplog.set_level(logging.ERROR)
    async with flooding() as (servicer, calls, target):
        async with stubs(target) as api:
            call = api.registry.WatchRegistry(
                registry_pb.WatchRegistryRequest(), timeout=1.5 if way == "deadline" else None
            )
            reading = asyncio.create_task(anext(aiter(call), None))
            await _blocked(servicer)
            if way == "cancel":
                call.cancel()
            if way == "deadline":
                await call.code()
            await asyncio.wait([reading])
        async with asyncio.timeout(10):
            await servicer.ended.wait()
            while calls.active:
                await asyncio.sleep(0.01)
        ((code, count),) = calls.methods[METHOD].codes.items()
        assert code in codes and count == 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
