"""The commands: everything that can be asked to change the registry, as frozen values, and what each answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tekton.core.ids import Token
from tekton.core.lifecycle import ComponentState
from tekton.core.model_records import Budget, BudgetTerms, ModelFacts, RegisteredModel
from tekton.core.records import CommandKind
from tekton.core.view import Change, Constraints, Definition, Instance, InstanceCommand
from tekton_server.domain.launch_commands import LaunchCommand


class RegisterComponent(msgspec.Struct, frozen=True, kw_only=True):
    """Register an instance and grant it a lease. Answers Registered.

    `expected_revision` is compared with the definition's revision, 0 meaning that there is none. `machine` is where
    the call comes from: empty for the machine that Tekton runs on, else its IP address. `configured` is what an
    operator says that the component needs, beside what it says itself.
    """

    component_id: str
    component_name: str
    component_type: str
    version: str
    capabilities: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    host: str = ""
    port: int = 0
    health_check: str = ""
    metadata: dict[str, Any] = {}
    machine: str = ""
    instance_uuid: str = ""
    replace: bool = False
    expected_revision: int | None = None
    configured: tuple[str, ...] = ()


class UpdateComponent(msgspec.Struct, frozen=True, kw_only=True):
    """Change a component's definition by a JSON merge patch. Answers the Definition as it then is.

    `configured` is as in a registration: no patch takes it away.
    """

    component_id: str
    patch: dict[str, Any]
    expected_revision: int | None = None
    configured: tuple[str, ...] = ()


class EndInstance(msgspec.Struct, frozen=True, kw_only=True):
    """Walk an instance to `stopped` and end it (goodbye or deregistration). Answers the ended Instance."""

    component_id: str
    instance_uuid: str
    fencing_token: Token | None = None
    reason: str = "deregistered"
    expected_revision: int | None = None


class RemoveComponent(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a component with all its instances. Answers None."""

    component_id: str
    expected_revision: int | None = None


class ReportState(msgspec.Struct, frozen=True, kw_only=True):
    """Move an instance to a state it says it is in. Answers StateReported.

    A `claim` comes inside a beat: out of `stopping` it can only say that the instance failed. `extend_startup` asks for
    so many seconds more to become ready.
    """

    component_id: str
    instance_uuid: str
    state: ComponentState
    fencing_token: Token | None = None
    reason: str = "reported"
    metadata: dict[str, Any] = {}
    claim: bool = False
    extend_startup: float = 0.0


class ReviveInstance(msgspec.Struct, frozen=True, kw_only=True):
    """Bring back an instance that was failed by its timeout and beats again. Answers StateReported.

    `state` is what the beat claims; one that cannot be reached from `failed` is passed over.
    """

    component_id: str
    instance_uuid: str
    fencing_token: Token | None = None
    state: ComponentState | None = None


class ExpireLease(msgspec.Struct, frozen=True, kw_only=True):
    """Fail an instance whose lease timed out. `granted` is the grant that was judged. Answers None."""

    instance_uuid: str
    granted: int
    evidence: dict[str, Any] = {}


class JudgeBusy(msgspec.Struct, frozen=True, kw_only=True):
    """Degrade an instance whose event loop is blocked, or bring it back when that is over. Answers None."""

    instance_uuid: str
    granted: int
    busy: bool
    evidence: dict[str, Any] = {}


class JudgeUse(msgspec.Struct, frozen=True, kw_only=True):
    """Degrade an instance that uses more than it may, or bring it back when that is over. Answers None."""

    instance_uuid: str
    granted: int
    over: bool
    evidence: dict[str, Any] = {}


class SetConstraints(msgspec.Struct, frozen=True, kw_only=True):
    """Say what each instance of a component may use, in place of what was said before. Answers Constraints.

    `expected_revision` is compared with that of the constraints, 0 meaning that there are none.
    """

    component_id: str
    cpu_limit: float | None = None
    memory_limit: float | None = None
    gpu_limit: float | None = None
    expected_revision: int | None = None


class JudgeDependencies(msgspec.Struct, frozen=True, kw_only=True):
    """Degrade an instance that lacks what it depends on, or bring it back when it lacks nothing. Answers None."""

    instance_uuid: str
    granted: int
    lacking: tuple[str, ...]


class ForgetInstances(msgspec.Struct, frozen=True, kw_only=True):
    """Forget instances that ended before `before`, and a component whose last one that is. Answers None.

    The last instance of a component goes only when it ended before `last_before`, and the component goes with it.
    """

    instance_uuids: tuple[str, ...]
    before: datetime
    last_before: datetime


class PostCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Give a command to an instance, or with no uuid to every leased one. Answers the posted InstanceCommands.

    `seed` is a uuid that no other command has: the ids of what is posted are made from it.
    """

    component_id: str
    kind: CommandKind
    seed: str
    instance_uuid: str = ""
    arguments: dict[str, Any] = {}
    deadline_seconds: float = 30.0


class AcknowledgeCommand(msgspec.Struct, frozen=True, kw_only=True):
    """An instance says whether it carries a command out. Answers the InstanceCommand as it then is."""

    component_id: str
    command_id: str
    instance_uuid: str
    accepted: bool
    fencing_token: Token | None = None
    message: str = ""


class ExpireCommands(msgspec.Struct, frozen=True, kw_only=True):
    """End commands whose deadline has passed, or whose instance has ended. Answers None."""

    command_ids: tuple[str, ...]


class ForgetCommands(msgspec.Struct, frozen=True, kw_only=True):
    """Forget ended commands whose deadline was before `before`. Answers None."""

    command_ids: tuple[str, ...]
    before: datetime


class RegisterModel(msgspec.Struct, frozen=True, kw_only=True):
    """Register a model, or say something else of one. Answers ModelRegistered.

    `below` is what the layers below say of it, as the server that was asked has them. `expected_revision` is compared
    with the registration's revision, 0 meaning that there is none.
    """

    model_id: str
    facts: ModelFacts
    below: ModelFacts = ModelFacts()
    expected_revision: int | None = None


class RemoveModel(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a model's registration; what the layers below say of it stands again. Answers None."""

    model_id: str
    expected_revision: int | None = None


class SetBudget(msgspec.Struct, frozen=True, kw_only=True):
    """Set a budget, in the place of one for the same component and model. Answers the Budget as it then is."""

    terms: BudgetTerms


class RemoveBudget(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a budget. Answers None."""

    component_id: str
    model_id: str


Command = (
    RegisterComponent
    | UpdateComponent
    | EndInstance
    | RemoveComponent
    | ReportState
    | ReviveInstance
    | ExpireLease
    | JudgeBusy
    | JudgeUse
    | SetConstraints
    | JudgeDependencies
    | ForgetInstances
    | PostCommand
    | AcknowledgeCommand
    | ExpireCommands
    | ForgetCommands
    | LaunchCommand
    | RegisterModel
    | RemoveModel
    | SetBudget
    | RemoveBudget
)


class Registered(msgspec.Struct, frozen=True):
    """The instance, and whether this call made it."""

    instance: Instance
    created: bool


class ModelRegistered(msgspec.Struct, frozen=True):
    """The registration as it then is, and whether this call made or changed it."""

    model: RegisteredModel
    created: bool
    changed: bool


class StateReported(msgspec.Struct, frozen=True):
    """The instance after the report, and its state before."""

    instance: Instance
    previous: ComponentState


_REPLIES: dict[type[Command], Any] = {
    RegisterComponent: Registered,
    UpdateComponent: Definition,
    EndInstance: Instance,
    RemoveComponent: None,
    ReportState: StateReported,
    PostCommand: tuple[InstanceCommand, ...],
    RegisterModel: ModelRegistered,
    RemoveModel: None,
    SetBudget: Budget,
    RemoveBudget: None,
    SetConstraints: Constraints,
}


def encode_reply(reply: Any) -> str:
    """Encode a reply for storage."""
    return msgspec.json.encode(reply).decode()


def decode_reply(command: Command, text: str) -> Any:
    """Decode what `encode_reply` made of the reply to such a command."""
    return msgspec.json.decode(text, type=_REPLIES[type(command)])


def replayed(reply: Any) -> Any:
    """Give a remembered reply as it is given again: nothing was created this time."""
    if isinstance(reply, ModelRegistered):
        return ModelRegistered(reply.model, created=False, changed=False)
    return Registered(reply.instance, created=False) if isinstance(reply, Registered) else reply


class Decision(msgspec.Struct, frozen=True):
    """What a command changes (nothing: it takes no revision) and what to answer."""

    changes: tuple[Change, ...]
    reply: Any
