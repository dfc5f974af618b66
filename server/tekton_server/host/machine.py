"""This machine, sampled off the event loop. See live.resources.sampling.Sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tekton._aside import Aside
from tekton._gpus import Gpus
from tekton._machine import MachineReader
from tekton.core.errors import UnavailableError
from tekton.core.machine import Gpu
from tekton_server.host.trees import Trees
from tekton_server.live.resources.sampling import Root, Sample, Sampler

# How long a driver and the rest of the machine may take to answer, in seconds.
GPU_WITHIN, WITHIN = 3.0, 5.0


class ThisMachine(Sampler):
    """Reads by two threads: a GPU driver that hangs must not hide the rest. `path` is on the disk to look at."""

    def __init__(self, path: str = "/", gpus: Gpus | None = None) -> None:
        self._reader = MachineReader(path)
        self._trees = Trees()
        self._gpus = gpus or Gpus()
        self._aside, self._gpu_aside = Aside("the machine"), Aside("the GPU driver")
        self._seen: tuple[Gpu, ...] = ()

    async def sample(self, roots: Mapping[str, Root]) -> Sample:
        """See live.resources.sampling.Sampler."""
        gpus, note = await self._read_gpus()
        try:
            return await self._aside.run(self._reading(dict(roots), gpus, note), WITHIN)
        except Exception as error:
            # What a system does not tell shows in any way, and may not end the server.
            why = str(error) or type(error).__name__
            raise UnavailableError(f"the figures of this machine cannot be read: {why}") from error

    def close(self) -> None:
        """See live.resources.sampling.Sampler."""
        self._aside.close()
        self._gpu_aside.close()

    async def _read_gpus(self) -> tuple[tuple[Gpu, ...], str]:
        try:
            self._seen = await self._gpu_aside.run(self._gpus.read, GPU_WITHIN)
        except TimeoutError as error:
            return tuple(Gpu(gpu.id, gpu.name, gpu.uuid, lost=True) for gpu in self._seen), str(error)
        return self._seen, self._gpus.note

    def _reading(self, roots: Mapping[str, Root], gpus: tuple[Gpu, ...], note: str) -> Callable[[], Sample]:
        def read() -> Sample:
            machine = self._reader.machine(gpus, note)
            usage, owners = self._trees.read(roots, gpus, machine.memory.total_bytes)
            return Sample(machine, usage, owners)

        return read
