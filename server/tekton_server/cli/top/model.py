"""What `tekton top` knows: the figures of the machine and of every component, folded from one watch."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from tekton._convert import state_name
from tekton.core.ids import lookup_key
from tekton.v1 import resource_service_pb2 as pb
from tekton_server.cli.top.orders import Order

HOUR = 3600.0
# Read ten times a second, an hour has so many.
_MOST_POINTS = 36_000
# Who needs to be looked at comes first.
_STATES = (
    "failed", "degraded", "stopping", "registering", "initializing", "starting", "ready", "stopped", "unknown"
)  # fmt: skip
_RANK = {state: rank for rank, state in enumerate(_STATES)}


class Row(NamedTuple):
    """A component. `cpu` is in percent of one core, memory in MB; None is not known."""

    component_id: str
    kind: str
    status: str
    since: datetime | None
    instances: int
    cpu: float | None
    memory: float | None
    gpu: float | None


class Point(NamedTuple):
    """What was used at one time: of a machine percents, of a component percent of a core and MB."""

    at: float
    cpu: float
    memory: float
    gpu: float | None = None
    gpu_memory: float | None = None


_FIGURES: Mapping[Order, Callable[[Row], float | None]] = {
    Order.CPU: lambda row: row.cpu,
    Order.MEMORY: lambda row: row.memory,
    Order.GPU: lambda row: row.gpu,
}


class Model:
    """Takes events one by one. `changed` is set when there is something to draw, by whoever draws it cleared."""

    def __init__(self) -> None:
        self.system: pb.SystemResources | None = None
        self.rows: dict[str, Row] = {}
        self.figures: dict[str, pb.ComponentFigures] = {}
        self.alarms: dict[tuple[object, ...], pb.ResourceAlarm] = {}
        self.points: deque[Point] = deque(maxlen=_MOST_POINTS)
        self.whole = False
        """Whether everything that is there was told."""
        self.trouble = ""
        """Why there is no connection now."""
        self.changed = True
        self._told: set[str] = set()

    def take(self, event: pb.ResourceEvent) -> None:
        """Take an event."""
        self.changed, self.trouble = True, ""
        match event.event:
            case "present":
                # All of it is told again; until then what was known stays.
                self._told, self.whole = set(), False
                self.alarms = {_about(alarm): alarm for alarm in event.alarms}
            case "complete":
                self.whole = True
                for gone in self.rows.keys() - self._told:
                    self._forget(gone)
            case "system":
                self._machine(event.system)
            case "components":
                for one in event.components:
                    self._component(one)
            case "threshold_exceeded" | "limit_exceeded":
                self.alarms[_about(event.alarm)] = event.alarm
            case "threshold_cleared" | "limit_cleared":
                self.alarms.pop(_about(event.alarm), None)

    def lost(self, why: str) -> None:
        """There is no connection."""
        self.changed, self.trouble = True, why

    def remember(self, past: pb.SystemResources) -> None:
        """Take what the machine used before."""
        known = {round(point.at, 1) for point in self.points}
        earlier = [
            Point(
                seconds(one.timestamp),
                one.cpu_percent,
                one.memory_percent,
                one.gpu_util if one.HasField("gpu_util") else None,
                one.gpu_memory_percent if one.HasField("gpu_memory_percent") else None,
            )
            for one in past.history
        ]
        fresh = [point for point in earlier if round(point.at, 1) not in known]
        self.points = deque(sorted((*fresh, *self.points)), maxlen=_MOST_POINTS)
        self.changed = True

    def shown(self, order: Order, text: str = "", *, backwards: bool = False) -> list[Row]:
        """Give the rows that have a text, in an order."""
        wanted = text.casefold()
        found = list(self.rows.values())
        if wanted:
            found = [row for row in found if any(wanted in one.casefold() for one in row[:3])]
        figure = _FIGURES.get(order)
        if figure is None:
            by_state = order is Order.STATE
            return sorted(found, key=lambda row: (_rank(row) if by_state else 0, row.component_id), reverse=backwards)
        sign = 1 if backwards else -1
        known = [(sign * value, row.component_id, row) for row in found if (value := figure(row)) is not None]
        # What is not known comes last in any case.
        unknown = [(0.0, row.component_id, row) for row in found if figure(row) is None]
        return [one[2] for one in (*sorted(known), *sorted(unknown))]

    def of(self, row: Row) -> pb.ComponentFigures:
        """Give the figures that a row is from."""
        return self.figures[lookup_key(row.component_id)]

    def states(self) -> list[tuple[str, int]]:
        """Count components by state, those to be looked at first."""
        counted = Counter(row.status for row in self.rows.values())
        return sorted(counted.items(), key=lambda one: _RANK.get(one[0], len(_RANK)))

    def _machine(self, system: pb.SystemResources) -> None:
        self.system = system
        busy = [gpu.util for gpu in system.gpu if gpu.HasField("util")]
        full = [
            100 * gpu.memory_used / gpu.memory_total
            for gpu in system.gpu
            if gpu.HasField("memory_used") and gpu.memory_total
        ]
        at = seconds(system.timestamp)
        if not self.points or self.points[-1].at < at:
            self.points.append(
                Point(
                    at,
                    system.cpu.overall_percent,
                    system.memory.percent,
                    max(busy, default=None),
                    max(full, default=None),
                )
            )
        while self.points and self.points[0].at < at - HOUR:
            self.points.popleft()

    def _component(self, one: pb.ComponentFigures) -> None:
        key = lookup_key(one.component_id)
        if one.removed:
            self._forget(key)
            return
        self._told.add(key)
        self.figures[key] = one
        self.rows[key] = _row(one)

    def _forget(self, key: str) -> None:
        self.rows.pop(key, None)
        self.figures.pop(key, None)


def _rank(row: Row) -> int:
    return _RANK.get(row.status, len(_RANK))


def _row(one: pb.ComponentFigures) -> Row:
    usage = one.usage if one.HasField("usage") else None
    return Row(
        one.component_id,
        one.component_type,
        state_name(one.status),
        moment(one.status_since) if one.HasField("status_since") else None,
        one.instances,
        usage.cpu_percent if usage else None,
        usage.memory.rss if usage else None,
        usage.gpu.memory_used if usage and usage.HasField("gpu") else None,
    )


def seconds(at: Timestamp) -> float:
    """Give a time in seconds since 1970."""
    return at.seconds + at.nanos / 1e9


def moment(at: Timestamp) -> datetime:
    """Give a time."""
    return datetime.fromtimestamp(seconds(at), UTC)


def _about(alarm: pb.ResourceAlarm) -> tuple[object, ...]:
    return alarm.figure, alarm.host, alarm.instance_uuid, alarm.gpu if alarm.HasField("gpu") else None
