"""A server with canned answers, and real Envoys before it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from tekton_gateway import Envoy, GatewaySettings
from tests.gateway.canned_server import CannedServer
from tests.gateway.clients import StartGateway, grpc_channel, rest_client


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A private directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="tk-") as path:
        yield Path(path)


@pytest.fixture
async def server(short_dir: Path) -> AsyncIterator[CannedServer]:
    canned = CannedServer(short_dir / "server.sock")
    await canned.start()
    yield canned
    await canned.stop()


@pytest.fixture
async def start_gateway(short_dir: Path) -> AsyncIterator[StartGateway]:
    """Start gateways with the settings a test wants, on free ports; all are stopped after it."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Envoy:
            wanted = {"upstream": short_dir / "server.sock", "port": 0} | settings
            work_dir = short_dir / f"work{len(list(short_dir.iterdir()))}"
            envoy = await Envoy.start(GatewaySettings(**wanted), work_dir, short_dir / "envoy.log")
            stack.push_async_callback(envoy.stop)
            return envoy

        yield start


@pytest.fixture
async def gateway(server: CannedServer, start_gateway: StartGateway) -> Envoy:
    """A gateway with the default settings, the canned server behind it."""
    return await start_gateway()


@pytest.fixture
async def rest(gateway: Envoy) -> AsyncIterator[httpx.AsyncClient]:
    async with rest_client(gateway) as client:
        yield client


@pytest.fixture
async def channel(gateway: Envoy) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc_channel(gateway) as opened:
        yield opened
