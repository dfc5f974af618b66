"""Thousands that connect at once are all served: some at once, some in turn, and the rest when they come back.

The full size, 5,000, is what `TEKTON_TEST_RECONNECTS=5000` runs.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from grpc import aio

from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.faults.running import Faulty
from tests.services.test_heartbeat_service import Granted, claim
from tests.support.client import Stubs, registration

CLIENTS = int(os.environ.get("TEKTON_TEST_RECONNECTS", "2000"))
CONNECTIONS = 10
BATCH = 500
WITHIN = 30.0
# What an open stream takes of the server, and what a thousand that connect at once may take more for a while.
EACH, MORE = 64 * 1024, 64 * 2**20


async def registered(api: Stubs) -> list[Granted]:
    """Register so many components."""
    granted: list[Granted] = []
    while len(granted) < CLIENTS:
        requests = [registration() for _ in range(BATCH)]
        answer = await api.registry.BatchRegisterComponents(
            registry_pb.BatchRegisterComponentsRequest(components=requests), timeout=30
        )
        granted += [
            Granted(component_id=one.component_id, instance_uuid=one.instance_uuid, fencing_token=one.fencing_token)
            for one in answer.results
        ]
    return granted


async def welcomed(api: Stubs, granted: Granted) -> tuple[Any, int]:
    """Connect as the SDK does, and come back when sent away; gives the stream, and how often it was sent away."""
    hello = heartbeat_pb.ConnectRequest(hello=heartbeat_pb.Hello(leases=[claim(granted)]))
    for away in range(20):
        stream: Any = api.heartbeat.Connect()
        await stream.write(hello)
        message = await stream.read()
        if message.WhichOneof("message") == "welcome":
            assert len(message.welcome.grants) == 1
            return stream, away
        assert message.go_away.reason == "too_many_at_once"
        await asyncio.sleep(message.go_away.reconnect_after_seconds * random.uniform(1.0, 1.5))
    raise AssertionError("it was sent away again and again")


@pytest.mark.timeout(120)
async def test_thousands_that_connect_at_once_are_all_served(short_tmp: Path) -> None:
    """Within 30 s, with bounded memory, and without a lease lost; others are answered meanwhile."""
    faulty = Faulty(short_tmp, timeout=30.0, interval=10.0)
    with faulty.up() as tekton:
        tekton.ready()
        server = psutil.Process(tekton.pid)
        options = [("grpc.use_local_subchannel_pool", 1)]
        target = f"127.0.0.1:{faulty.where.direct}"
        channels = [aio.insecure_channel(target, options=options) for _ in range(CONNECTIONS)]
        apis = [Stubs(channel) for channel in channels]
        async with httpx.AsyncClient(base_url=faulty.where.url, timeout=10) as http:
            granted = await registered(apis[0])
            before, began = server.memory_info().rss, time.monotonic()
            waiting = asyncio.gather(*(welcomed(apis[n % CONNECTIONS], one) for n, one in enumerate(granted)))
            most, slowest = before, 0.0
            while not waiting.done():
                asked = time.monotonic()
                assert (await http.get("/api/ready")).status_code == 200
                slowest = max(slowest, time.monotonic() - asked)
                most = max(most, server.memory_info().rss)
                await asyncio.wait([waiting], timeout=0.1)
            took = time.monotonic() - began
            streams = await waiting
            away = sum(times for _, times in streams)
            figures = (await http.get("/api/metrics")).json()
            print(
                f"{CLIENTS} in {took:.1f} s, sent away {away} times, {(most - before) / 2**20:.0f} MiB, "
                f"others waited {slowest:.2f} s at most"
            )
            assert took <= WITHIN
            assert (figures["sessions"], figures["leases"], figures["suspects"]) == (CLIENTS, CLIENTS, 0)
            assert most - before <= CLIENTS * EACH + MORE
        for channel in channels:
            await channel.close()
