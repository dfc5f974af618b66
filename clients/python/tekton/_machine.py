"""Reading this machine's figures, by psutil. Reading may take its time, so it does not belong on an event loop."""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psutil

from tekton._gpus import Gpus
from tekton.core.machine import Cpu, Disk, Gpu, Machine, Memory, Network, share

_LOOPBACK = ("lo", "lo0")
_NO_LOAD = (0.0, 0.0, 0.0)


class MachineReader:
    """Reads figures; shares and rates are those since the reading before, and at first those since the machine started.

    `path` is a directory on the file system to look at. Not to be used by two threads at once.
    """

    def __init__(self, path: str = "/", gpus: Gpus | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._psutil: Any = psutil
        self._path = path
        self.host = socket.gethostname()
        self._gpus = gpus or Gpus()
        self._clock = clock
        self._times: list[tuple[float, float]] = []
        self._cpu: Cpu | None = None
        self._carried: tuple[float, Network] | None = None

    def read(self) -> Machine:
        """Read everything, GPUs included.

        Raises:
            OSError: the system does not tell something, such as the disk of a directory that is gone.
        """
        return self.machine(self._gpus.read(), self._gpus.note)

    def machine(self, gpus: Sequence[Gpu] = (), gpu_note: str = "") -> Machine:
        """Read everything but the GPUs, which somebody else has read."""
        figures = (self.cpu(), self.memory(), self.disk(), self.network())
        return Machine(datetime.now(UTC), self.host, *figures, tuple(gpus), gpu_note)

    def cpu(self) -> Cpu:
        """Read the processors."""
        times = [_busy_and_all(one) for one in self._psutil.cpu_times(percpu=True)]
        before, self._times = self._times, times
        if len(before) != len(times):  # at first, and where cores come and go
            before = [(0.0, 0.0)] * len(times)
        spent = [(max(0.0, busy - b), max(0.0, whole - w)) for (busy, whole), (b, w) in zip(times, before, strict=True)]
        whole = sum(passed for _, passed in spent)
        if not whole and self._cpu is not None:
            # The system counts in hundredths of a second: of two readings so close nothing can be said.
            return self._cpu
        per_core = tuple(min(1.0, share(busy, passed)) for busy, passed in spent)
        ratio = min(1.0, share(sum(busy for busy, _ in spent), whole))
        self._cpu = Cpu(per_core, ratio, self._load())
        return self._cpu

    def _load(self) -> tuple[float, float, float]:
        try:
            one, five, fifteen = self._psutil.getloadavg()
        except OSError:
            return _NO_LOAD
        return one, five, fifteen

    def memory(self) -> Memory:
        """Read memory and swap."""
        memory = self._psutil.virtual_memory()
        with warnings.catch_warnings():
            # Of systems, such as some containers, that do not tell how much was swapped in and out.
            warnings.simplefilter("ignore", RuntimeWarning)
            swap = self._psutil.swap_memory()
        return Memory(memory.total, memory.available, swap.total, swap.used)

    def disk(self) -> Disk:
        """Read the file system."""
        usage = self._psutil.disk_usage(self._path)
        return Disk(self._path, usage.total, usage.used, usage.free)

    def network(self) -> Network:
        """Read the interfaces."""
        counted = self._psutil.net_io_counters(pernic=True) or {}
        real = [one for name, one in counted.items() if name not in _LOOPBACK]
        now = self._clock()
        found = Network(sum(one.bytes_sent for one in real), sum(one.bytes_recv for one in real))
        if self._carried is not None and now > self._carried[0]:
            passed, before = now - self._carried[0], self._carried[1]
            sent, received = found.sent_bytes - before.sent_bytes, found.received_bytes - before.received_bytes
            # An interface that was taken away takes its counts with it.
            found = found._replace(sent_per_second=max(0, sent) / passed, received_per_second=max(0, received) / passed)
        self._carried = now, found
        return found

    def gpus(self) -> tuple[Gpu, ...]:
        """Read the GPUs."""
        return self._gpus.read()


def _busy_and_all(times: Any) -> tuple[float, float]:
    # What guests use is in user and nice already.
    whole = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return whole - times.idle - getattr(times, "iowait", 0.0), whole
