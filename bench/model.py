"""What is measured and what is told of it: plain records, the JSON is made of nothing else."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """What one load run counted. `calls` and the latencies are those of the measured window, `total` is all of them."""

    calls: int
    seconds: float
    total: int
    failures: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    generator: float = 0.0
    """How much of a core the load itself took."""

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds

    @classmethod
    def of(cls, latencies: Sequence[float], seconds: float, total: int, failures: int) -> Figures:
        """Sum up latencies in seconds."""
        ordered = sorted(latencies) or [0.0]
        last = len(ordered) - 1
        points = (ordered[last // 2], ordered[round(last * 0.99)], ordered[last])
        return cls(len(latencies), seconds, total, failures, *(round(point * 1000, 3) for point in points))


@dataclass(frozen=True)
class Sample:
    """One round against one side: what the load saw, and the CPU microseconds a call took in each process."""

    figures: Figures
    cpu_us: dict[str, float]
    others: float
    """How much of the machine went to what is not of this benchmark, 0 to 1."""


@dataclass(frozen=True)
class Spread:
    """The middle of several rounds, and their ends."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Sum up rounds."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Goal:
    """What the design wants: at least, or at most, so much."""

    value: float
    unit: str
    at_most: bool = False

    def reached(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value <= self.value if self.at_most else value >= self.value


@dataclass
class Result:
    """What became of one row. `value` is in the unit of the goal; without one the row is only shown."""

    name: str
    title: str
    goal: Goal | None = None
    value: Spread | None = None
    tekton: str = ""
    bare: str = ""
    by_cpu: float | None = None
    """The bare server's CPU time of a call by Tekton's: the ratio that others on the machine disturb least."""
    notes: list[str] = field(default_factory=list)
    details: Json = field(default_factory=dict)
    missing: str = ""
    more: list[Result] = field(default_factory=list)
    """What the same play told besides, each with a goal of its own."""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is nothing to compare."""
        return None if self.goal is None or self.value is None else self.goal.reached(self.value.median)

    def json(self) -> Json:
        """Give it as JSON."""
        found = asdict(self) | {"reached": self.reached}
        del found["more"]
        return found

    def all(self) -> list[Result]:
        """Give it and what was told besides."""
        return [self, *self.more]
