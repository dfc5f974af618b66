"""What a machine has and uses, as it was read at one time. Sizes are in bytes, shares from 0 to 1."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

GB, MB = 2**30, 2**20


class Cpu(NamedTuple):
    """The processors: how busy each core was since the reading before, and the load over 1, 5 and 15 minutes."""

    per_core: tuple[float, ...]
    ratio: float
    load: tuple[float, float, float]


class Memory(NamedTuple):
    """Memory and swap. `free_bytes` is what a program could be given without swapping."""

    total_bytes: int
    free_bytes: int
    swap_total_bytes: int = 0
    swap_used_bytes: int = 0

    @property
    def used_bytes(self) -> int:
        """What could not be given."""
        return self.total_bytes - self.free_bytes

    @property
    def ratio(self) -> float:
        """How much of it is in use."""
        return share(self.used_bytes, self.total_bytes)


class Disk(NamedTuple):
    """A file system. What is reserved for root is neither used nor free."""

    path: str
    total_bytes: int
    used_bytes: int
    free_bytes: int

    @property
    def ratio(self) -> float:
        """How much is used of what programs that are not root's may use."""
        return share(self.used_bytes, self.used_bytes + self.free_bytes)


class Network(NamedTuple):
    """What the interfaces but the loopback have carried since the machine started, and how fast it goes lately."""

    sent_bytes: int
    received_bytes: int
    sent_per_second: float = 0.0
    received_per_second: float = 0.0


class GpuProcess(NamedTuple):
    """A process that uses a GPU; `used_bytes` None where the driver does not tell."""

    pid: int
    used_bytes: int | None


class Gpu(NamedTuple):
    """An NVIDIA GPU. None is a figure that it does not tell; of a `lost` one nothing is told until it is reset."""

    id: int
    name: str = ""
    uuid: str = ""
    busy_ratio: float | None = None
    total_bytes: int | None = None
    used_bytes: int | None = None
    celsius: float | None = None
    processes: tuple[GpuProcess, ...] = ()
    lost: bool = False

    @property
    def free_bytes(self) -> int | None:
        """The memory that is not in use."""
        known = self.total_bytes is not None and self.used_bytes is not None
        return self.total_bytes - self.used_bytes if known else None  # type: ignore[operator]

    @property
    def memory_ratio(self) -> float | None:
        """How much of its memory is in use."""
        return None if self.total_bytes is None or self.used_bytes is None else share(self.used_bytes, self.total_bytes)


class Machine(NamedTuple):
    """Everything about a machine. `gpu_note` says why there are no GPUs, or why they do not answer."""

    at: datetime
    host: str
    cpu: Cpu
    memory: Memory
    disk: Disk
    network: Network
    gpus: tuple[Gpu, ...] = ()
    gpu_note: str = ""

    @property
    def gpu_free_bytes(self) -> int | None:
        """The free memory of the GPU that has most of it; None where there is no GPU that tells."""
        return max((gpu.free_bytes for gpu in self.gpus if gpu.free_bytes is not None), default=None)


def share(part: float, whole: float) -> float:
    """Give a part of a whole; 0 of nothing."""
    return part / whole if whole else 0.0
