"""kill -9 under a storm of registrations: what was acknowledged is there once, and the journal has no gap."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import psutil
from grpc import aio

from tekton.core.ids import new_uuid
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.storage.embedded import EmbeddedPostgres
from tests.support.client import Stubs, registration
from tests.support.ports import free_port
from tests.support.processes import Up

CALLERS = 8
STORM_SECONDS = 1.5


class History:
    """What callers were told: acknowledged instances by component, and the revisions of their grants."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, str] = {}
        self.revisions: list[int] = []
        self.refused = 0

    def granted(self, component_id: str, instance_uuid: str, revision: int) -> None:
        """Remember a granted registration."""
        self.acknowledged[component_id] = instance_uuid
        self.revisions.append(revision)


async def over_grpc(target: str, history: History, stop: asyncio.Event) -> None:
    """Register over gRPC until told to stop; a caller whose call failed tries the same uuid again."""
    async with aio.insecure_channel(target) as channel:
        api = Stubs(channel)
        while not stop.is_set():
            request = registration(instance_uuid=new_uuid())
            while not stop.is_set():
                try:
                    granted = await api.registry.RegisterComponent(request, timeout=2)
                except aio.AioRpcError:
                    history.refused += 1
                    await asyncio.sleep(0.02)
                    continue
                history.granted(granted.component_id, granted.instance_uuid, granted.revision)
                break


async def over_rest(base: str, history: History, stop: asyncio.Event) -> None:
    """Register over REST until told to stop, the same way."""
    async with httpx.AsyncClient(base_url=base, timeout=2) as http:
        while not stop.is_set():
            request = registration(instance_uuid=new_uuid())
            body = {
                "component_id": request.component_id,
                "component_name": request.component_name,
                "component_type": request.component_type,
                "version": request.version,
                "host": request.host,
                "port": request.port,
                "instance_uuid": request.instance_uuid,
            }
            while not stop.is_set():
                try:
                    reply = await http.post("/api/tekton/components", json=body)
                except httpx.HTTPError:
                    history.refused += 1
                    await asyncio.sleep(0.02)
                    continue
                if reply.status_code not in (200, 201):
                    history.refused += 1
                    await asyncio.sleep(0.02)
                    continue
                granted = reply.json()
                history.granted(granted["component_id"], granted["instance_uuid"], int(granted["revision"]))
                break


class Ports(NamedTuple):
    """Where a Tekton is reached: the gateway's port, and the server's own."""

    gateway: int
    grpc: int


async def storm(tekton: Up, ports: Ports, history: History, *, everything: bool) -> None:
    """Load a running Tekton, then kill -9 it, or all of its processes, in the middle."""
    stop = asyncio.Event()
    callers = [over_grpc(f"127.0.0.1:{ports.grpc}", history, stop) for _ in range(CALLERS // 2)]
    callers += [over_grpc(f"127.0.0.1:{ports.gateway}", history, stop) for _ in range(CALLERS // 4)]
    callers += [over_rest(tekton.url, history, stop) for _ in range(CALLERS // 4)]
    running = asyncio.gather(*callers)
    before = len(history.acknowledged)
    await asyncio.sleep(STORM_SECONDS + random.random())
    assert len(history.acknowledged) > before, "the storm never began"
    victims = [psutil.Process(tekton.pid)]
    if everything:
        victims = [*victims[0].children(recursive=True), *victims]
    for victim in victims:
        victim.kill()
    await asyncio.to_thread(tekton.wait)
    stop.set()
    await running


async def check(ports: Ports, history: History) -> None:
    """Every acknowledged registration is there, once."""
    async with aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        api = Stubs(channel)
        for component_id, instance_uuid in history.acknowledged.items():
            asked = registry_pb.GetComponentRequest(component_id=component_id)
            found = await api.registry.GetComponent(asked, timeout=10)
            assert [i.instance_uuid for i in found.instances] == [instance_uuid], component_id


async def test_acknowledged_registrations_survive_kill_9_three_times(short_tmp: Path) -> None:
    """Twice the server alone, once PostgreSQL and Envoy with it; afterwards nothing is missing, double or skipped."""
    history, ports, data_dir = History(), Ports(free_port(), free_port()), short_tmp / "data"
    for everything in (False, True, False):
        with Up(data_dir, ports.gateway, "--grpc-port", str(ports.grpc)) as tekton:
            await asyncio.to_thread(tekton.ready)
            await check(ports, history)
            await storm(tekton, ports, history, everything=everything)
    with Up(data_dir, ports.gateway, "--grpc-port", str(ports.grpc)) as tekton:
        await asyncio.to_thread(tekton.ready)
        await check(ports, history)
        assert await asyncio.to_thread(tekton.stop) == 0
    assert len(history.revisions) == len(set(history.revisions)), "one revision granted two leases"
    await check_journal(data_dir, history)


async def check_journal(data_dir: Path, history: History) -> None:
    """The journal's revisions run from 1 without a gap, and every acknowledged one registers what it said."""
    postgres = EmbeddedPostgres(data_dir)
    await postgres.start()
    try:
        connection = await asyncpg.connect(postgres.connection.dsn())
        rows = await connection.fetch("SELECT revision, idx, kind, key FROM journal ORDER BY revision, idx")
        await connection.close()
    finally:
        await postgres.stop()
    revisions = sorted({row["revision"] for row in rows})
    assert revisions == list(range(1, len(revisions) + 1))
    granted = Counter(row["key"] for row in rows if row["kind"] == "instance")
    assert all(granted[instance_uuid] == 1 for instance_uuid in history.acknowledged.values())
    assert set(history.revisions) <= set(revisions)
