"""What the server needs of whatever reads the machine's figures; `host.machine` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from tekton.core.machine import Machine
from tekton_server.domain.usage import Usage


class Root(NamedTuple):
    """Where the processes of an instance begin: a process and everything that it, or a process of its, started.

    `start_time` is in ticks since the boot, None where that is not known; `own` is whether the root itself counts.
    """

    pid: int
    start_time: int | None = None
    own: bool = True


class Sample(NamedTuple):
    """One reading: the machine, what the instances use that were asked for, and whose the processes on GPUs are."""

    machine: Machine
    usage: Mapping[str, Usage]
    owners: Mapping[int, str]


class Sampler(Protocol):
    """Reads the figures of the machine that the server runs on."""

    async def sample(self, roots: Mapping[str, Root]) -> Sample:
        """Read everything now; instances, by their uuid, of which nothing runs are left out.

        MUST NOT hold up the event loop, and MUST answer or fail within some seconds whatever a driver or a disk does.
        GPUs that do not answer in time are told as lost.

        Raises:
            UnavailableError: the figures cannot be read now.
        """
        ...

    def close(self) -> None:
        """Let go of everything; MUST NOT wait."""
        ...
