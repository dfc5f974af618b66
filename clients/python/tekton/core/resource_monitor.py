"""The documented resource monitor: what this machine uses, sampled by a thread, and callbacks for too much of it."""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from tekton import _given
from tekton._gpus import Gpus
from tekton._machine import MachineReader
from tekton.core.errors import ValidationError
from tekton.core.machine import GB, Gpu, Machine
from tekton.core.resources import SYSTEM_CONSTRAINTS, Crossing, unmet

__all__ = ["ResourceMonitor"]

log = logging.getLogger(__name__)

# How far below its threshold a figure has to be before it is told again: percent, or this part of a rate.
_MARGIN, _PART = 5.0, 0.05
# How long a start waits for the first figures, in seconds: a driver may hang.
_FIRST_WITHIN = 2.0
# So much later than they should be figures are read by whoever asks, in seconds.
_LATE = 0.2
_Callback = Callable[[], object] | Callable[[float], object]


def _most(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


_FIGURES: Mapping[str, Callable[[Machine], float | None]] = {
    "cpu": lambda machine: 100 * machine.cpu.ratio,
    "memory": lambda machine: 100 * machine.memory.ratio,
    "disk": lambda machine: 100 * machine.disk.ratio,
    "gpu": lambda machine: _percent(_most([gpu.busy_ratio for gpu in machine.gpus])),
    "gpu_memory": lambda machine: _percent(_most([gpu.memory_ratio for gpu in machine.gpus])),
    "network": lambda machine: (machine.network.sent_per_second + machine.network.received_per_second) / 1e6,
}


class ResourceMonitor:
    """Watches this machine.

    sampling_interval: how often to look, in seconds. path: a directory on the disk to look at.

    A monitor that has not been started looks whenever it is asked. Everything can be called from any thread.

    Raises:
        ValidationError: the interval is no number of seconds over 0, or the path no text.
    """

    def __init__(self, sampling_interval: float = 1.0, *, path: str = "/") -> None:
        self.sampling_interval = _given.seconds("sampling_interval", sampling_interval)
        self._gpus = Gpus()
        self._reader = MachineReader(_given.text("path", path), self._gpus)
        # One thread reads at a time; a list of watches is never held back by a driver that hangs.
        self._reading, self._lock = threading.Lock(), threading.Lock()
        self._machine: Machine | None = None
        self._read_at = float("-inf")
        self._watches: list[_Watch] = []
        self._stop: threading.Event | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it samples."""
        return self._stop is not None

    def start(self) -> None:
        """Sample from now on; starting it twice is starting it once. The first figures are there when it returns."""
        stop, first = threading.Event(), threading.Event()
        with self._lock:
            if self._stop is not None:
                return
            self._stop = stop
        threading.Thread(target=self._run, args=(stop, first), name="tekton resource monitor", daemon=True).start()
        first.wait(_FIRST_WITHIN)

    def stop(self) -> None:
        """Stop sampling."""
        with self._lock:
            stop, self._stop = self._stop, None
        if stop is not None:
            stop.set()

    def get_cpu_usage(self) -> list[float]:
        """Give how busy each core is, from 0 to 1; at first, since the machine started."""
        return [round(core, 4) for core in self._now().cpu.per_core]

    def get_memory_usage(self) -> dict[str, float]:
        """Give the memory as {total, used, free} in GB, and percent. Caches count as free."""
        memory = self._now().memory
        figures = {"total": memory.total_bytes, "used": memory.used_bytes, "free": memory.free_bytes}
        return {name: _gb(value) for name, value in figures.items()} | {"percent": round(100 * memory.ratio, 2)}

    def get_gpu_usage(self) -> list[dict[str, Any]]:
        """Give each NVIDIA GPU as {id, name, util (percent), mem_used, mem_total (GB), temperature}.

        No GPU is an empty list, and what a GPU does not tell is None. To see any takes nvidia-ml-py: `pip install
        tekton[gpu]`.
        """
        return [_gpu(gpu) for gpu in self._now().gpus]

    def get_disk_usage(self) -> dict[str, float]:
        """Give the disk as {total, used, free} in GB, and percent."""
        disk = self._now().disk
        figures = {"total": disk.total_bytes, "used": disk.used_bytes, "free": disk.free_bytes}
        return {name: _gb(value) for name, value in figures.items()} | {"percent": round(100 * disk.ratio, 2)}

    def get_network_usage(self) -> dict[str, float]:
        """Give what was carried as {bytes_sent, bytes_recv, sent_per_second, recv_per_second}, without the loopback."""
        network = self._now().network
        return {
            "bytes_sent": float(network.sent_bytes),
            "bytes_recv": float(network.received_bytes),
            "sent_per_second": network.sent_per_second,
            "recv_per_second": network.received_per_second,
        }

    def register_threshold_callback(self, resource_type: str, threshold: float, callback: _Callback) -> None:
        """Have a function called when a figure gets over a threshold, and again after it was clearly below.

        resource_type: cpu, memory, disk, gpu (use) or gpu_memory, in percent; network, in MB (10^6 bytes) a second.
        callback: is called by the monitor's thread, without arguments, or with the figure where it takes one. What it
            raises is logged. While it does not return no other is called; figures that are asked for are read anew.

        Raises:
            ValidationError: there is no such type, the threshold is no finite number, or the callback no function.
        """
        if not isinstance(resource_type, str) or resource_type not in _FIGURES:
            message = f"must be one of {', '.join(_FIGURES)}, not {_given.shown(resource_type)}"
            raise ValidationError.of("resource_type", message, "allowed", allowed=list(_FIGURES))
        most = _given.figure("threshold", threshold)
        _given.callback("callback", callback)
        if callback is None:
            raise ValidationError.of("callback", "must be a function", "type")
        margin = most * _PART if resource_type == "network" else _MARGIN
        with self._lock:
            self._watches.append(_Watch(resource_type, Crossing(most, margin), callback))

    def check_constraints(self, constraints: Mapping[str, float]) -> bool:
        """Tell whether this machine satisfies constraints now.

        constraints: any of cpu_percent_max, memory_percent_max and gpu_mem_free_min: GB free on the GPU with
            most of it; without a GPU there are none.

        Raises:
            ValidationError: there is no such constraint, or its value is no finite number.
        """
        if not isinstance(constraints, Mapping):
            raise ValidationError.of("constraints", f"must be a dict, not {_given.shown(constraints)}", "type")
        for name in constraints:
            if name not in SYSTEM_CONSTRAINTS:
                message = f"has no {_given.shown(name)}; known are {', '.join(SYSTEM_CONSTRAINTS)}"
                raise ValidationError.of("constraints", message, "unknown", allowed=list(SYSTEM_CONSTRAINTS))
        wanted = {name: _given.figure(f"constraints.{name}", value) for name, value in constraints.items()}
        return not unmet(wanted, self._now())

    def _now(self) -> Machine:
        machine = self._machine if self.running else None
        if machine is None:
            with self._reading:
                return self._keep(self._reader.read())
        late = time.monotonic() - self._read_at > 2 * self.sampling_interval + _LATE
        # Late may be a callback that does not return. A driver that hangs holds the lock: then these are the newest.
        if not late or not self._reading.acquire(blocking=False):
            return machine
        try:
            return self._keep(self._reader.read())
        finally:
            self._reading.release()

    def _keep(self, machine: Machine) -> Machine:
        self._machine, self._read_at = machine, time.monotonic()
        return machine

    def _run(self, stop: threading.Event, first: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._sample()
            except Exception:
                # The figures of one moment are no reason to see none any more. Those of before are old now.
                self._machine = None
                log.exception("the figures of this machine could not be read; it goes on")
            first.set()
            stop.wait(min(self.sampling_interval, threading.TIMEOUT_MAX))

    def _sample(self) -> None:
        with self._reading:
            # First without the GPUs, whose driver may hang.
            known = self._machine
            machine = self._keep(self._reader.machine(known.gpus if known is not None else ()))
            machine = self._keep(machine._replace(gpus=self._gpus.read(), gpu_note=self._gpus.note))
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.look(machine)


class _Watch:
    """Somebody who wants to be told."""

    def __init__(self, resource_type: str, crossing: Crossing, callback: Callable[..., object]) -> None:
        self._figure = _FIGURES[resource_type]
        self._crossing = crossing
        self._callback = callback
        self._takes_one = _takes_one(callback)

    def look(self, machine: Machine) -> None:
        value = self._figure(machine)
        if not self._crossing.look(value):
            return
        try:
            if self._takes_one:
                self._callback(value)
            else:
                self._callback()
        except (Exception, SystemExit):
            # In a thread that is not the main one, an exit ends nothing but the watching.
            log.exception("a callback for a threshold failed")


def _takes_one(callback: Callable[..., object]) -> bool:
    try:
        inspect.signature(callback).bind(0.0)
    except (TypeError, ValueError):
        return False
    return True


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio


def _gb(count: int) -> float:
    return round(count / GB, 3)


def _gpu(gpu: Gpu) -> dict[str, Any]:
    return {
        "id": gpu.id,
        "name": gpu.name,
        "util": None if gpu.busy_ratio is None else round(100 * gpu.busy_ratio, 1),
        "mem_used": None if gpu.used_bytes is None else _gb(gpu.used_bytes),
        "mem_total": None if gpu.total_bytes is None else _gb(gpu.total_bytes),
        "temperature": gpu.celsius,
    }
