"""Where rows are played: a fresh control plane, a bare server, the load's own process, and rounds that alternate."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import grpc

from bench.bodies import Registrations
from bench.load import Window
from bench.model import Figures, Sample, Spread
from bench.processes import Bare, Process, Tekton, busy_seconds
from bench.profile import Profile
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub
from tekton.v1.registry_service_pb2_grpc import RegistryServiceStub

SUBJECT = "bench-subject"


@dataclass(frozen=True)
class Options:
    """How thorough a run is. `rows` and the rest of the command line stay with the command line."""

    rounds: int
    seconds: float
    warm_up: float

    @property
    def window(self) -> Window:
        """Of one round."""
        return Window(self.warm_up, self.seconds)


class Load(Protocol):
    """Something that loads a target and can be sent to another process."""

    async def go(self) -> Figures:
        """Load, on this event loop."""
        ...


def run(load: Load) -> Figures:
    """Load, in this process."""
    began, used = time.perf_counter(), time.process_time()
    figures = asyncio.run(load.go())
    share = (time.process_time() - used) / (time.perf_counter() - began)
    return replace(figures, generator=round(share, 2))


Side = Tekton | Bare
MakeLoad = Callable[[Side, int], Load]
"""Gives the load of a round against a side; the number tells rounds apart, so that nothing is registered twice."""


@dataclass
class Rounds:
    """The samples of both sides, round by round."""

    bare: list[Sample] = field(default_factory=list)
    tekton: list[Sample] = field(default_factory=list)

    @property
    def ratio(self) -> Spread:
        """Tekton's rate by the bare one of the same round."""
        pairs = zip(self.tekton, self.bare, strict=True)
        return Spread.of([one.figures.rate / other.figures.rate for one, other in pairs])


class Stage:
    """One control plane and one bare server, side by side."""

    def __init__(self, options: Options, directory: Path, pool: ProcessPoolExecutor, profile: Profile | None) -> None:
        self._profile = profile
        self.options = options
        self.directory = directory
        self._pool = pool
        # The process of the load is up before anything is measured.
        pool.submit(time.sleep, 0).result()
        self._stack = contextlib.ExitStack()
        self.tekton = self._stack.enter_context(Tekton(directory / "tekton", profile=profile.raw if profile else None))
        self._stack.callback(lambda: self.channel.close())
        self.channel = grpc.insecure_channel(self.tekton.grpc.authority)
        self.registry = RegistryServiceStub(self.channel)
        self.heartbeat = HeartbeatServiceStub(self.channel)
        self.subject = self.register(SUBJECT)
        self.bare = self._stack.enter_context(Bare(directory, self._replies()))

    def close(self) -> None:
        """End both."""
        self._stack.close()

    def register(self, component_id: str) -> registry_pb.RegisterComponentResponse:
        """Register a component and make it ready."""
        request = registry_pb.RegisterComponentRequest(
            component_id=component_id,
            component_name="The component that is read",
            component_type="service",
            version="1.0.0",
            capabilities=["search", "summarise"],
            host=component_id,
            port=8500,
            health_check="/health",
        )
        granted = self.registry.RegisterComponent(request, timeout=10)
        beat = heartbeat_pb.SendHeartbeatRequest(
            component_id=component_id, instance_uuid=granted.instance_uuid, state="ready"
        )
        self.heartbeat.SendHeartbeat(beat, timeout=10)
        return granted

    def register_many(self, prefix: str, count: int) -> Iterator[heartbeat_pb.LeaseClaim]:
        """Register components, and give what claims their leases."""
        body = Registrations(prefix)
        for first in range(1, count + 1, 1000):
            numbers = range(first, min(first + 1000, count + 1))
            items = [registry_pb.RegisterComponentRequest.FromString(body.one(number)) for number in numbers]
            request = registry_pb.BatchRegisterComponentsRequest(components=items)
            for granted in self.registry.BatchRegisterComponents(request, timeout=60).results:
                yield heartbeat_pb.LeaseClaim(
                    component_id=granted.component_id,
                    instance_uuid=granted.instance_uuid,
                    fencing_token=granted.fencing_token,
                )

    def hellos(self, prefix: str, streams: int, leases: int) -> tuple[bytes, ...]:
        """Register components, and give a hello for each stream that claims its share of their leases."""
        claims = list(self.register_many(prefix, streams * leases))
        parts = (claims[at : at + leases] for at in range(0, len(claims), leases))
        hellos = (heartbeat_pb.Hello(leases=part, client="bench") for part in parts)
        return tuple(heartbeat_pb.ConnectRequest(hello=hello).SerializeToString() for hello in hellos)

    def _replies(self) -> dict[str, bytes]:
        """Let the bare server say what Tekton says, so that both send as much."""
        component = self.registry.GetComponent(registry_pb.GetComponentRequest(component_id=SUBJECT), timeout=10)
        lease = self.subject.lease
        ack = heartbeat_pb.Ack(sequence=1000, handle=1, state=component.status, lease=lease)
        return {
            "GetComponent": component.SerializeToString(),
            "RegisterComponent": self.subject.SerializeToString(),
            "Connect": heartbeat_pb.ConnectResponse(ack=ack).SerializeToString(),
        }

    def begin(self, load: Load) -> Future[Figures]:
        """Start a load in the load's process."""
        return self._pool.submit(run, load)

    def sample(self, side: Process, load: Load) -> Sample:
        """Run one load in the load's process, and see what it takes of the side's processes."""
        before, machine, began = side.cpu(), busy_seconds(), time.monotonic()
        if self._profile is not None:
            self._profile.begin(side)
        figures = self.begin(load).result()
        after, elapsed = side.cpu(), time.monotonic() - began
        if figures.failures:
            raise RuntimeError(f"{figures.failures} of {figures.total} calls failed")
        used = {part: after[part] - before.get(part, 0.0) for part in after}
        others = busy_seconds() - machine - sum(used.values()) - figures.generator * elapsed
        each = {part: round(seconds / max(figures.total, 1) * 1e6, 2) for part, seconds in used.items()}
        sample = Sample(figures, each, round(max(others, 0.0) / elapsed / (os.cpu_count() or 1), 2))
        if self._profile is not None:
            self._profile.end(side, sample)
        return sample

    def alternate(self, make: MakeLoad) -> Rounds:
        """Play the rounds: bare, Tekton, bare, Tekton."""
        found = Rounds()
        for number in range(self.options.rounds):
            found.bare.append(self.sample(self.bare, make(self.bare, number)))
            found.tekton.append(self.sample(self.tekton, make(self.tekton, number)))
        return found

    def repeat(self, make: MakeLoad) -> list[Sample]:
        """Play the rounds of Tekton alone, where there is nothing to compare with."""
        return [self.sample(self.tekton, make(self.tekton, number)) for number in range(self.options.rounds)]


@contextlib.contextmanager
def stage(options: Options, *, profile: Profile | None = None) -> Iterator[Stage]:
    """Set a stage, and clear it away."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ProcessPoolExecutor(1, mp_context=context) as pool:
        one = Stage(options, Path(name), pool, profile)
        try:
            yield one
        finally:
            one.close()
