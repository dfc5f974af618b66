"""What brings commands to the leases of a heart, and their acknowledgements back."""

from __future__ import annotations

from collections.abc import Callable

from tekton._commands import Command, Listener, ShutdownListener, command_of
from tekton._connection import Connection
from tekton._heart_stream import HeartStream
from tekton._lease import KeptLease, KeptLeases, Phase
from tekton.v1.component_pb2 import Command as Message


class Courier:
    """Used by the heart's thread only. `soon` has what is due looked at."""

    def __init__(self, leases: KeptLeases, connection: Connection, soon: Callable[[], None]) -> None:
        self._leases = leases
        self._connection = connection
        self._soon = soon

    def listen(self, lease: KeptLease, listener: Listener) -> None:
        """Tell a listener of the commands to a lease, in the place of the one before."""
        self._waited(lease, lease.orders.listen(listener))

    def hear(self, lease: KeptLease, listener: ShutdownListener) -> None:
        """Tell a listener of stop and restart commands, and of the end of the lease."""
        if lease.phase is Phase.ENDED:
            listener(None)
        else:
            self._waited(lease, lease.orders.listen_for_shutdown(listener))

    def deliver(self, stream: HeartStream, message: Message) -> None:
        """Deliver a command and answer it."""
        stream.answer(message.command_id, self._refusal(self._leases.find(message.instance_uuid), message))

    def take(self, lease: KeptLease, message: Message) -> None:
        """Deliver a command that came with the answer to a unary beat, and answer it where there is a stream."""
        self._answer(lease, message.command_id, self._refusal(lease, message))

    def _waited(self, lease: KeptLease, command: Command | None) -> None:
        # It was refused when it came; now it is not.
        if command is not None:
            self._answer(lease, command.command_id, "")

    def _answer(self, lease: KeptLease, command_id: str, refusal: str) -> None:
        stream = self._connection.stream
        if stream is not None and lease.stream is stream:
            stream.answer(command_id, refusal)

    def _refusal(self, lease: KeptLease | None, message: Message) -> str:
        if lease is None or lease.instance_uuid != message.instance_uuid or lease.phase is Phase.ENDED:
            return "this process does not keep that instance"
        if message.fencing_token and lease.fencing_token and message.fencing_token != lease.fencing_token:
            return "it is for another grant of the instance"
        if message.kind == Message.KIND_PROBE:
            lease.said, lease.due = None, 0.0
            self._soon()
            return ""
        return lease.orders.take(command_of(message, lease.component_id))
