"""What several processes use together, read one after another. Reading may take its time: not on an event loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psutil

# A process ends while it is read, or is somebody else's.
GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


class Tree:
    """Adds up processes; one that ends meanwhile is passed over."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.virtual_bytes = 0
        self.io: dict[tuple[int, float], tuple[int, int]] = {}
        """What each process, by pid and start, has read and written."""
        self.pids: set[int] = set()
        self._resident: list[tuple[psutil.Process, int]] = []

    def take(self, processes: Iterable[psutil.Process], *, whole: bool) -> None:
        """Take processes in; `whole` with the time of children that they have reaped.

        A child that ends takes its time out of the sum and puts it, with all that it spent since, into its parent's.
        """
        for process in processes:
            try:
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info()
            except GONE:
                continue
            self.cpu_seconds += times.user + times.system + (reaped(times) if whole else 0.0)
            self.virtual_bytes += memory.vms
            self.pids.add(process.pid)
            self._resident.append((process, memory.rss))
            self._take_io(process)

    def resident(self) -> int:
        """Give the memory of all: pages that several of them share count once, where the system tells."""
        if len(self._resident) < 2:
            return sum(rss for _, rss in self._resident)
        return sum(_proportional(process, rss) for process, rss in self._resident)

    def _take_io(self, process: psutil.Process) -> None:
        try:
            counters = process.io_counters()
            self.io[process.pid, process.create_time()] = counters.read_bytes, counters.write_bytes
        except (*GONE, AttributeError):  # not every system counts
            return


def reaped(times: Any) -> float:
    """Give the time of the children that a process has reaped."""
    return float(getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0))


def _proportional(process: psutil.Process, rss: int) -> int:
    try:
        full = process.memory_full_info()
    except GONE:
        return rss
    return int(getattr(full, "pss", 0) or rss)
