"""NVIDIA GPUs, by NVML. No GPU, no driver, and a GPU that is lost or reset while we look are all usual.

Every call may take its time in the driver, so none of this belongs on an event loop.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import Any, TypeVar

from tekton.core.machine import Gpu, GpuProcess

# How long what is gone (the driver, a GPU) is left alone before NVML is begun anew, in seconds.
AGAIN_AFTER = 60.0
# What a GPU does not tell, as NVML names it: it is well otherwise.
_UNTOLD = ("NOT_SUPPORTED", "NO_PERMISSION", "FUNCTION_NOT_FOUND", "NO_DATA", "NOT_FOUND", "INVALID_ARGUMENT")
# NVML itself is gone with these: the driver was unloaded, or replaced by another version.
_GONE = ("UNINITIALIZED", "DRIVER_NOT_LOADED", "LIB_RM_VERSION_MISMATCH", "LIBRARY_NOT_FOUND")

T = TypeVar("T")


def _pynvml() -> Any:
    return importlib.import_module("pynvml")


class Gpus:
    """The GPUs of this machine. `load` gives the module that speaks NVML; tests put one of their own there."""

    def __init__(self, load: Callable[[], Any] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load or _pynvml
        self._clock = clock
        self._nvml: Any = None
        self._again_at = float("-inf")
        # By their uuids: one that was there once and is not listed any more is lost.
        self._known: dict[str, Gpu] = {}
        # Which was seen last at each number of the driver's.
        self._places: dict[int, str] = {}
        self.note = ""
        """Why there is none, or none that answers; empty where there is nothing to say."""

    def read(self) -> tuple[Gpu, ...]:
        """Read all GPUs, each by the number under which it was seen first; never fails. Blocks."""
        try:
            return self._read()
        except Exception as error:
            # A driver and its library may fail in any way, and nobody's other figures may fail with them.
            self._end(f"{type(error).__name__}: {error}")
            return self._all_lost()

    def _read(self) -> tuple[Gpu, ...]:
        if self._nvml is None and self._clock() >= self._again_at:
            self._begin()
        if self._nvml is None:
            return self._all_lost()
        try:
            found = self._numbered(list(map(self._gpu, range(self._nvml.nvmlDeviceGetCount()))))
        except self._nvml.NVMLError as error:
            self._end(str(error))
            return self._all_lost()
        lost = self._missing(found)
        if (lost or any(gpu.lost for gpu in found)) and self._clock() >= self._again_at:
            # After a reset NVML has to be begun anew to see the GPU again.
            self._end("")
            self._again_at = self._clock()
        return tuple(sorted((*found, *lost), key=lambda gpu: gpu.id))

    def close(self) -> None:
        """Let go of the driver."""
        if self._nvml is not None:
            self._end("")

    def _begin(self) -> None:
        self._again_at = self._clock() + AGAIN_AFTER
        try:
            nvml = self._load()
        except ImportError:
            self.note = "GPUs cannot be read: nvidia-ml-py is not installed; install tekton[gpu]"
            return
        try:
            nvml.nvmlInit()
        except (nvml.NVMLError, OSError) as error:
            self.note = f"no NVIDIA GPU can be read: {error}"
            return
        self._nvml, self.note = nvml, ""

    def _end(self, why: str) -> None:
        nvml, self._nvml = self._nvml, None
        self._again_at = self._clock() + AGAIN_AFTER
        self.note = f"the NVIDIA driver does not answer any more: {why}" if why else ""
        if nvml is None:
            return
        try:
            nvml.nvmlShutdown()
        except Exception as error:
            self.note = f"{self.note} ({error})"

    def _all_lost(self) -> tuple[Gpu, ...]:
        return self._missing(())

    def _missing(self, found: Sequence[Gpu]) -> tuple[Gpu, ...]:
        """Give what was there and is not listed, nor fails at its place."""
        listed = {gpu.uuid for gpu in found}
        return tuple(_lost(gpu) for uuid, gpu in self._known.items() if uuid not in listed)

    def _numbered(self, listed: Sequence[Gpu]) -> list[Gpu]:
        """Give each the number that it had at first: where one is gone, the driver counts the others anew."""
        well, taken = {gpu.uuid for gpu in listed if not gpu.lost}, {gpu.id for gpu in self._known.values()}
        found: list[Gpu] = []
        for index, gpu in enumerate(listed):
            if gpu.lost and gpu.uuid in well:  # another has moved to its place, and fails there
                continue
            known = self._known.get(gpu.uuid)
            number = known.id if known else next(one for one in chain((index,), count()) if one not in taken)
            taken.add(number)
            found.append(gpu._replace(id=number))
            if not gpu.lost:
                self._places[index], self._known[gpu.uuid] = gpu.uuid, found[-1]
        return found

    def _gpu(self, index: int) -> Gpu:
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            memory = self._told(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
            rates = self._told(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
            return Gpu(
                index,
                _text(self._told(lambda: nvml.nvmlDeviceGetName(handle))),
                _text(self._told(lambda: nvml.nvmlDeviceGetUUID(handle))) or f"gpu-{index}",
                None if rates is None else rates.gpu / 100,
                None if memory is None else int(memory.total),
                None if memory is None else int(memory.used),
                self._told(lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))),
                self._processes(handle),
            )
        except nvml.NVMLError as error:
            if self._is(error, _GONE):
                raise
            return _lost(self._known.get(self._places.get(index, ""), Gpu(index)))

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...]:
        nvml = self._nvml
        found: dict[int, int | None] = {}
        for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
            for process in self._told(lambda ask=ask: ask(handle)) or ():  # type: ignore[misc]
                # One that computes and draws is in both lists with the same memory.
                found[process.pid] = process.usedGpuMemory
        return tuple(GpuProcess(pid, used) for pid, used in found.items())

    def _told(self, ask: Callable[[], T]) -> T | None:
        """Ask for a figure; None where this GPU, or this driver, does not tell it."""
        try:
            return ask()
        except self._nvml.NVMLError as error:
            if self._is(error, _UNTOLD):
                return None
            raise

    def _is(self, error: Any, names: Sequence[str]) -> bool:
        return getattr(error, "value", None) in [getattr(self._nvml, f"NVML_ERROR_{name}") for name in names]


def _lost(gpu: Gpu) -> Gpu:
    return Gpu(gpu.id, gpu.name, gpu.uuid, lost=True)


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
