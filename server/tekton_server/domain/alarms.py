"""When a figure is too much: of a machine by thresholds, of an instance by what it may use. Each is told once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from tekton.core.machine import MB, Machine
from tekton.core.resources import Crossing
from tekton.core.view import Constraints
from tekton_server.domain.constraints import LIMITS
from tekton_server.domain.usage import Usage

# Of a processor limit, since the kernel counts in ticks: one that is held at its limit is not over it.
_TICKS = 0.05
# How far below its limit an instance has to be again, as a part of the limit; a limit of 0 has no margin.
_MARGIN = 0.05
_UNITS = {
    "cpu_percent": "percent", "memory_percent": "percent", "disk_percent": "percent", "gpu_memory_percent": "percent",
    "gpu_temperature": "celsius", "gpu_lost": "", "cpu_limit": "cores", "memory_limit": "MB", "gpu_limit": "MB",
}  # fmt: skip
FIGURES = tuple(_UNITS)
_WORDS = {
    "cpu_percent": "processors busy", "memory_percent": "memory in use", "disk_percent": "disk in use",
    "gpu_memory_percent": "GPU memory in use", "gpu_temperature": "GPU temperature",
    "cpu_limit": "processor time", "memory_limit": "memory", "gpu_limit": "GPU memory",
}  # fmt: skip
_SIGNS = {"percent": " %", "celsius": " °C", "cores": " cores", "MB": " MB"}


class Alarm(NamedTuple):
    """A figure that is too much, or was, with its threshold; of a machine or GPU, or of an instance."""

    figure: str
    value: float
    threshold: float
    since: datetime
    host: str = ""
    gpu: int | None = None
    component_id: str = ""
    instance_uuid: str = ""

    @property
    def key(self) -> tuple[str, str, str, int | None]:
        """What it is about."""
        return self.host, self.instance_uuid, self.figure, self.gpu

    @property
    def unit(self) -> str:
        """The unit of value and threshold."""
        return _UNITS[self.figure]

    @property
    def sentence(self) -> str:
        """Say it in words, as of when it was too much."""
        who = self.component_id or self.host
        place = f"{who}, GPU {self.gpu}" if self.gpu is not None else who
        if self.figure == "gpu_lost":
            return f"{place}: the driver cannot reach it"
        sign = _SIGNS[self.unit]
        most = "its limit" if self.component_id else "the threshold"
        return f"{place}: {_WORDS[self.figure]} {self.value:.4g}{sign}, {most} is {self.threshold:.4g}{sign}"


class Happened(NamedTuple):
    """Something got too much (`raised`), or is so no longer."""

    raised: bool
    alarm: Alarm


class Thresholds(NamedTuple):
    """What a figure of a machine has to stay below, None for no matter what; percent, percent, percent, percent, °C.

    `margin` is how far below it has to be again.
    """

    cpu_percent: float | None = 90.0
    memory_percent: float | None = 90.0
    disk_percent: float | None = 90.0
    gpu_memory_percent: float | None = 95.0
    gpu_temperature: float | None = 90.0
    margin: float = 5.0


_Key = tuple[str, str, str, int | None]


class _Levels:
    """Crossings by what they are about, and the alarms that stand."""

    def __init__(self) -> None:
        self._crossings: dict[_Key, Crossing] = {}
        self.standing: dict[_Key, Alarm] = {}

    def look(self, alarm: Alarm, value: float | None, over: float, margin: float) -> Iterator[Happened]:
        crossing = self._crossings.get(alarm.key)
        if crossing is None or crossing.threshold != over:
            fresh = self._crossings[alarm.key] = Crossing(over, margin)
            # Another threshold: what is over the new one as well goes on.
            fresh.raised = alarm.key in self.standing
            crossing = fresh
        changed = crossing.look(value)
        known = self.standing.get(alarm.key)
        if known is not None and value is not None:
            alarm = alarm._replace(since=known.since)
        if changed is False:
            self.standing.pop(alarm.key, None)
        elif crossing.raised and value is not None:
            self.standing[alarm.key] = alarm
        if changed is not None:
            yield Happened(changed, alarm)

    def drop(self, keys: Iterable[_Key]) -> Iterator[Happened]:
        for key in list(keys):
            self._crossings.pop(key, None)
            alarm = self.standing.pop(key, None)
            if alarm is not None:
                yield Happened(False, alarm)


class MachineAlarms:
    """The alarms of machines, by their names."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._levels = _Levels()

    @property
    def standing(self) -> Iterable[Alarm]:
        """What is too much now."""
        return self._levels.standing.values()

    def look(self, machine: Machine) -> list[Happened]:
        """Take new figures of a machine."""
        happened: list[Happened] = []
        for figure, gpu, value, threshold, margin in self._figures(machine):
            alarm = Alarm(figure, value or 0.0, threshold, machine.at, machine.host, gpu)
            happened += self._levels.look(alarm, value, threshold, margin)
        present = {gpu.id for gpu in machine.gpus} | {None}
        of_machine = (key for key in self._levels.standing if key[0] == machine.host)
        return [*happened, *self._levels.drop(key for key in list(of_machine) if key[3] not in present)]

    def forget(self, host: str) -> list[Happened]:
        """A machine is gone: nothing of it is too much any more."""
        return list(self._levels.drop(key for key in list(self._levels.standing) if key[0] == host))

    def _figures(self, machine: Machine) -> Iterator[tuple[str, int | None, float | None, float, float]]:
        limits, margin = self._thresholds, self._thresholds.margin
        found: list[tuple[str, int | None, float | None, float | None]] = [
            ("cpu_percent", None, 100 * machine.cpu.ratio, limits.cpu_percent),
            ("memory_percent", None, 100 * machine.memory.ratio, limits.memory_percent),
            ("disk_percent", None, 100 * machine.disk.ratio, limits.disk_percent),
        ]
        for gpu in machine.gpus:
            memory = None if gpu.memory_ratio is None else 100 * gpu.memory_ratio
            found += [
                ("gpu_memory_percent", gpu.id, memory, limits.gpu_memory_percent),
                ("gpu_temperature", gpu.id, gpu.celsius, limits.gpu_temperature),
            ]
            yield "gpu_lost", gpu.id, float(gpu.lost), 0.0, 0.0
        yield from ((figure, gpu, value, most, margin) for figure, gpu, value, most in found if most is not None)


class LimitAlarms:
    """The alarms of instances that use more than they may."""

    def __init__(self) -> None:
        self._levels = _Levels()
        self._since: dict[str, datetime] = {}

    @property
    def standing(self) -> Iterable[Alarm]:
        """What is too much now."""
        return self._levels.standing.values()

    def look(self, instance_uuid: str, usage: Usage, constraints: Constraints, at: datetime) -> list[Happened]:
        """Take new figures of an instance, or new constraints of its component."""
        happened: list[Happened] = []
        who = constraints.component_id
        for name, used, limit in _limited(usage, constraints):
            alarm = Alarm(name, used or 0.0, limit, at, component_id=who, instance_uuid=instance_uuid)
            over = limit * (1 + _TICKS) if name == "cpu_limit" else limit
            happened += self._levels.look(alarm, used, over, over - limit * (1 - _MARGIN))
        unlimited = [name for name in LIMITS if getattr(constraints, name) is None]
        return [*happened, *self._levels.drop(("", instance_uuid, name, None) for name in unlimited)]

    def of(self, instance_uuid: str) -> list[Alarm]:
        """Give what is too much of an instance."""
        keys = (("", instance_uuid, name, None) for name in LIMITS)
        return [self._levels.standing[key] for key in keys if key in self._levels.standing]

    def forget(self, instance_uuid: str) -> list[Happened]:
        """An instance has ended, or may use what it likes."""
        return list(self._levels.drop(("", instance_uuid, name, None) for name in LIMITS))


def _limited(usage: Usage, constraints: Constraints) -> Iterator[tuple[str, float | None, float]]:
    """Give for each limit that there is what is used, in its unit, and the limit."""
    used: Mapping[str, float | None] = {
        "cpu_limit": usage.cpu_cores,
        "memory_limit": None if usage.rss_bytes is None else usage.rss_bytes / MB,
        "gpu_limit": None if usage.gpu_bytes is None else usage.gpu_bytes / MB,
    }
    for name in LIMITS:
        limit = getattr(constraints, name)
        if limit is not None:
            yield name, used[name], limit
