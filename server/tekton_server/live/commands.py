"""Commands on their way: handed to the stream or watch of their instance as the journal says, whoever wrote it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tekton.core.errors import StaleSessionError
from tekton.core.view import CommandChange, Commit, Instance, InstanceChange, InstanceCommand, View
from tekton_server.domain import instances
from tekton_server.domain.commands import AcknowledgeCommand
from tekton_server.domain.instance_commands import has_ended
from tekton_server.domain.overlay import Overlay, Tombstones
from tekton_server.live.audience import Audience, Member
from tekton_server.live.command_expiry import CommandExpiry
from tekton_server.live.freshness import surely
from tekton_server.live.leases import LeaseTable
from tekton_server.live.pulses import Claim
from tekton_server.live.writer import Writer


class CommandDesk:
    """The commands to the instances of this server."""

    def __init__(
        self,
        view: View,
        writer: Writer,
        leases: LeaseTable,
        tombstones: Tombstones,
        confirm: Callable[[], Awaitable[None]],
    ) -> None:
        self._view = view
        self._writer = writer
        self._leases = leases
        self._tombstones = tombstones
        self._confirm = confirm
        self._audience: Audience[CommandWatcher] = Audience()
        self._watchers: dict[str, set[CommandWatcher]] = {}
        self.expiry = CommandExpiry(view.commands, writer)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._audience)

    def get(self, command_id: str) -> InstanceCommand | None:
        """Find a command by its id."""
        return self._view.commands.get(command_id)

    def waiting(self, instance_uuid: str, granted: int) -> list[InstanceCommand]:
        """List what an instance under a grant is to be told: what it has not answered, and is not too late."""
        found = self._view.commands.pending(instance_uuid)
        return [one for one in found if one.granted == granted and not self.is_late(one)]

    def is_late(self, command: InstanceCommand) -> bool:
        """Tell whether the deadline of a command has passed."""
        return command.deadline <= self._writer.now()

    def acknowledge(self, command: InstanceCommand, accepted: bool, message: str) -> asyncio.Future[InstanceCommand]:
        """Record the answer of a command's own instance.

        Raises:
            UnavailableError, RateLimitedError: it cannot be recorded now.
        """
        return self._writer.submit_nowait(
            AcknowledgeCommand(
                component_id=command.component_id,
                command_id=command.command_id,
                instance_uuid=command.instance_uuid,
                accepted=accepted,
                message=message,
            )
        )

    def on_commit(self, commit: Commit) -> None:
        """Hand out what was posted and take back what is over. Call it once the leases have followed the commit."""
        for change in commit.changes:
            if isinstance(change, CommandChange):
                self._follow(change)
            elif isinstance(change, InstanceChange):
                self._follow_instance(change)

    def _follow(self, change: CommandChange) -> None:
        command = change.new or change.old
        if command is None:
            return
        lease = self._leases.get(command.instance_uuid)
        if lease is not None and lease.session is not None:
            lease.session.command_changed(lease, command, over=_over(change))
        for watcher in self._watchers.get(command.instance_uuid, ()):
            watcher.changed(command, over=_over(change))
        if not _over(change):
            self.expiry.watch(command)

    def _follow_instance(self, change: InstanceChange) -> None:
        if change.new is None or not change.new.leased:
            for watcher in self._watchers.get(change.key, ()):
                watcher.lose()
        if has_ended(change.new):
            for command in self._view.commands.pending(change.key):
                self.expiry.end(command)

    async def holder(self, claim: Claim) -> Instance:
        """Find the leased instance that a claim names; that it is none is only said after asking the database.

        Raises:
            ComponentNotFoundError, RegistrationError, StaleSessionError: there is none, or the token is of another.
            StorageUnavailableError: that cannot be known now.
        """
        return await surely(lambda: self._holder(claim), self._confirm)

    def _holder(self, claim: Claim) -> Instance:
        view = Overlay(self._view, self._tombstones)
        instance = instances.owned(view, claim.component_id, claim.instance_uuid, claim.fencing_token)
        if not instance.leased:
            raise instances.stale(instance, "it holds no lease, so that no command reaches it")
        return instance

    def watch(self, instance: Instance) -> CommandWatcher:
        """Watch the commands to an instance. Use it as a context manager."""
        return CommandWatcher(self, self._audience, instance)

    def close(self) -> None:
        """End every watch."""
        self._audience.close()

    def join(self, watcher: CommandWatcher) -> bool:
        """Tell a watcher from now on; False where its instance holds no lease any more."""
        self._watchers.setdefault(watcher.instance.instance_uuid, set()).add(watcher)
        present = self._view.instance(watcher.instance.instance_uuid)
        return present is not None and present.leased

    def leave(self, watcher: CommandWatcher) -> None:
        """Tell it no more."""
        members = self._watchers[watcher.instance.instance_uuid]
        members.discard(watcher)
        if not members:
            del self._watchers[watcher.instance.instance_uuid]


def _over(change: CommandChange) -> bool:
    return change.new is None or not change.new.pending


class CommandWatcher(Member):
    """One watch: what was not taken yet, bounded by how many commands may wait for an instance."""

    def __init__(self, desk: CommandDesk, audience: Audience[CommandWatcher], instance: Instance) -> None:
        super().__init__(audience)
        self._desk = desk
        self.instance = instance
        self._untold: dict[str, InstanceCommand] = {}
        self._lost = False

    def __enter__(self) -> CommandWatcher:
        super().__enter__()
        self._lost = not self._desk.join(self)
        waiting = self._desk.waiting(self.instance.instance_uuid, self.instance.granted)
        self._untold = {command.command_id: command for command in waiting}
        return self

    def __exit__(self, *_: object) -> None:
        self._desk.leave(self)
        super().__exit__()

    def changed(self, command: InstanceCommand, *, over: bool) -> None:
        """Take a command up that was posted, or back."""
        if over:
            self._untold.pop(command.command_id, None)
        elif command.granted == self.instance.granted:
            self._untold[command.command_id] = command
            self.wake()

    def lose(self) -> None:
        """The lease is over."""
        self._lost = True
        self.wake()

    async def next(self, patience: float) -> list[InstanceCommand]:
        """Wait for commands and give all that are not too late; none after `patience` seconds, or at the end.

        Raises:
            StaleSessionError: the lease is over.
        """
        if not (self._untold or self._lost or self.ended):
            await self.wait(time.monotonic() + patience)
        if self._lost:
            raise StaleSessionError(
                f"the lease of instance {self.instance.instance_uuid} is over",
                details={"component_id": self.instance.component_id, "instance_uuid": self.instance.instance_uuid},
            )
        commands = [command for command in self._untold.values() if not self._desk.is_late(command)]
        self._untold.clear()
        return commands
