"""What this process and everything that it started use, by the names of a report. Blocks: not on an event loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import psutil

from tekton._gpus import Gpus
from tekton._processes import GONE, Tree
from tekton.core.machine import MB, share


class OwnUsage:
    """Shares of processor time are those since the reading before, and at first those since this process began."""

    def __init__(self, gpus: Gpus | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._gpus = gpus or Gpus()
        self._clock = clock
        self._before: tuple[float, float] | None = None

    def read(self) -> dict[str, float]:
        """Read everything that is known."""
        process = psutil.Process(os.getpid())
        tree = Tree()
        tree.take([process, *_children(process)], whole=True)
        rss = tree.resident()
        found = {
            "memory_mb": rss / MB,
            "memory_percent": 100 * share(rss, psutil.virtual_memory().total),
            **self._cpu(tree.cpu_seconds, process),
            **self._gpu(tree.pids),
        }
        if tree.io:
            found["disk_read_bytes"] = float(sum(read for read, _ in tree.io.values()))
            found["disk_write_bytes"] = float(sum(written for _, written in tree.io.values()))
        return found

    def _cpu(self, spent: float, process: psutil.Process) -> dict[str, float]:
        now, before = self._clock(), self._before
        if before is None:
            before = now - (time.time() - process.create_time()), 0.0
        self._before = now, spent
        return {"cpu_percent": max(0.0, 100 * share(spent - before[1], now - before[0]))} if now > before[0] else {}

    def _gpu(self, pids: set[int]) -> dict[str, float]:
        used = [one.used_bytes or 0 for gpu in self._gpus.read() for one in gpu.processes if one.pid in pids]
        return {"gpu_memory_mb": sum(used) / MB} if used else {}


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except GONE:
        return []
