"""The records of the registry and the changes that a journal is made of: frozen, so that holding one is keeping it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from tekton.core.ids import is_loopback
from tekton.core.lifecycle import ComponentState
from tekton.core.model_records import Budget, RegisteredModel


class Definition(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What all instances of a component share; `revision` is that of its last change."""

    component_id: str
    component_name: str
    component_type: str
    capabilities: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    health_check: str = ""
    metadata: dict[str, Any] = {}
    created_at: datetime
    revision: int


Address = tuple[str, int]


def address_of(host: str, port: int, machine: str = "") -> Address | None:
    """Give the address that two instances cannot both have: the names of the loopback are one host on each machine."""
    if not port:
        return None
    # No host has a space in it, so a qualified one is never the name of another.
    if is_loopback(host):
        host = f"localhost {machine}" if machine else "localhost"
    return (host, port)


class Instance(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One copy of a component.

    `granted` is the revision of the grant of its lease (the fencing token), `revision` that of its last change.
    `leased` is whether it holds a lease: from registration until its timeout or its end. Times are UTC. `machine` is
    the IP address of the machine whose loopback `host` is, empty for the one that Tekton runs on. `fingerprint` tells
    whether a repeated registration says the same; only the server fills it in.
    """

    instance_uuid: str
    component_id: str
    version: str
    host: str = ""
    port: int = 0
    machine: str = ""
    state: ComponentState
    state_since: datetime
    reason: str = ""
    registered_at: datetime
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    leased: bool = True
    granted: int
    revision: int
    fingerprint: str = ""

    @property
    def address(self) -> Address | None:
        """Where it listens; None without a listener."""
        return address_of(self.host, self.port, self.machine)

    @property
    def built_in(self) -> bool:
        """Whether it is a part of Tekton itself, which no one has granted a lease."""
        return self.granted == 0


class CommandKind(StrEnum):
    """What an instance can be told to do."""

    STOP = "stop"
    RESTART = "restart"
    RELOAD = "reload"
    PROBE = "probe"


class CommandState(StrEnum):
    """How far a command has come; all but pending are ends."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"


class InstanceCommand(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An order to one instance under one grant of its lease (`granted`, as the instance has it). Times are UTC.

    `message` is what the instance said with its answer, or why the command expired; `revision` that of its last change.
    """

    command_id: str
    component_id: str
    instance_uuid: str
    granted: int
    kind: CommandKind
    arguments: dict[str, Any] = {}
    issued_at: datetime
    deadline: datetime
    state: CommandState = CommandState.PENDING
    message: str = ""
    revision: int

    @property
    def pending(self) -> bool:
        """Whether it waits for its instance's answer."""
        return self.state is CommandState.PENDING


class LaunchDesired(StrEnum):
    """What the last operator wanted of a launch; `stopped` wins over every restart policy."""

    RUNNING = "running"
    STOPPED = "stopped"


class LaunchPhase(StrEnum):
    """How far a launch has come. In the first three its process runs, or is about to."""

    CLAIMED = "claimed"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    GAVE_UP = "gave_up"
    ENDED = "ended"


class Launch(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The claim under which Tekton runs a component: one for each component, by the lookup key of its id.

    `epoch` grows by one with each launch, and `instance_uuid` is which instance that one registers as. `server_id` is
    the server that follows the process, `host` the machine that it runs on and `place` the data directory there, whose
    servers alone can find it again. `restart_count` counts automatic restarts since an operator's start or since it was
    healthy for a period, `restarts` those within the policy's interval. `last_exit` says how it ended last. While it is
    stopping, signals follow from `stop_by` on, and `force` is whether it is killed then. Times are UTC, `since` is that
    of the phase, and `revision` that of the last change.
    """

    component_id: str
    epoch: int
    instance_uuid: str
    server_id: str
    host: str
    place: str = ""
    desired: LaunchDesired = LaunchDesired.RUNNING
    phase: LaunchPhase = LaunchPhase.CLAIMED
    restart_count: int = 0
    restarts: tuple[datetime, ...] = ()
    next_attempt_at: datetime | None = None
    last_exit: str = ""
    stop_by: datetime | None = None
    force: bool = False
    since: datetime
    revision: int

    @property
    def active(self) -> bool:
        """Whether its process runs, or is about to."""
        return self.phase in (LaunchPhase.CLAIMED, LaunchPhase.RUNNING, LaunchPhase.STOPPING)


class Constraints(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What each instance of a component may use, as somebody has said: cores, MB, and MB of GPUs. None is no limit."""

    component_id: str
    cpu_limit: float | None = None
    memory_limit: float | None = None
    gpu_limit: float | None = None
    updated_at: datetime
    revision: int


class Cause(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why a change happened, with its evidence; `implied` marks a state passed through without being asked for."""

    reason: str
    implied: bool = False
    evidence: dict[str, Any] = {}


class DefinitionChange(msgspec.Struct, frozen=True, gc=False):
    """A definition was put (`new`) or removed (`new` is None)."""

    old: Definition | None
    new: Definition | None
    cause: Cause

    @property
    def key(self) -> str:
        """The component's id as registered."""
        record = self.new or self.old
        return record.component_id if record else ""


class InstanceChange(msgspec.Struct, frozen=True, gc=False):
    """An instance was put (`new`) or forgotten (`new` is None)."""

    old: Instance | None
    new: Instance | None
    cause: Cause

    @property
    def key(self) -> str:
        """The instance's uuid."""
        record = self.new or self.old
        return record.instance_uuid if record else ""

    @property
    def component_id(self) -> str:
        """The component it belongs to."""
        record = self.new or self.old
        return record.component_id if record else ""


class CommandChange(msgspec.Struct, frozen=True, gc=False):
    """A command was put (`new`) or forgotten (`new` is None)."""

    old: InstanceCommand | None
    new: InstanceCommand | None
    cause: Cause

    @property
    def key(self) -> str:
        """The command's id."""
        record = self.new or self.old
        return record.command_id if record else ""

    @property
    def component_id(self) -> str:
        """The component of its instance."""
        record = self.new or self.old
        return record.component_id if record else ""


class LaunchChange(msgspec.Struct, frozen=True, gc=False):
    """A launch was put (`new`) or forgotten (`new` is None)."""

    old: Launch | None
    new: Launch | None
    cause: Cause

    @property
    def key(self) -> str:
        """The id of the component that is launched."""
        record = self.new or self.old
        return record.component_id if record else ""

    @property
    def component_id(self) -> str:
        """The component that is launched."""
        return self.key


class ConstraintsChange(msgspec.Struct, frozen=True, gc=False):
    """The constraints of a component were put (`new`) or removed (`new` is None)."""

    old: Constraints | None
    new: Constraints | None
    cause: Cause

    @property
    def key(self) -> str:
        """The component's id as registered."""
        record = self.new or self.old
        return record.component_id if record else ""

    @property
    def component_id(self) -> str:
        """The component."""
        return self.key


class ModelChange(msgspec.Struct, frozen=True, gc=False):
    """A model was registered (`new`) or its registration removed (`new` is None)."""

    old: RegisteredModel | None
    new: RegisteredModel | None
    cause: Cause

    @property
    def key(self) -> str:
        """The model's id."""
        record = self.new or self.old
        return record.model_id if record else ""


class BudgetChange(msgspec.Struct, frozen=True, gc=False):
    """A budget was set (`new`) or removed (`new` is None)."""

    old: Budget | None
    new: Budget | None
    cause: Cause

    @property
    def key(self) -> str:
        """What tells budgets apart."""
        record = self.new or self.old
        return record.terms.key if record else ""


RegistryChange = DefinitionChange | InstanceChange
"""What watchers of the registry are told: commands are their instance's business, launches their server's, and
constraints an operator's.
"""

RoutingChange = ModelChange | BudgetChange
"""What only the routing of tasks wants to know."""

Change = RegistryChange | CommandChange | LaunchChange | ConstraintsChange | RoutingChange


class Commit(msgspec.Struct, frozen=True, gc=False):
    """One revision: changes that happened together, in order."""

    revision: int
    recorded_at: datetime
    changes: tuple[Change, ...]
