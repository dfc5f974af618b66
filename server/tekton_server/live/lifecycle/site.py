"""What the parts of the lifecycle stand on: the journal, the launcher, and what is remembered of launches here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from tekton.core.backoff import draw, full_jitter
from tekton.core.errors import RateLimitedError, TektonError, UnavailableError
from tekton.core.ids import lookup_key, new_uuid
from tekton.core.view import Launch, View
from tekton_server.domain.commands import Command
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.launch_commands import EndLaunch, Holder
from tekton_server.domain.launch_spec import STOP_TIMEOUT, Restart
from tekton_server.live.extensions import Extensions
from tekton_server.live.launching import ExitStatus, Launcher, LaunchIdentity
from tekton_server.live.leases import LeaseTable
from tekton_server.live.writer import Writer

# What is remembered of launches that did not begin, for whoever waits for them.
_REMEMBERED = 256


class Means(msgspec.Struct, frozen=True):
    """With what this server launches. `fleet` is by lookup key; `place` is the data directory, known for ever.

    `needs` is what each component of the files needs, by lookup key, also of those that are not launched here.
    `alone`: no other server can be using this database. `orphans` is what becomes of what outlived its server, and
    `heals` whether what fails is started again.
    """

    launcher: Launcher
    fleet: Mapping[str, FleetComponent]
    host: str
    place: str
    needs: Mapping[str, tuple[str, ...]] = {}
    alone: bool = False
    orphans: Literal["adopt", "stop"] = "adopt"
    heals: bool = True


class Site:
    """The view and the writer of this server, and its means, if it launches anything."""

    def __init__(self, view: View, writer: Writer, leases: LeaseTable, server_id: str) -> None:
        self.view = view
        self.writer = writer
        self.leases = leases
        self.server_id = server_id
        self.extensions = Extensions(leases.now)
        self.means: Means | None = None
        # Refuses what this machine has no room for, see live.resources.admission.
        self.admit: Callable[[str], None] = lambda component_id: None
        # Why healing stops a launch, for the record of its end.
        self.blamed: dict[str, str] = {}
        self._failures: dict[str, TektonError] = {}

    @property
    def fleet(self) -> Mapping[str, FleetComponent]:
        """What this server can launch, by lookup key."""
        return self.means.fleet if self.means else {}

    @property
    def holder(self) -> Holder:
        """This server as claims name it."""
        standing = frozenset((self.server_id, *map(str, self.leases.ownership.others)))
        host, place = (self.means.host, self.means.place) if self.means else ("", "")
        return Holder(self.server_id, host, place, standing)

    def launch(self, component_id: str) -> Launch | None:
        """Find the launch of a component."""
        return self.view.launch(component_id)

    def ours(self, key: str) -> Launch | None:
        """Find the launch of a component, if this server follows it."""
        launch = self.view.launches.get(key)
        return launch if launch is not None and launch.server_id == self.server_id else None

    def stop_timeout(self, component_id: str) -> float:
        """Give how many seconds a component gets for what it has in hand where whoever stops it does not say."""
        component = self.fleet.get(lookup_key(component_id))
        return component.spec.stop_timeout if component else STOP_TIMEOUT

    def now(self) -> datetime:
        """Give the present on the database's clock: the journal's times are of that, whatever ours says."""
        return self.writer.now()

    def failed(self, instance_uuid: str, error: TektonError) -> None:
        """Remember why a launch did not begin."""
        self._failures[instance_uuid] = error
        while len(self._failures) > _REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def failure(self, instance_uuid: str) -> TektonError | None:
        """Give why a launch did not begin, if that is remembered here."""
        return self._failures.get(instance_uuid)

    async def record(self, command: Command) -> Any:
        """Have something recorded that has happened, however long the database is away; it must bear repetition."""
        attempt = 0
        while True:
            try:
                return await self.writer.submit(command)
            except (UnavailableError, RateLimitedError):
                await asyncio.sleep(full_jitter(attempt, base=0.1, ceiling=2.0))
                attempt += 1

    async def ended(self, launch: Launch | LaunchIdentity, status: ExitStatus) -> None:
        """Record how a launch ended."""
        blame = self.blamed.pop(launch.instance_uuid, "")
        await self.record(
            EndLaunch(
                component_id=launch.component_id,
                epoch=launch.epoch,
                instance_uuid=launch.instance_uuid,
                exit=f"{blame}; {status.reason}" if blame else status.reason,
                evidence=evidence(status),
                began=status.error is None,
                clean=status.success and not status.stopped,
                next_uuid=new_uuid(),
                restart=self._policy(lookup_key(launch.component_id)),
                draw=draw(),
            )
        )

    def _policy(self, key: str) -> Restart | None:
        """Give how a component of ours is healed; None where it is not."""
        component = self.fleet.get(key) if self.ours(key) is not None and self.means and self.means.heals else None
        return component.spec.restart if component is not None else None


def identity(launch: Launch) -> LaunchIdentity:
    """Give how a launcher knows a launch."""
    return LaunchIdentity(launch.component_id, launch.instance_uuid, launch.epoch)


def evidence(status: ExitStatus) -> dict[str, Any]:
    """Give an exit as the history keeps it: what is not known, or is not so, is left out."""
    told: dict[str, Any] = {"exit": status.reason}
    if status.code is not None:
        told["exit_code"] = status.code
    if status.signal is not None:
        told["signal"] = status.signal
    if status.killed:
        told["killed"] = True
    if status.stragglers:
        told["stragglers"] = status.stragglers
    return told
