"""Figures of this process: counted where things happen, in plain numbers, and read only when somebody asks.

Nothing here knows a metrics library or a format. Everything runs on the event loop's thread, so nothing locks.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

Clock = Callable[[], float]

# From a quarter of a millisecond, which is an answer from the view, to the patience of a write.
CALL_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BATCH_COMMITS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
# Over how many whole seconds the recent figures go.
WINDOW = 60


class Histogram:
    """How many observations are at most each of the edges, and their sum."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value


class Recent:
    """The calls of the last minute, in slots of one second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock()
        self._second = [-1] * (WINDOW + 1)
        self._count = [0] * (WINDOW + 1)
        self._seconds = [0.0] * (WINDOW + 1)

    def add(self, now: float, seconds: float) -> None:
        """Count a call that ended now and took so many seconds."""
        second = int(now)
        slot = second % (WINDOW + 1)
        if self._second[slot] != second:
            self._second[slot], self._count[slot], self._seconds[slot] = second, 0, 0.0
        self._count[slot] += 1
        self._seconds[slot] += seconds

    def figures(self) -> tuple[float, float]:
        """Give the calls per second, and the mean seconds that one took; zeros when there were none."""
        now = self._clock()
        first = int(now) - WINDOW
        slots = [slot for slot, second in enumerate(self._second) if second >= first]
        count = sum(self._count[slot] for slot in slots)
        span = min(now - first, max(now - self._began, 1.0))
        return count / span, sum(self._seconds[slot] for slot in slots) / count if count else 0.0


class MethodCalls:
    """The calls of one RPC. Streams are counted and not timed: how long one stays open says nothing of its speed."""

    __slots__ = ("_clock", "_recent", "active", "codes", "method", "seconds", "service")

    def __init__(self, path: str, clock: Clock, recent: Recent, *, streams: bool) -> None:
        self.service, self.method = path.strip("/").split("/")
        self.active = 0
        self.codes: dict[str, int] = {}
        self.seconds = None if streams else Histogram(CALL_SECONDS)
        self._clock = clock
        self._recent = recent

    @property
    def called(self) -> bool:
        """Whether anybody has called it yet."""
        return self.active > 0 or bool(self.codes)

    def begin(self) -> float:
        """A call begins; give what `end` wants back."""
        self.active += 1
        return self._clock()

    def end(self, code: str, began: float) -> None:
        """A call ended with a gRPC status code."""
        self.active -= 1
        self.codes[code] = self.codes.get(code, 0) + 1
        if self.seconds is not None:
            now = self._clock()
            self.seconds.observe(now - began)
            self._recent.add(now, now - began)


class Calls:
    """All calls of the services of the contract."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.recent = Recent(clock)
        self.methods: dict[str, MethodCalls] = {}

    def method(self, path: str, *, streams: bool) -> MethodCalls:
        """Give the figures of an RPC, named as gRPC does: /package.Service/Method."""
        return self.methods.setdefault(path, MethodCalls(path, self._clock, self.recent, streams=streams))

    @property
    def active(self) -> int:
        """How many calls and streams are open."""
        return sum(method.active for method in self.methods.values())

    @property
    def ended(self) -> int:
        """How many have ended."""
        return sum(sum(method.codes.values()) for method in self.methods.values())

    @property
    def failed(self) -> int:
        """How many of them did not end with OK."""
        return self.ended - sum(method.codes.get("OK", 0) for method in self.methods.values())


class Batches:
    """What the writer committed: how many batches, and of how many commits."""

    def __init__(self) -> None:
        self.commits = 0
        self.sizes = Histogram(BATCH_COMMITS)
        self._open = 0

    def commit(self) -> None:
        """A commit was folded."""
        self._open += 1

    def close(self) -> None:
        """The batch is complete."""
        if self._open:
            self.commits += self._open
            self.sizes.observe(self._open)
            self._open = 0


class ProcessFigures(NamedTuple):
    """What this process takes of its machine."""

    cpu_seconds: float
    cpu_percent: float
    """Of one core, over the time since it was last asked for, a second at least."""
    resident_bytes: int
    memory_percent: float
    """Of the machine's memory."""
    threads: int
    open_files: int
    started: float
    """When it started, in seconds since 1970."""


class OwnProcess(Protocol):
    """Looks at this process."""

    def figures(self) -> ProcessFigures:
        """Give the figures as of now. MUST be quick, and MUST NOT fail."""
        ...


class Telemetry(NamedTuple):
    """What the process counts about itself."""

    calls: Calls
    process: OwnProcess
