"""Busy is not dead: a component whose event loop stands still for two timeouts is shown as degraded, and never failed.

The terms are the default ones, all shortened alike, but for the lag that is borne.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tekton.client import TektonClient
from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tests.faults.running import Faulty
from tests.sdk.fleet import component, eventually
from tests.support.client import new_id, stubs
from tests.support.control_plane import INTERVAL, TIMEOUT, ControlPlane, control_plane, settings_for
from tests.support.postgres import Cluster

S = pb.ComponentState
LAG = 0.25
# What the machine may add when it is busy itself.
SLACK = 0.5
PROGRAM = "tests.faults.busy_component"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane that bears a lag of a quarter of a second."""
    directory, url = tmp_path_factory.mktemp("busy"), cluster.new_database()
    settings = settings_for(url, directory)
    terms = msgspec.structs.replace(settings.components, loop_lag_threshold=LAG)
    settings = msgspec.structs.replace(settings, components=terms)
    async with control_plane(url, directory, settings=settings) as running:
        yield running


class History:
    """The state changes of a component as they were seen, with when."""

    def __init__(self) -> None:
        self.changes: list[tuple[float, lifecycle_pb.StateChange]] = []
        self.stands = asyncio.Event()

    async def follow(self, tekton: ControlPlane, component_id: str) -> None:
        """Watch until cancelled."""
        async with stubs(tekton.direct) as api:
            asked = lifecycle_pb.WatchStatesRequest(component_ids=[component_id])
            async for message in api.lifecycle.WatchStates(asked):
                self.stands.set()
                self.changes += [(time.monotonic(), change) for change in message.changes]

    def seen(self) -> list[tuple[int, str]]:
        """Every change, in order."""
        return [(change.new_state, change.reason) for _, change in self.changes]

    def when(self, state: int) -> float:
        """When a state was entered last."""
        return [at for at, change in self.changes if change.new_state == state][-1]


@asynccontextmanager
async def followed(tekton: ControlPlane, component_id: str) -> AsyncIterator[History]:
    """Keep the history of a component from now on."""
    history = History()
    task = asyncio.create_task(history.follow(tekton, component_id))
    async with asyncio.timeout(5):
        await history.stands.wait()
    yield history
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def busy_component(tekton: ControlPlane, component_id: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the component until it is ready."""
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", PROGRAM, component_id),
        env=os.environ | {"TEKTON_HOST": tekton.host, "TEKTON_PORT": str(tekton.port), "PYTHONPATH": paths},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.stdin.close()
        async with asyncio.timeout(20):
            await process.wait()


@pytest.mark.parametrize("how", ["sleep", "gil"])
async def test_a_component_that_blocks_for_two_timeouts_is_degraded_and_comes_back(
    tekton: ControlPlane, how: str
) -> None:
    """Shown within two beats of the lag that is borne, and gone within two: no eviction, no other instance."""
    component_id = new_id(how)
    async with busy_component(tekton, component_id) as process, followed(tekton, component_id) as history:
        assert process.stdin is not None and process.stdout is not None
        began = time.monotonic()
        process.stdin.write(f"{how} {2 * TIMEOUT}\n".encode())
        async with asyncio.timeout(2 * TIMEOUT + 10):
            _, instance = (await process.stdout.readline()).split()
        unblocked = time.monotonic()
        assert unblocked - began >= 2 * TIMEOUT
        await asyncio.sleep(2 * INTERVAL + SLACK)
        assert history.seen() == [(S.degraded, "event_loop_blocked"), (S.ready, "event_loop_free")]
        assert history.when(S.degraded) - began < LAG + 2 * INTERVAL + SLACK
        assert history.when(S.ready) - unblocked < 2 * INTERVAL + SLACK
        assert {change.instance_uuid for _, change in history.changes} == {instance.decode()}
        evidence = history.changes[0][1].metadata.fields
        assert evidence["loop_lag_seconds"].number_value > evidence["threshold_seconds"].number_value == LAG


async def test_a_process_with_thousands_of_leases_keeps_them_all_on_one_stream(tmp_path: Path) -> None:
    """Two thousand, past their timeout: nobody changes state, and the last beats are all recent."""
    faulty = Faulty(tmp_path, timeout=TIMEOUT)
    with faulty.up() as tekton:
        tekton.ready()
        async with TektonClient("127.0.0.1", faulty.where.gateway) as client:
            kind = component("kind").component_id
            registrations = [component(component_type=kind) for _ in range(2000)]
            assert all(await client.register_components(registrations))
            tasks = [client.start_heartbeat(one.component_id, state="ready") for one in registrations]

            async def ready() -> bool:
                return all(task.state == "ready" for task in tasks)

            await eventually(ready, within=20)
            watch = client.watch_states(component_types=[kind])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5 * TIMEOUT):
                    await anext(aiter(watch))
            now = time.time()
            assert all(task.last_ack and now - task.last_ack.timestamp() < 2 * task.interval for task in tasks)
            assert {row["status"] async for row in client.list_components(type=kind)} == {"ready"}
        assert tekton.stop() == 0
