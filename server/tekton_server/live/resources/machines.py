"""The machines of the servers: this one's with its last hour, and what the other servers have said of theirs."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from tekton.core.errors import UnavailableError
from tekton.core.machine import Machine
from tekton_server.live.lease import Clock

# How long the first reading may be waited for, in seconds.
FIRST_WITHIN = 5.0
# Over so many seconds of figures a processor counts as busy: a start of something must not forbid the next.
MINUTE = 60.0
# So many points of the past are kept at most; where there would be more, they are further apart.
MOST_POINTS = 3600


class SystemPoint(NamedTuple):
    """What a machine used at one time, as shares; of GPUs the greatest."""

    at: datetime
    cpu: float
    memory: float
    gpu: float | None
    gpu_memory: float | None


class Machines:
    """The newest figures. `interval` is how often they come, `history` how long they are kept, in seconds."""

    def __init__(self, interval: float, history: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._stale_after = max(3 * interval, 30.0)
        self._read = asyncio.Event()
        self._read_at = 0.0
        self._own: Machine | None = None
        self.trouble = "they have not been read yet"
        self.owners: Mapping[int, str] = {}
        """Whose the processes on GPUs are: instances by process ids."""
        self.others: Sequence[Machine] = ()
        readings = max(1, round(history / interval))
        self._every, self._readings = math.ceil(readings / MOST_POINTS), 0
        self.points: deque[SystemPoint] = deque(maxlen=math.ceil(readings / self._every))

    @property
    def own(self) -> Machine | None:
        """The newest figures of this machine, however old."""
        return self._own

    @property
    def current(self) -> Machine | None:
        """The figures of this machine, as of now or nearly so; None where they cannot be read."""
        return None if self._clock() - self._read_at > self._stale_after else self._own

    def take(self, machine: Machine, owners: Mapping[int, str]) -> None:
        """Take new figures of this machine."""
        self._own, self.owners, self.trouble = machine, owners, ""
        self._read_at = self._clock()
        if self._readings % self._every == 0:
            self.points.append(_point(machine))
        self._readings += 1
        self._read.set()

    async def now(self) -> Machine:
        """Give the figures of this machine, as of now or nearly so.

        Raises:
            UnavailableError: they cannot be read.
        """
        try:
            async with asyncio.timeout(FIRST_WITHIN):
                await self._read.wait()
        except TimeoutError:
            raise UnavailableError(f"the figures of this machine cannot be told: {self.trouble}") from None
        found = self.current
        if found is None:
            raise UnavailableError(f"the figures of this machine cannot be told: {self.trouble or 'they are too old'}")
        return found

    def since(self, seconds: float) -> list[SystemPoint]:
        """Give what this machine used since so many seconds, the oldest first."""
        if self._own is None:
            return []
        first = self._own.at - timedelta(seconds=seconds)
        return [point for point in self.points if point.at > first]

    def lately(self) -> float:
        """Give how busy the processors of this machine were over the last minute, as far as is known."""
        shares = [point.cpu for point in self.since(MINUTE)]
        return sum(shares) / len(shares) if shares else 0.0


def _point(machine: Machine) -> SystemPoint:
    busy = max((gpu.busy_ratio for gpu in machine.gpus if gpu.busy_ratio is not None), default=None)
    full = max((gpu.memory_ratio for gpu in machine.gpus if gpu.memory_ratio is not None), default=None)
    return SystemPoint(machine.at, machine.cpu.ratio, machine.memory.ratio, busy, full)
