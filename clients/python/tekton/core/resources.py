"""Rules about resources that server and SDK share: when a figure is too much, and what has to hold of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tekton.core.machine import GB, Machine

CPU_PERCENT_MAX, MEMORY_PERCENT_MAX, GPU_MEM_FREE_MIN = "cpu_percent_max", "memory_percent_max", "gpu_mem_free_min"
SYSTEM_CONSTRAINTS = (CPU_PERCENT_MAX, MEMORY_PERCENT_MAX, GPU_MEM_FREE_MIN)
"""Percent, percent, GB."""


class Crossing:
    """Tells when a figure gets over a threshold, and when it is clearly less again: below that by the margin.

    Two levels in place of one make it a Schmitt trigger: a figure that trembles about its threshold is told once. The
    lower one is half the threshold at least, for no figure gets below nothing.
    """

    def __init__(self, threshold: float, margin: float) -> None:
        self.threshold = threshold
        self._clear = max(threshold - margin, threshold / 2)
        self.raised = False

    def look(self, value: float | None) -> bool | None:
        """Take a value, None where it is not known now: True if it is too much since now, False if no longer."""
        if value is None:
            return None
        if not self.raised and value > self.threshold:
            self.raised = True
            return True
        if self.raised and value <= self._clear:
            self.raised = False
            return False
        return None


class Unmet(NamedTuple):
    """A system constraint that does not hold: what there is, and what has to be."""

    constraint: str
    found: float
    wanted: float

    @property
    def sentence(self) -> str:
        """Say it in words."""
        found, wanted = f"{self.found:.4g}", f"{self.wanted:.4g}"
        match self.constraint:
            case "cpu_percent_max":
                return f"{found} percent of the processors are busy, and cpu_percent_max is {wanted}"
            case "memory_percent_max":
                return f"{found} percent of the memory are in use, and memory_percent_max is {wanted}"
            case _:
                return f"{found} GB are free on the GPU with most of it, and gpu_mem_free_min is {wanted}"


def unmet(constraints: Mapping[str, float], machine: Machine) -> list[Unmet]:
    """Give the system constraints that do not hold of a machine; see SYSTEM_CONSTRAINTS. No GPU has no free memory."""
    found: list[Unmet] = []
    cpu, memory, free = (constraints.get(name) for name in SYSTEM_CONSTRAINTS)
    if cpu is not None and (busy := 100 * machine.cpu.ratio) > cpu:
        found.append(Unmet(CPU_PERCENT_MAX, busy, cpu))
    if memory is not None and (used := 100 * machine.memory.ratio) > memory:
        found.append(Unmet(MEMORY_PERCENT_MAX, used, memory))
    if free is not None and (there := (machine.gpu_free_bytes or 0) / GB) < free:
        found.append(Unmet(GPU_MEM_FREE_MIN, there, free))
    return found
