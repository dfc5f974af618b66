"""kill -9 of a server that launches: nothing is started twice, nothing is lost, and what outlived it is dealt with."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from grpc import StatusCode, aio

from tekton.v1 import component_pb2
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton_server.host.launch_files import LaunchFiles
from tests.faults.running import Faulty
from tests.support.client import stubs
from tests.support.launched import kill_all, launch, launches, left, write_fleet
from tests.support.processes import Up

COUNT = 10
NAMES = [f"worker-{number}" for number in range(COUNT)]
P = component_pb2.LaunchPhase


class Launching(Faulty):
    """A data directory with a fleet, each of whose programs writes a line when it begins."""

    def __init__(self, directory: Path, orphans: str = "adopt") -> None:
        super().__init__(directory)
        config = json.loads(self._config.read_text())
        config["tekton"]["components"]["orphans"] = orphans
        self._config.write_text(json.dumps(config))
        self.data = directory / "d"
        self._begun = directory / "begun"
        self._begun.mkdir(mode=0o777)
        self._begun.chmod(0o777)
        script = f'echo $$ >> "{self._begun}/$TEKTON_COMPONENT_ID"; exec sleep 1000'
        write_fleet(directory, {name: launch("sh", "-c", script) for name in NAMES})

    def begun(self, name: str) -> int:
        """How often the program of a component has begun."""
        file = self._begun / name
        return len(file.read_text().splitlines()) if file.exists() else 0

    def running(self, name: str) -> list[LaunchFiles]:
        """The launches of a component that run."""
        return [one for one in launches(self.data, name) if one.alive()]

    async def start(self) -> list[str]:
        """Start everything at once; give those whose start was answered."""
        async with stubs(f"127.0.0.1:{self.where.direct}") as api:
            asked = [pb.StartComponentRequest(component_id=name) for name in NAMES]
            calls = [api.lifecycle.StartComponent(one, timeout=30) for one in asked]
            found = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one, pb.StartComponentResponse | aio.AioRpcError) for one in found), found
        return [one.component_id for one in found if isinstance(one, pb.StartComponentResponse)]

    async def status(self, name: str) -> pb.GetComponentStatusResponse | None:
        """Ask for a component; None where nobody knows it."""
        async with stubs(f"127.0.0.1:{self.where.direct}") as api:
            try:
                return await api.lifecycle.GetComponentStatus(pb.GetComponentStatusRequest(component_id=name))
            except aio.AioRpcError as error:
                if error.code() is not StatusCode.NOT_FOUND:
                    raise
                return None


@pytest.fixture
def faulty(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Launching]:
    """A fleet, of which nothing is left running."""
    made = Launching(tmp_path, getattr(request, "param", "adopt"))
    yield made
    kill_all(made.data)


def killed(up: Up) -> None:
    """Kill a server with all that is its own; what it has launched is not."""
    own = [one for one in psutil.Process(up.pid).children() if one.name() in ("postgres", "envoy")]
    psutil.Process(up.pid).kill()
    ended(up, own)


def ended(up: Up, own: list[psutil.Process]) -> None:
    """Wait until a server has ended, and its children have noticed."""
    up._process.wait(20)
    psutil.wait_procs(own, timeout=20)


@contextmanager
def served(faulty: Launching, failpoints: str = "") -> Iterator[Up]:
    """Run a server that is killed at the end."""
    with ExitStack() as stack:
        up = stack.enter_context(faulty.up(failpoints)).ready()
        up._family = [one for one in up._family if one.name() in ("postgres", "envoy", "tekton")]
        yield up
        if up.running:
            killed(up)


async def until(holds: object, within: float = 10.0) -> None:
    """Wait until something holds."""
    assert callable(holds)
    end = time.monotonic() + within
    while not (await found if asyncio.iscoroutine(found := holds()) else found):
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("place", ["launch.claimed=4*off->kill", "launch.begun=4*off->kill"])
async def test_a_server_killed_while_it_starts_a_fleet_starts_nothing_twice_and_loses_nothing(
    faulty: Launching, place: str
) -> None:
    """Between the claim and the process, and between the process and its record: the next server goes on with each."""
    with served(faulty, place) as up:
        answered = await faulty.start()
        await asyncio.to_thread(up._process.wait, 20)
    assert len(answered) < COUNT
    outlived = {name for name in NAMES if faulty.running(name)}
    with served(faulty) as up:
        claimed = [name for name in NAMES if await faulty.status(name)]
        assert set(answered) <= outlived <= set(claimed)
        for name in claimed:
            await until(lambda name=name: phase(faulty, name, P.running))
        assert {name for name in NAMES if faulty.running(name)} == set(claimed)
        assert sorted(await faulty.start()) == sorted(NAMES)
        assert [len(faulty.running(name)) for name in NAMES] == [1] * COUNT
        assert [faulty.begun(name) for name in NAMES] == [1] * COUNT
        assert "Traceback" not in up.text


async def phase(faulty: Launching, name: str, wanted: int) -> bool:
    """Tell whether the launch of a component is so far."""
    found = await faulty.status(name)
    return found is not None and found.status_detail.phase == wanted


@pytest.mark.parametrize("faulty", ["stop"], indirect=True)
async def test_orphans_are_stopped_where_that_is_configured(faulty: Launching) -> None:
    """And a claim whose process never was is not carried out any more."""
    with served(faulty, "launch.claimed=4*off->kill") as up:
        await faulty.start()
        await asyncio.to_thread(up._process.wait, 20)
    assert left(faulty.data)
    with served(faulty):
        await until(lambda: not left(faulty.data))
        for name in [name for name in NAMES if await faulty.status(name)]:
            await until(lambda name=name: phase(faulty, name, P.ended))
        assert sum(faulty.begun(name) for name in NAMES) <= 5
