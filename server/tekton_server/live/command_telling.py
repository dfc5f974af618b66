"""What one heartbeat stream tells of commands: those that wait, from its Welcome on, each until it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from tekton.core.errors import TektonError
from tekton.core.records import CommandState
from tekton.core.view import InstanceCommand
from tekton_server.live.commands import CommandDesk
from tekton_server.live.lease import Lease
from tekton_server.live.outbox import Outbox


class _Answer(NamedTuple):
    accepted: bool
    message: str


class CommandTelling:
    """The commands of one stream. `held` finds a lease that the stream carries."""

    def __init__(self, desk: CommandDesk, outbox: Outbox, held: Callable[[str], Lease | None]) -> None:
        self._desk = desk
        self._outbox = outbox
        self._held = held
        # Whose Welcome stands: nothing is told about an instance before it.
        self._welcomed: set[str] = set()
        # Answers that are not recorded yet, and the commands whose answer is being recorded.
        self._answers: dict[str, _Answer] = {}
        self._recording: set[str] = set()

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
        elif lease.instance_uuid in self._welcomed and command.granted == lease.granted:
            self._outbox.command(command)

    @property
    def unrecorded(self) -> int:
        """How many answers are not recorded yet."""
        return len(self._answers)

    def acknowledge(self, command_id: str, accepted: bool, message: str) -> None:
        """Record the answer to a command; one that is for no lease of the stream, or is over, is passed over.

        An acceptance is not over with a refusal: whoever takes commands may begin to listen after one came.
        """
        former = self._answers.get(command_id)
        if former is None or (accepted and not former.accepted):
            self._answers[command_id] = _Answer(accepted, message)
            self._record(command_id)

    def repeat(self) -> None:
        """Record once more what storage could not take. Beats set the pace."""
        for command_id in list(self._answers):
            self._record(command_id)

    def _record(self, command_id: str) -> None:
        if command_id in self._recording:
            return
        answer, command = self._answers[command_id], self._own(command_id)
        if command is None or not (command.pending or (answer.accepted and command.state is CommandState.REFUSED)):
            del self._answers[command_id]
            return
        try:
            recording = self._desk.acknowledge(command, answer.accepted, answer.message)
        except TektonError:
            # With a later beat.
            return
        self._recording.add(command_id)
        recording.add_done_callback(lambda done: self._recorded(command_id, answer, done))

    def _recorded(self, command_id: str, answer: _Answer, done: asyncio.Future[InstanceCommand]) -> None:
        self._recording.discard(command_id)
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or getattr(error, "retry_after", None):
            return
        if self._answers.get(command_id) is answer:
            del self._answers[command_id]
        elif command_id in self._answers:
            # Another one came meanwhile.
            self._record(command_id)

    def _own(self, command_id: str) -> InstanceCommand | None:
        command = self._desk.get(command_id)
        if command is None:
            return None
        lease = self._held(command.instance_uuid)
        return command if lease is not None and lease.granted == command.granted else None
