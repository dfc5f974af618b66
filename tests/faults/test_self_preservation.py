"""Self-preservation against a whole control plane: 15 of 40 streams vanish at once and are kept.

Leases last 2 s and are to be renewed every 0.5 s.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import system_service_pb2 as system_pb
from tests.sdk.fleet import eventually
from tests.services.test_heartbeat_service import Granted, claim
from tests.support.client import Stubs, registration, stubs
from tests.support.control_plane import INTERVAL, TIMEOUT, ControlPlane, control_plane
from tests.support.postgres import Cluster
from tests.support.processes import TEKTON

STREAMS, VANISHING = 40, 15
MANY = 1_000


@pytest.fixture
async def plane(cluster: Cluster, short_tmp: Path) -> AsyncIterator[ControlPlane]:
    """A control plane of its own: the mode is everybody's."""
    async with control_plane(cluster.new_database(), short_tmp) as running:
        yield running


@asynccontextmanager
async def beating(api: Stubs, granted: list[Granted]) -> AsyncIterator[None]:
    """Keep leases alive by one stream, as any client in any language does; at the end it vanishes without a word."""
    stream: Any = api.heartbeat.Connect()
    hello = heartbeat_pb.Hello(leases=[claim(one) for one in granted])
    await stream.write(heartbeat_pb.ConnectRequest(hello=hello))

    async def beat() -> None:
        batch = heartbeat_pb.BeatBatch(handles=[grant.handle for grant in (await stream.read()).welcome.grants])
        while True:
            await stream.write(heartbeat_pb.ConnectRequest(beat_batch=batch))
            await stream.read()
            await asyncio.sleep(INTERVAL)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        stream.cancel()


async def counted(plane: ControlPlane, sessions: int) -> None:
    """Wait until so many streams carry all the leases."""
    live = plane.app.live

    async def carried() -> bool:
        streams = {lease.session for lease in live.leases._leases.values()}
        return len(streams - {None}) == sessions == live.leases.judge.preservation.roll.sessions

    await eventually(carried)


async def figures(http: httpx.AsyncClient, *names: str) -> list[float]:
    """Read figures as Prometheus does."""
    text = (await http.get("/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return [float(lines[name]) for name in names]


async def shown(plane: ControlPlane, *command: str) -> tuple[int, dict[str, Any]]:
    """Run a command of `tekton`, and give its exit code and what it says in JSON."""
    run = [str(TEKTON), *command, "-o", "json", "--address", plane.http]
    done = await asyncio.to_thread(subprocess.run, run, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, json.loads(done.stdout)


async def test_many_streams_that_vanish_at_once_are_kept_and_shown_and_failed_after_three_timeouts(
    plane: ControlPlane,
) -> None:
    """Health, metrics, the command and its JSON say so; Tekton stays ready, and the others stay alive."""
    live = plane.app.live
    judge = live.leases.judge
    async with AsyncExitStack() as all_of_it:
        api = await all_of_it.enter_async_context(stubs(plane.direct))
        http = await all_of_it.enter_async_context(httpx.AsyncClient(base_url=plane.http))
        granted = await asyncio.gather(*(api.register() for _ in range(STREAMS)))
        for one in granted[VANISHING:]:
            await all_of_it.enter_async_context(beating(api, [one]))
        async with AsyncExitStack() as vanishing:
            for one in granted[:VANISHING]:
                await vanishing.enter_async_context(beating(api, [one]))

            await counted(plane, STREAMS)

        async def kept() -> bool:
            return judge.preservation.told().kept == VANISHING

        await eventually(kept, within=2 * TIMEOUT)
        health = (await http.get("/api/health")).json()
        assert (health["status"], health["checks"]["self_preservation"]) == ("degraded", "failing")
        assert health["details"]["self_preservation"].startswith("15 of 40 heartbeat sessions are missing")
        assert (await http.get("/api/ready")).status_code == 200
        names = ("tekton_self_preservation", "tekton_evictions_waiting", "tekton_evictions_total", "tekton_leases")
        assert await figures(http, *names) == [1, VANISHING, 0, STREAMS]
        code, status = await shown(plane, "status")
        assert code == 1 and status["self_preservation"]["active"] and status["self_preservation"]["until"]

        async def failed() -> bool:
            return len(live.leases) == STREAMS - VANISHING

        assert not await failed()
        await eventually(failed, within=4 * TIMEOUT)
        assert await figures(http, *names) == [0, 0, VANISHING, STREAMS - VANISHING]
        assert (await http.get("/api/health")).json()["status"] == "healthy"
        alive = [one.instance_uuid in live.leases for one in granted]
        assert alive == [False] * VANISHING + [True] * (STREAMS - VANISHING)


async def test_a_stream_with_a_thousand_leases_that_vanishes_is_one_session(plane: ControlPlane) -> None:
    """One killed host: all of them are failed, and soon."""
    live = plane.app.live
    async with stubs(plane.direct) as api:
        granted = await asyncio.gather(*(api.register() for _ in range(MANY)))
        async with beating(api, list(granted)):
            await counted(plane, 1)

        async def failed() -> bool:
            return not len(live.leases)

        await eventually(failed, within=TIMEOUT + 6)
        assert not live.leases.judge.preservation.times


async def test_an_operators_word_is_stored_and_followed(
    plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On: nobody is evicted, here and on a server that starts later; auto, said there: as before."""
    code, said = await shown(plane, "preservation", "on")
    assert code == 0 and said["mode"] == "on" and said["active"] and said["mode_set_at"]
    assert "an operator has stopped evictions" in said["reason"]
    live = plane.app.live
    async with (
        control_plane(str(plane.settings.database_url), tmp_path_factory.mktemp("t")) as other,
        stubs(plane.direct) as api,
        stubs(other.direct) as second,
    ):
        granted = await api.registry.RegisterComponent(registration())

        async def followed() -> bool:
            return other.app.live.leases.judge.preservation.active

        await eventually(followed)
        await asyncio.sleep(1.5 * TIMEOUT)
        assert granted.instance_uuid in live.leases
        answer = await second.system.SetSelfPreservation(system_pb.SetSelfPreservationRequest(mode="auto"))
        assert (answer.mode, answer.active) == ("auto", False)

        async def ended() -> bool:
            return granted.instance_uuid not in live.leases and not live.leases.judge.preservation.active

        await eventually(ended)


async def test_streams_that_vanish_from_two_servers_are_counted_together(
    cluster: Cluster, short_tmp: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Eight here and seven there, each too few: both servers stop evictions, and go on at an operator's word.

    Leases last 4 s here: a server has to know of the others' silence before the time of its own is over.
    """
    url = cluster.new_database()
    async with (
        control_plane(url, short_tmp, timeout=2 * TIMEOUT) as one,
        control_plane(url, tmp_path_factory.mktemp("t"), timeout=2 * TIMEOUT) as two,
        stubs(one.direct) as first,
        stubs(two.direct) as second,
        AsyncExitStack() as staying,
    ):
        tables = [plane.app.live.leases for plane in (one, two)]
        # Each is on a host of its own: one host whose leases are carried elsewhere is one session.
        granted = [await (second if number % 2 else first).register() for number in range(STREAMS)]
        for number in range(VANISHING, STREAMS):
            await staying.enter_async_context(beating(second if number % 2 else first, [granted[number]]))
        async with AsyncExitStack() as vanishing:
            for number in range(VANISHING):
                await vanishing.enter_async_context(beating(second if number % 2 else first, [granted[number]]))

            async def known() -> bool:
                return all(len(table) == STREAMS and table.owned == STREAMS // 2 for table in tables)

            await eventually(known)

        async def kept() -> bool:
            return sum(table.judge.preservation.told().kept for table in tables) == VANISHING

        await eventually(kept, within=4 * TIMEOUT)
        assert all(table.judge.preservation.active and len(table) == STREAMS for table in tables)
        await first.system.SetSelfPreservation(system_pb.SetSelfPreservationRequest(mode="off"))
        left = {one.instance_uuid for one in granted[VANISHING:]}

        async def failed() -> bool:
            return all(set(table._leases) == left for table in tables)

        await eventually(failed, within=5)
