"""Starting and stopping components: what the rest of Tekton asks of whoever does it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from tekton_server.domain.fleet import FleetComponent

__all__ = ["Ending", "FleetComponent", "Outcome", "Started", "Starter", "Stopped"]


class Started(msgspec.Struct, frozen=True):
    """A component that runs, in words too. `already`: it ran before, and this start changed nothing."""

    component_id: str
    instance_uuid: str
    message: str
    already: bool = False


class Outcome(StrEnum):
    """How the end of one instance came about."""

    STOPPED = "stopped"
    """It ended when it was asked to, by command or by signal."""
    KILLED = "killed"
    """It, or something that it had started, was killed."""
    LOST = "lost"
    """Its lease ran out without a word; Tekton did not launch it, and knows no more of it."""


class Ending(msgspec.Struct, frozen=True):
    """What became of one instance in a stop, in words too. `launched` is whether Tekton had started it."""

    instance_uuid: str
    launched: bool
    outcome: Outcome
    message: str


class Stopped(msgspec.Struct, frozen=True):
    """A component that does not run. Without endings nothing of it ran."""

    component_id: str
    endings: tuple[Ending, ...] = ()


class Starter(Protocol):
    """Starts, stops and restarts components. All of it is decided in the journal, so that calls on one component at the
    same time, also at different servers, end in one of their orders. A caller that gives up takes nothing back.
    """

    def launchable(self) -> Mapping[str, FleetComponent]:
        """Give the components that can be started, by the lookup key of their ids."""
        ...

    async def start(self, component_id: str) -> Started:
        """Start a component; return once its program runs, or at once where it does already.

        MUST wait for a stop of it that is under way. What it needs is not looked at, but for cycles.

        Raises:
            StartupError: its program did not begin; `details.cause` says why.
            NoLaunchSpecError: no operator has said how it is started, or this server launches nothing.
            ComponentNotFoundError: nobody knows such a component.
            CircularDependencyError: what it needs needs it.
            ResourceConstraintError: the machine has not what it asks for, or is too busy.
            TektonTimeoutError: the stop under way, or the machine, took too long.
            UnavailableError: the registry cannot be written now.
        """
        ...

    async def ready(self, component_id: str, instance_uuid: str) -> None:
        """Wait until a started instance is ready or degraded.

        MUST watch, never poll. Its `startup_timeout` counts from its launch, and the component may extend it.

        Raises:
            StartupError: it ended; `details` have its exit and the last lines of its log.
            TektonTimeoutError: its start-up timeout passed. It runs on.
        """
        ...

    async def stop(
        self, component_id: str, *, instance_uuid: str | None = None, force: bool = False, timeout: float | None = None
    ) -> Stopped:
        """Stop a component, or one instance of it; return once nothing of that runs.

        An instance is told over its stream and has `timeout` seconds for what it has in hand; then it is signalled, and
        with `force` killed. One that Tekton did not launch is told only. `timeout` None is its specification's.

        Raises:
            ComponentNotFoundError: nobody knows such a component, or it has no such instance.
            ConflictError: what is left refused, and Tekton did not launch it.
            TektonTimeoutError: something of it runs on; `details.instances` say what.
            UnavailableError: the registry cannot be written now.
        """
        ...

    async def restart(
        self,
        component_id: str,
        *,
        instance_uuid: str | None = None,
        force: bool = False,
        timeout: float | None = None,
        epoch: int | None = None,
    ) -> Started:
        """Stop a component and start it again, also where this server ends in between; start one that does not run.

        One that Tekton did not launch is told only, and is whose business it is to start it again. With `epoch` it is a
        restart of that launch alone, for as long as that runs and is wanted.

        Raises:
            ConflictError: another operator stopped it meanwhile, or an instance refused; or it is not that launch.
            TektonError: as `stop` and `start` do.
        """
        ...
