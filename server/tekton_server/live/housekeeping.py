"""Housekeeping: ended instances disappear by policy, and so does what was remembered of old requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key
from tekton.core.view import Commit, Instance, InstanceChange, View
from tekton_server.domain.commands import ForgetCommands, ForgetInstances
from tekton_server.domain.launch_commands import ForgetLaunches
from tekton_server.domain.launches import forgettable
from tekton_server.domain.overlay import Tombstone
from tekton_server.domain.retention import ended_since
from tekton_server.live.writer import Writer
from tekton_server.storage.retention import JournalKept
from tekton_server.storage.state import Grave

log = logging.getLogger(__name__)

EVERY = 60.0
_AT_ONCE = 500


class Retention(msgspec.Struct, frozen=True):
    """How long what has ended is kept, in seconds: any instance, and the last one of a component; a command after its
    deadline; and the journal.
    """

    instance: float = 3600.0
    last: float = 72 * 3600.0
    command: float = 3600.0
    journal: JournalKept = JournalKept()


class Housekeeping:
    """Follows the journal to know what has ended, and sweeps now and then."""

    def __init__(
        self,
        view: View,
        writer: Writer,
        retention: Retention,
        tombstones: dict[str, Tombstone],
        forget_old: Callable[[], Awaitable[None]],
    ) -> None:
        self._view = view
        self._writer = writer
        self._retention = retention
        self._forget_old = forget_old
        self._ended: dict[str, None] = {}
        self._tombstones = tombstones
        self._buried: dict[str, datetime] = {}

    def load(self, instances: Iterable[Instance], graves: Mapping[str, Grave]) -> None:
        """Remember what had ended before this server started."""
        self._ended.update((i.instance_uuid, None) for i in instances if not i.leased)
        for instance_uuid, grave in graves.items():
            self._tombstones[instance_uuid] = Tombstone(grave.component_id, grave.reason)
            self._buried[instance_uuid] = grave.at

    def on_commit(self, commit: Commit) -> None:
        """Remember what ends, and bury what is forgotten."""
        for change in commit.changes:
            if isinstance(change, InstanceChange):
                self._follow(change, commit.recorded_at)

    def _follow(self, change: InstanceChange, at: datetime) -> None:
        if change.new is not None:
            if change.new.leased:
                self._ended.pop(change.key, None)
            else:
                self._ended[change.key] = None
            return
        self._ended.pop(change.key, None)
        self._tombstones[change.key] = Tombstone(change.component_id, change.cause.reason)
        self._buried[change.key] = at

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.sweep(datetime.now(UTC))
            except TektonError as error:
                log.warning("housekeeping is put off: %s", error)

    async def sweep(self, now: datetime) -> None:
        """Forget what is due.

        Raises:
            TektonError: the database cannot be asked; the next sweep takes it up.
        """
        await self._forget_old()
        before = now - timedelta(seconds=self._retention.instance)
        last_before = now - timedelta(seconds=self._retention.last)
        due = [uuid for uuid in self._ended if self._due(uuid, before, last_before)]
        for start in range(0, len(due), _AT_ONCE):
            chosen = tuple(due[start : start + _AT_ONCE])
            await self._writer.submit(ForgetInstances(instance_uuids=chosen, before=before, last_before=last_before))
        await self._forget_commands(now - timedelta(seconds=self._retention.command))
        await self._forget_launches(last_before)
        for uuid in [uuid for uuid, at in self._buried.items() if at < now - timedelta(hours=24)]:
            del self._buried[uuid], self._tombstones[uuid]

    async def _forget_commands(self, before: datetime) -> None:
        due = [one.command_id for one in self._view.commands if not one.pending and one.deadline < before]
        for start in range(0, len(due), _AT_ONCE):
            chosen = tuple(due[start : start + _AT_ONCE])
            await self._writer.submit(ForgetCommands(command_ids=chosen, before=before))

    async def _forget_launches(self, before: datetime) -> None:
        due = [
            launch.component_id
            for launch in self._view.launches.values()
            if launch.since < before and forgettable(launch) and not self._view.count_instances(launch.component_id)
        ]
        for start in range(0, len(due), _AT_ONCE):
            await self._writer.submit(ForgetLaunches(component_ids=tuple(due[start : start + _AT_ONCE]), before=before))

    def _due(self, instance_uuid: str, before: datetime, last_before: datetime) -> bool:
        instance = self._view.instance(instance_uuid)
        ended = ended_since(instance) if instance is not None else None
        if instance is None or ended is None:
            return False
        component = self._view.components.get(lookup_key(instance.component_id))
        alone = component is not None and len(component.instances) == 1
        return ended < (last_before if alone else before)
