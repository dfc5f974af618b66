"""Commands of Tekton to an instance of this process: who listens, what was delivered, what waits for a listener."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tekton._free_form import unstruct
from tekton.core.records import CommandKind
from tekton.v1.component_pb2 import Command as Message

log = logging.getLogger(__name__)

# How many delivered commands are remembered for each instance: delivery is at least once, and to the application once.
_REMEMBERED = 256
_KINDS = {Message.Kind.Value(kind.value): kind.value for kind in CommandKind}
_SHUTDOWN = ("stop", "restart")


class Command(NamedTuple):
    """What Tekton wants of an instance.

    kind: stop (finish work and exit before the deadline), restart (as stop, to be started again) or reload (read the
        configuration again). deadline: when it loses its meaning (UTC), None when never. arguments: more about it.
    """

    component_id: str
    instance_uuid: str
    command_id: str
    kind: str
    deadline: datetime | None
    arguments: dict[str, Any]


# Called on the heart's thread; raises where the application cannot be told. None is the end of the lease.
Listener = Callable[[Command], object]
ShutdownListener = Callable[[Command | None], object]


def command_of(message: Message, component_id: str) -> Command:
    """Read a command; `kind` is empty where this client is too old to know it."""
    return Command(
        component_id=component_id,
        instance_uuid=message.instance_uuid,
        command_id=message.command_id,
        kind=_KINDS.get(message.kind, ""),
        deadline=message.deadline.ToDatetime(tzinfo=UTC) if message.HasField("deadline") else None,
        arguments=unstruct(message.arguments),
    )


class Orders:
    """The commands to one lease. Used by the heart's thread only."""

    def __init__(self) -> None:
        self._on_command: Listener | None = None
        self._on_shutdown: list[ShutdownListener] = []
        self._delivered: dict[str, None] = {}
        self._waiting: Command | None = None

    def take(self, command: Command) -> str:
        """Deliver a command once; gives why it is refused, empty when it is accepted.

        A stop or restart for which nobody listens is refused and waits: listening may begin after it came.
        """
        if command.command_id in self._delivered:
            return ""
        listeners = self._listeners(command.kind)
        if not listeners:
            self._waiting = command if command.kind in _SHUTDOWN else self._waiting
            return f"nobody listens for {command.kind or 'such'} commands"
        delivered = [_tell(listener, command) for listener in listeners]
        if not any(delivered):
            return "the component could not be told"
        self._remember(command)
        return ""

    def listen(self, listener: Listener) -> Command | None:
        """Tell commands of every kind to a listener; gives a command that waited and was delivered now."""
        self._on_command = listener
        return self._waited()

    def listen_for_shutdown(self, listener: ShutdownListener) -> Command | None:
        """Tell stop and restart commands, and the end of the lease, to a listener; gives as `listen`."""
        self._on_shutdown.append(listener)
        return self._waited()

    def unlisten(self, listener: ShutdownListener) -> None:
        """Tell a listener for shutdown no more."""
        if listener in self._on_shutdown:
            self._on_shutdown.remove(listener)

    def regranted(self) -> None:
        """A new instance stands for the lease: what waited was for the one before."""
        self._waiting = None

    def over(self) -> None:
        """The lease is over."""
        listeners, self._on_shutdown = self._on_shutdown, []
        for listener in listeners:
            _tell(listener, None)

    def _listeners(self, kind: str) -> list[Callable[[Any], object]]:
        if not kind:
            return []
        shutdown = self._on_shutdown if kind in _SHUTDOWN else []
        return [*shutdown, *([self._on_command] if self._on_command else [])]

    def _waited(self) -> Command | None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or (waiting.deadline is not None and waiting.deadline <= datetime.now(UTC)):
            return None
        return waiting if not self.take(waiting) else None

    def _remember(self, command: Command) -> None:
        self._delivered[command.command_id] = None
        if len(self._delivered) > _REMEMBERED:
            del self._delivered[next(iter(self._delivered))]


def _tell(listener: Callable[[Any], object], command: Command | None) -> bool:
    try:
        listener(command)
    except Exception:
        log.exception("a listener for commands could not be told of %s", command.kind if command else "the end")
        return False
    return True
