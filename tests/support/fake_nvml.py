"""An NVML to put in the place of `pynvml`: GPUs that are busy, tell little, hang, are lost, and come back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

GB = 2**30


@dataclass
class FakeGpu:
    """A GPU. `fails` are the functions that fail for it, with the number of the error; "" stands for all."""

    name: str = "NVIDIA RTX 4090"
    uuid: str = "GPU-1"
    busy: int = 45
    total: int = 24 * GB
    used: int = 4 * GB
    celsius: int = 65
    processes: dict[int, int | None] = field(default_factory=dict)
    fails: dict[str, int] = field(default_factory=dict)


class FakeNvml:
    """Speaks as `pynvml` does, with its own classes of errors and its numbers."""

    NVMLError = pynvml.NVMLError
    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self, *gpus: FakeGpu, init: int | None = None) -> None:
        self.gpus = list(gpus)
        self.init = init
        """The number of the error with which it does not begin."""
        self.gone: int | None = None
        """The number of the error that every call ends in: the driver is gone."""
        self.hangs: threading.Event | None = None
        """While it is there and not set, calls do not come back."""
        self.begun = self.ended = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("NVML_ERROR_"):
            return getattr(pynvml, name)
        raise AttributeError(name)

    def nvmlInit(self) -> None:
        if self.init is not None:
            raise pynvml.NVMLError(self.init)
        self.begun += 1

    def nvmlShutdown(self) -> None:
        self.ended += 1

    def nvmlDeviceGetCount(self) -> int:
        if self.hangs is not None:
            self.hangs.wait()
        if self.gone is not None:
            raise pynvml.NVMLError(self.gone)
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        return self._asked(self.gpus[index], "Handle")

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> bytes:
        return self._asked(gpu, "Name").name.encode()

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:
        return self._asked(gpu, "UUID").uuid

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu) -> Any:
        found = self._asked(gpu, "Memory")
        return SimpleNamespace(total=found.total, used=found.used, free=found.total - found.used)

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> Any:
        return SimpleNamespace(gpu=self._asked(gpu, "Utilization").busy, memory=1)

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, sensor: int) -> int:
        return self._asked(gpu, "Temperature").celsius

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[Any]:
        found = self._asked(gpu, "Processes").processes
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in found.items()]

    def nvmlDeviceGetGraphicsRunningProcesses(self, gpu: FakeGpu) -> list[Any]:
        return []

    def _asked(self, gpu: FakeGpu, what: str) -> FakeGpu:
        number = gpu.fails.get(what, gpu.fails.get(""))
        if number is not None:
            raise pynvml.NVMLError(number)
        return gpu
