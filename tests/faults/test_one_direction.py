"""One direction of a connection is lost without a word: each end notices by itself within three beat intervals.

Leases last 2 s and are to be renewed every 0.5 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tekton.client import TektonClient
from tekton.core.lifecycle import ComponentState
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tests.sdk.fleet import component, eventually
from tests.services.test_heartbeat_service import beat, connected, heard
from tests.support.client import stubs
from tests.support.control_plane import INTERVAL, TIMEOUT, ControlPlane, control_plane
from tests.support.postgres import Cluster

# A look of the server takes place five times an interval; the machine has other work, too.
SLACK = 0.4


class OneWay:
    """A TCP proxy. Connections that stand when a direction is lost carry it no more; new ones carry both."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._lost: dict[str, list[asyncio.Event]] = {"to the server": [], "to the client": []}

    async def __aenter__(self) -> OneWay:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def lose(self, direction: str) -> None:
        """Lose a direction of every connection there is: what is sent is taken, and goes nowhere."""
        for event in self._lost[direction]:
            event.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        for direction, source, sink in (("to the server", reader, back), ("to the client", there, writer)):
            lost = asyncio.Event()
            self._lost[direction].append(lost)
            pump = asyncio.create_task(self._pump(source, sink, lost))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        try:
            with suppress(ConnectionError):
                while data := await source.read(1 << 16):
                    if not lost.is_set():
                        sink.write(data)
                        await sink.drain()
        finally:
            sink.close()
            with suppress(ConnectionError):
                await sink.wait_closed()


@asynccontextmanager
async def behind(plane: ControlPlane) -> AsyncIterator[OneWay]:
    """Put a proxy before a server's own port."""
    async with OneWay(plane.grpc_port) as proxy:
        yield proxy


@pytest.fixture
async def plane(cluster: Cluster, short_tmp: Path) -> AsyncIterator[ControlPlane]:
    """A control plane of its own."""
    async with control_plane(cluster.new_database(), short_tmp) as running:
        yield running


async def noticed(plane: ControlPlane, uuid: str) -> float:
    """Wait until the server has given up the stream of a lease; gives how long that took."""
    began = time.monotonic()

    async def suspect() -> bool:
        lease = plane.app.live.leases.get(uuid)
        assert lease is not None, "it was failed"
        return lease.suspect

    await eventually(suspect)
    return time.monotonic() - began


async def test_the_server_asks_a_silent_client_and_gives_it_up(plane: ControlPlane) -> None:
    """It hears nothing although it is heard: ping after two intervals, then go-away; the lease is suspect and alive."""
    async with behind(plane) as proxy, stubs(f"127.0.0.1:{proxy.port}") as api:
        granted = await api.register()
        async with connected(api, granted) as (stream, welcome):
            await stream.write(beat(welcome.grants[0].handle, sequence=1))
            await heard(stream, "ack")
            proxy.lose("to the server")
            waiting = asyncio.create_task(noticed(plane, granted.instance_uuid))
            began = time.monotonic()
            await heard(stream, "ping")
            assert 2 * INTERVAL <= time.monotonic() - began <= 2 * INTERVAL + SLACK
            away = await heard(stream, "go_away")
            assert away.reason == "silent" and away.reconnect_after_seconds <= INTERVAL
            assert await waiting <= 3 * INTERVAL + SLACK
            assert not len(plane.app.live.sessions)


async def test_a_client_that_answers_pings_is_not_given_up(plane: ControlPlane) -> None:
    """It has nothing to beat for, or beats by other ways: its stream stays open for as long as it answers."""
    async with stubs(plane.direct) as api:
        stream: Any = api.heartbeat.Connect()
        await stream.write(heartbeat_pb.ConnectRequest(hello=heartbeat_pb.Hello()))
        await heard(stream, "welcome")
        for _ in range(3):
            ping = await heard(stream, "ping")
            await stream.write(heartbeat_pb.ConnectRequest(pong=heartbeat_pb.Pong(nonce=ping.nonce)))
        assert len(plane.app.live.sessions) == 1
        stream.cancel()


@pytest.mark.parametrize("direction", ["to the server", "to the client"])
async def test_a_component_finds_another_connection_and_is_never_failed(plane: ControlPlane, direction: str) -> None:
    """The SDK's heart, whichever direction is lost: heard again long before its timeout."""
    async with behind(plane) as proxy, TektonClient("127.0.0.1", proxy.port) as client:
        registration = component()
        await client.register_component(registration)
        task = client.start_heartbeat(registration.component_id, state="ready")

        async def ready() -> bool:
            return task.state == "ready"

        await eventually(ready)
        lease = plane.app.live.leases.get(registration.instance_uuid)
        assert lease is not None
        # Whoever notices first: with these terms the server asks when the client's patience ends.
        former = lease.session
        proxy.lose(direction)

        async def connected_anew() -> bool:
            return lease.session not in (None, former)

        await eventually(connected_anew, within=TIMEOUT)
        await asyncio.sleep(TIMEOUT)
        assert plane.app.live.leases.get(registration.instance_uuid) is lease and not lease.suspect
        assert plane.app.live.pulses.recorded(lease) is ComponentState.READY
