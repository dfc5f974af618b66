"""What one heartbeat stream tells of commands: those that wait, from its Welcome on, each until it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tekton.core.errors import TektonError
from tekton.core.records import CommandState
from tekton.core.view import InstanceCommand
from tekton_server.live.commands import CommandDesk
from tekton_server.live.lease import Lease
from tekton_server.live.outbox import Outbox


class CommandTelling:
    """The commands of one stream. `held` finds a lease that the stream carries."""

    def __init__(self, desk: CommandDesk, outbox: Outbox, held: Callable[[str], Lease | None]) -> None:
        self._desk = desk
        self._outbox = outbox
        self._held = held
        # Whose Welcome stands: nothing is told about an instance before it.
        self._welcomed: set[str] = set()
        # Commands whose answer is being recorded, and those whose answer could not be.
        self._answering: set[str] = set()
        self._unrecorded: set[str] = set()

    def begin(self, instance_uuid: str) -> None:
        """Tell what waits for an instance, and from now on what is posted."""
        lease = self._held(instance_uuid)
        if lease is not None:
            self._welcomed.add(instance_uuid)
            for command in self._desk.waiting(instance_uuid, lease.granted):
                self._outbox.command(command)

    def end(self, lease: Lease) -> None:
        """The stream no longer carries a lease."""
        self._welcomed.discard(lease.instance_uuid)
        for command in self._desk.waiting(lease.instance_uuid, lease.granted):
            self._outbox.withdraw(command.command_id)

    def changed(self, lease: Lease, command: InstanceCommand, *, over: bool) -> None:
        """Tell a command that was posted; tell it no more when it is over."""
        if over:
            self._outbox.withdraw(command.command_id)
            self._unrecorded.discard(command.command_id)
        elif lease.instance_uuid in self._welcomed and command.granted == lease.granted:
            self._outbox.command(command)

    def acknowledge(self, command_id: str, accepted: bool, message: str) -> None:
        """Record the answer to a command; one that is for no lease of the stream, or is over, is passed over.

        An acceptance is not over with a refusal: whoever takes commands may begin to listen after one came.
        """
        command = self._own(command_id)
        if command is None or command_id in self._answering:
            return
        if not command.pending and not (accepted and command.state is CommandState.REFUSED):
            return
        self._answering.add(command_id)
        try:
            recording = self._desk.acknowledge(command, accepted, message)
        except TektonError:
            self._answered(command_id, recorded=False)
        else:
            recording.add_done_callback(lambda done: self._answered(command_id, recorded=_succeeded(done)))

    def repeat(self) -> None:
        """Tell commands once more whose answer storage could not take. Beats set the pace."""
        while self._unrecorded:
            command = self._own(self._unrecorded.pop())
            if command is not None and command.pending:
                self._outbox.command(command)

    def _own(self, command_id: str) -> InstanceCommand | None:
        command = self._desk.get(command_id)
        if command is None:
            return None
        lease = self._held(command.instance_uuid)
        return command if lease is not None and lease.granted == command.granted else None

    def _answered(self, command_id: str, *, recorded: bool) -> None:
        self._answering.discard(command_id)
        if not recorded:
            self._unrecorded.add(command_id)


def _succeeded(recording: asyncio.Future[InstanceCommand]) -> bool:
    return not recording.cancelled() and recording.exception() is None
