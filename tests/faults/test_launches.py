"""kill -9 of a server that launches: nothing is started twice, nothing is lost, and what outlived it is dealt with."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from grpc import StatusCode, aio

from tekton.v1 import component_pb2
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton_server.host.launch_files import LaunchFiles
from tests.faults.running import Faulty
from tests.support.client import stubs
from tests.support.launched import kill_all, launch, launches, write_fleet
from tests.support.processes import READY, Up

COUNT = 10
NAMES = [f"worker-{number}" for number in range(COUNT)]
P = component_pb2.LaunchPhase


class Launching(Faulty):
    """A data directory with a fleet, each of whose programs writes a line when it begins."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
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

    async def claimed(self, name: str) -> bool:
        """Tell whether somebody has begun to launch a component."""
        found = await self.status(name)
        return found is not None and found.status_detail.phase != P.unknown

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
def faulty(tmp_path: Path) -> Iterator[Launching]:
    """A fleet, of which nothing is left running."""
    made = Launching(tmp_path)
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


async def until(holds: Callable[[], Awaitable[bool]], within: float = 10.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within
    while not await holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_a_server_killed_while_it_starts_a_fleet_starts_nothing_twice_and_loses_nothing(
    faulty: Launching,
) -> None:
    """Between claim and process, between process and record, between end and record: the next one goes on with each."""
    answered: set[str] = set()
    for place in ("launch.claimed", "launch.begun"):
        # It goes on with what the one before had begun at once, so that it may be killed before it is ready.
        with faulty.up(f"{place}=4*off->kill") as up:
            while up.running and READY not in up.text:
                await asyncio.sleep(0.02)
            answered |= set(await faulty.start()) if up.running else set()
            await asyncio.to_thread(up._process.wait, 20)
        assert len(answered) < COUNT and answered <= {name for name in NAMES if faulty.running(name)}
    with served(faulty, "launch.ended=kill") as up:
        claimed = [name for name in NAMES if await faulty.claimed(name)]
        await in_phase(faulty, claimed, P.running)
        assert {name for name in NAMES if faulty.running(name)} == set(claimed) >= answered
        assert sorted(await faulty.start()) == sorted(NAMES)
        assert [len(faulty.running(name)) for name in NAMES] == [1] * COUNT
        assert [faulty.begun(name) for name in NAMES] == [1] * COUNT
        assert "Traceback" not in up.text
        status = faulty.running(NAMES[0])[0].status()
        assert status is not None
        os.kill(status.pid, 9)
        await asyncio.to_thread(up._process.wait, 20)
    with served(faulty) as up:
        await in_phase(faulty, NAMES[:1], P.ended)
        await in_phase(faulty, NAMES[1:], P.running)
        found = await faulty.status(NAMES[0])
        assert found is not None and found.status_detail.last_exit == "ended by SIGKILL"
        assert [faulty.begun(name) for name in NAMES] == [1] * COUNT
        assert "Traceback" not in up.text


async def in_phase(faulty: Launching, names: list[str], wanted: int) -> None:
    """Wait until the launches of components are so far."""
    for name in names:
        await until(partial(phase, faulty, name, wanted))


async def phase(faulty: Launching, name: str, wanted: int) -> bool:
    """Tell whether the launch of a component is so far."""
    found = await faulty.status(name)
    return found is not None and found.status_detail.phase == wanted
