"""Our outage is not their death: gateway, server and database are gone for two timeouts, or come and go, and who beats
is not failed; who is dead is, all the same."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import make_url

from tekton.client import ComponentRegistration, TektonClient
from tekton.core.lifecycle import ComponentState
from tekton_gateway import Envoy
from tekton_server.live.registry import LiveRegistry
from tekton_server.storage.errors import StorageUnavailableError
from tests.faults.running import Faulty
from tests.sdk.fleet import component, eventually
from tests.support.client import stubs
from tests.support.control_plane import TIMEOUT, ControlPlane, control_plane
from tests.support.live import opened, register
from tests.support.postgres import Cluster
from tests.support.proxy import Cut, Proxy

COMPONENTS = 5
SHORT = 2.0


@asynccontextmanager
async def fleet(port: int) -> AsyncIterator[list[ComponentRegistration]]:
    """A process with some components that beat through a port, as the SDK does, and are ready."""
    async with TektonClient("127.0.0.1", port) as client:
        registrations = [component() for _ in range(COMPONENTS)]
        for one in registrations:
            await client.register_component(one)
            client.start_heartbeat(one.component_id, state="ready")
        tasks = [client.start_heartbeat(one.component_id) for one in registrations]

        async def ready() -> bool:
            return all(task.state == "ready" for task in tasks)

        await eventually(ready)
        yield registrations


async def never_failed(url: str, registrations: list[ComponentRegistration], since: float) -> None:
    """Each is still the instance it was, and ready since before the outage began."""
    async with httpx.AsyncClient(base_url=url) as http:
        for one in registrations:
            status = (await http.get(f"/api/tekton/components/{one.component_id}/status")).json()
            assert (status["status"], status["instance_uuid"]) == ("ready", one.instance_uuid)
            assert status["status_since"] < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since)), status


@asynccontextmanager
async def no_gateway(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Kill Envoy, and let it start again only at the end."""
    start, over = Envoy.start, asyncio.Event()

    async def waits(*arguments: object, **given: object) -> Envoy:
        await over.wait()
        return await start(*arguments, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Envoy, "start", waits)
    (envoy,) = [child for child in psutil.Process().children() if child.name() == "envoy"]
    envoy.kill()
    yield
    over.set()
    async with httpx.AsyncClient(base_url=plane.http) as http:

        async def serves() -> bool:
            try:
                return (await http.get("/api/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(serves, within=10)


async def test_a_gateway_that_is_gone_for_two_timeouts_fails_nobody(
    cluster: Cluster, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's beats can arrive meanwhile, and each finds back in its own time."""
    async with control_plane(cluster.new_database(), short_tmp) as plane, fleet(plane.port) as registrations:
        began = time.time()
        async with no_gateway(plane, monkeypatch):
            await asyncio.sleep(2 * TIMEOUT)
            assert len(plane.app.live.leases) == COMPONENTS and plane.app.live.leases.suspects == COMPONENTS
        await asyncio.sleep(1.5 * TIMEOUT)
        await never_failed(plane.http, registrations, began)


async def test_a_server_that_is_stopped_for_two_timeouts_fails_nobody(short_tmp: Path) -> None:
    """SIGSTOP: its loop, and with it its judge, stood still; gateway, database and components did not."""
    faulty = Faulty(short_tmp, timeout=SHORT)
    with faulty.up() as tekton:
        tekton.ready()
        async with fleet(faulty.where.gateway) as through, fleet(faulty.where.direct) as direct:
            began = time.time()
            tekton.send(signal.SIGSTOP)
            await asyncio.sleep(2 * SHORT)
            tekton.send(signal.SIGCONT)
            await asyncio.to_thread(tekton.until, "the server's own loop was down")
            await asyncio.sleep(1.5 * SHORT)
            await never_failed(faulty.where.url, [*through, *direct], began)
        assert tekton.stop() == 0


async def test_a_database_that_flaps_does_not_hide_a_death(cluster: Cluster, short_tmp: Path) -> None:
    """Away for a third of a timeout, and there for as long, over and over: one beats and lives, the other is failed."""
    url = make_url(cluster.new_database())
    async with (
        Proxy(short_tmp, Path(str(url.query["host"]))) as proxy,
        opened(url.update_query_dict({"host": str(short_tmp)})) as live,
    ):
        alive = (await live.writer.submit(register(1))).instance.instance_uuid
        dead = (await live.writer.submit(register(2))).instance.instance_uuid
        flapping, writing = asyncio.create_task(flaps(proxy)), asyncio.create_task(writes(live))
        died, pardoned = time.monotonic(), 0.0
        while (instance := live.view.instance(dead)) is None or instance.state is not ComponentState.FAILED:
            lease, other = live.leases.get(alive), live.leases.get(dead)
            pardoned = max(pardoned, other.pardoned if other else 0.0)
            assert lease is not None and time.monotonic() - died < 6 * SHORT
            live.leases.beat_all([lease], live.pulses._event)
            await asyncio.sleep(0.2)
        # The first outage that was long enough gave it a full timeout, and those after it nothing.
        assert died < pardoned < time.monotonic() - SHORT
        for task in (flapping, writing):
            task.cancel()
        await asyncio.wait([flapping, writing])
        proxy.cut = None
        assert alive in live.leases


async def flaps(proxy: Proxy) -> None:
    """Lose every connection, let nobody in for a while, and then let them in for as long."""
    while True:
        proxy.cut = Cut.EVERYTHING
        proxy.drop()
        await asyncio.sleep(SHORT / 3)
        proxy.cut = None
        await asyncio.sleep(SHORT / 3)


async def writes(live: LiveRegistry) -> None:
    """Keep the writer busy: one that has nothing to write does not notice."""
    while True:
        with suppress(StorageUnavailableError):
            await live.writer.refresh()
        await asyncio.sleep(0.05)


async def test_one_of_three_that_dies_is_failed_in_its_time(cluster: Cluster, short_tmp: Path) -> None:
    """Self-preservation is for many: it hides no single death."""
    async with control_plane(cluster.new_database(), short_tmp) as plane, stubs(plane.direct) as api:
        granted = await api.register()
        async with fleet(plane.port) as registrations:
            assert len(registrations) >= 2
            died = time.monotonic()

            async def failed() -> bool:
                instance = plane.app.live.view.instance(granted.instance_uuid)
                return instance is not None and instance.state is ComponentState.FAILED

            await eventually(failed, within=2 * TIMEOUT)
            assert time.monotonic() - died < TIMEOUT + 1.5
            assert not plane.app.live.leases.judge.preservation.times
