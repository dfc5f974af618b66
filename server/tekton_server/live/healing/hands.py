"""What healing needs of whoever launches components."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tekton.core.view import Launch
from tekton_server.domain.launch_spec import LaunchSpec


class Hands(Protocol):
    """Does what healing decides. All of it is decided again in the journal: what came meanwhile wins."""

    def spec(self, component_id: str) -> LaunchSpec | None:
        """Give how a component is launched; None where no operator says so any more."""
        ...

    def ours(self, launch: Launch) -> bool:
        """Tell whether this server follows a launch: its failures are healed here, and nowhere else."""
        ...

    async def again(self, launch: Launch, guard: Callable[[], bool]) -> None:
        """Claim one again that is in back-off, so that it is started.

        MUST do so only while that very back-off lasts and `guard`, asked under the journal lock, is true.

        Raises:
            TektonError: the claim could not be recorded.
        """
        ...

    async def end(self, launch: Launch, why: str) -> None:
        """Stop the process of a launch, and kill what does not stop; return when nothing of it runs.

        It stays wanted running, so that its end is a failure like any other; `why` goes before how it ended.

        Raises:
            TektonError: something of it runs on.
        """
        ...

    async def ready(self, component_id: str, instance_uuid: str) -> None:
        """Wait until a launch serves. See live.starting.Starter.ready."""
        ...

    async def asked_for(self, launch: Launch) -> float:
        """Give for how many seconds more its instance asked last, as the journal has it: maybe an earlier server.

        Raises:
            StorageUnavailableError: the journal cannot be read now.
        """
        ...

    async def restart(self, launch: Launch) -> object:
        """Stop a launch that runs and start it again. See live.starting.Starter.restart.

        MUST do so only while that very launch runs and is wanted running.

        Raises:
            TektonError: it is not so any more, or it could not be done.
        """
        ...
