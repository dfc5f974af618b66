"""One entry: decide a command on a view at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tekton.core.errors import InvalidTransitionError
from tekton.core.ids import Token
from tekton.core.lifecycle import ComponentState, path, reachable
from tekton.core.view import Cause, Change, DefinitionChange, Instance, InstanceChange
from tekton_server.domain import (
    busy,
    constraints,
    dependents,
    instance_commands,
    instances,
    judged,
    launch_ends,
    launches,
    startup,
)
from tekton_server.domain.commands import (
    AcknowledgeCommand,
    Command,
    Decision,
    EndInstance,
    ExpireCommands,
    ExpireLease,
    ForgetCommands,
    ForgetInstances,
    JudgeBusy,
    JudgeDependencies,
    JudgeUse,
    PostCommand,
    RegisterComponent,
    RegisterModel,
    RemoveBudget,
    RemoveComponent,
    RemoveModel,
    ReportState,
    ReviveInstance,
    SetBudget,
    SetConstraints,
    StateReported,
    UpdateComponent,
)
from tekton_server.domain.launch_commands import (
    AdoptLaunch,
    BeginLaunch,
    ClaimLaunch,
    DeclareComponents,
    DropLaunch,
    EndLaunch,
    ForgetLaunches,
    SettleLaunch,
    StopLaunch,
)
from tekton_server.domain.limits import REASON_CHARS
from tekton_server.domain.overlay import Overlay
from tekton_server.domain.registration import register
from tekton_server.domain.retention import forget
from tekton_server.domain.revisions import check_revision
from tekton_server.domain.routing import budget_terms, registering
from tekton_server.domain.update import update
from tekton_server.domain.validation import check_metadata, check_text

EXPIRED = "lease_expired"
# Of a state that came as a claim in a beat.
CLAIMED = "heartbeat"
SUPERSEDED = "superseded"
_TAKEN = "another instance took its address meanwhile"
# The reasons of a report, and of a claim in a beat, whose caller gave none.
_SAYS_NOTHING = ("reported", CLAIMED)


def decide(view: Overlay, command: Command, now: datetime) -> Decision:
    """Decide what the command changes.

    Raises:
        TektonError: the command is refused; nothing changes.
    """
    return _DECIDERS[type(command)](view, command, now)


def _report(view: Overlay, command: ReportState, now: datetime) -> Decision:
    check_text("reason", command.reason, REASON_CHARS)
    check_metadata("metadata", command.metadata)
    startup.check_extension(command.extend_startup, command.state)
    instance = instances.owned(view, command.component_id, command.instance_uuid, command.fencing_token)
    if not instance.leased and instance.state is not command.state:
        raise instances.stale(instance, "this instance has ended; register a new one")
    if command.claim:
        _check_claim(instance, command.state)
    states = path(instance.state, command.state)
    if not states and judged.degraded(instance) and command.reason != instance.reason:
        # From here on the instance itself says so, and it does not end with the judgement.
        states = (instance.state,)
    if not states and command.extend_startup:
        # Whoever waits hears of it by the change, at whichever server.
        states = (instance.state,)
    cause = Cause(
        _why(instance, command, states), evidence=command.metadata | startup.evidence_of(command.extend_startup)
    )
    changes = instances.walk(instance, states, cause, now=now, revision=view.revision)
    return Decision(changes, StateReported(_after(instance, changes), instance.state))


def _check_claim(instance: Instance, state: ComponentState) -> None:
    judged.check_claim(instance, state)
    if instance.state is ComponentState.STOPPING and state not in (ComponentState.STOPPING, ComponentState.FAILED):
        raise InvalidTransitionError(
            "a beat does not take an instance out of stopping",
            details={"from": instance.state.value, "to": state.value, "allowed": [ComponentState.FAILED.value]},
        )


def _why(instance: Instance, command: ReportState, states: tuple[ComponentState, ...]) -> str:
    reason = command.reason or "reported"
    if command.extend_startup and states == (instance.state,) and reason in _SAYS_NOTHING:
        return startup.EXTENDED
    if states == (ComponentState.FAILED, ComponentState.STOPPING) and reason in _SAYS_NOTHING:
        return "stop_requested"
    return reason


def _after(instance: Instance, changes: tuple[InstanceChange, ...]) -> Instance:
    last = changes[-1].new if changes else None
    return last or instance


def _end(view: Overlay, command: EndInstance, now: datetime) -> Decision:
    check_text("reason", command.reason, REASON_CHARS)
    instance = instances.owned(view, command.component_id, command.instance_uuid, command.fencing_token)
    if command.fencing_token is not None and _replaced(view, instance):
        raise instances.stale(instance, _TAKEN, reason=SUPERSEDED)
    check_revision(view.definition(command.component_id), command.expected_revision)
    if instance.state is ComponentState.STOPPED:
        if instance.reason in (SUPERSEDED, "replaced"):
            raise instances.stale(instance, "it was superseded by a newer instance")
        return Decision((), instance)
    changes = instances.end(instance, Cause(command.reason), now=now, revision=view.revision)
    return Decision(changes, _after(instance, changes))


def _remove(view: Overlay, command: RemoveComponent, now: datetime) -> Decision:
    definition = view.definition(command.component_id)
    if definition is None:
        raise instances.absent(command.component_id)
    check_revision(definition, command.expected_revision)
    cause = Cause("removed")
    changes: list[Change] = []
    for instance in view.instances_of(command.component_id):
        ended = instances.end(instance, cause, now=now, revision=view.revision)
        changes += [*ended, *instance_commands.forgotten(view, instance.instance_uuid, cause)]
        changes.append(InstanceChange(_after(instance, ended), None, cause))
    changes += constraints.removed(view, command.component_id, cause)
    changes += launch_ends.removed(view, command.component_id, cause, now)
    changes.append(DefinitionChange(definition, None, cause))
    return Decision(tuple(changes), None)


def _expire(view: Overlay, command: ExpireLease, now: datetime) -> Decision:
    instance = view.instance(command.instance_uuid)
    if instance is None or not instance.leased or instance.granted != command.granted:
        return Decision((), None)
    states = path(instance.state, ComponentState.FAILED) or (ComponentState.FAILED,)
    cause = Cause(EXPIRED, evidence=command.evidence)
    changes = instances.walk(instance, states, cause, now=now, revision=view.revision, leased=False)
    return Decision(changes, None)


def revivable(view: Overlay, component_id: str, instance_uuid: str, token: Token | None) -> Instance:
    """Find an instance that a beat brings back, or that needs no bringing back.

    Raises:
        TektonError: as `instances.owned`, or it is one that does not come back.
    """
    instance = instances.owned(view, component_id, instance_uuid, token)
    # The state too: a reason is also what a caller wrote, and nothing returns from `stopped`.
    if not instance.leased and (instance.state is not ComponentState.FAILED or instance.reason != EXPIRED):
        raise instances.stale(instance, "this instance has ended; register a new one")
    if _replaced(view, instance):
        raise instances.stale(instance, _TAKEN, reason=SUPERSEDED)
    return instance


def _revive(view: Overlay, command: ReviveInstance, now: datetime) -> Decision:
    instance = revivable(view, command.component_id, command.instance_uuid, command.fencing_token)
    if instance.leased:
        return Decision((), StateReported(instance, instance.state))
    states = path(instance.state, _revived_state(instance, command.state)) or (instance.state,)
    cause = Cause("heartbeat_resumed")
    changes = instances.walk(instance, states, cause, now=now, revision=view.revision, leased=True)
    return Decision(changes, StateReported(_after(instance, changes), instance.state))


def _replaced(view: Overlay, instance: Instance) -> bool:
    """Whether an instance lost its lease, and another one lives at its address."""
    return not instance.leased and instance.address is not None and view.leased_at(instance.address) is not None


def _revived_state(instance: Instance, claimed: ComponentState | None) -> ComponentState:
    """Give the state to come back in: a claim that cannot be reached from here does not cost the lease."""
    if claimed is instance.state or claimed in reachable(instance.state):
        return claimed
    return ComponentState.READY if instance.ready_at else ComponentState.INITIALIZING


_DECIDERS: Mapping[type[Command], Callable[[Overlay, Any, datetime], Decision]] = {
    RegisterComponent: register,
    UpdateComponent: update,
    ReportState: _report,
    EndInstance: _end,
    RemoveComponent: _remove,
    ExpireLease: _expire,
    JudgeBusy: busy.judge,
    JudgeDependencies: dependents.judge,
    JudgeUse: constraints.judge,
    SetConstraints: constraints.set_constraints,
    ReviveInstance: _revive,
    ForgetInstances: forget,
    PostCommand: instance_commands.post,
    AcknowledgeCommand: instance_commands.acknowledge,
    ExpireCommands: instance_commands.expire,
    ForgetCommands: instance_commands.forget,
    ClaimLaunch: launches.claim,
    BeginLaunch: launches.begin,
    AdoptLaunch: launches.adopt,
    DropLaunch: launches.drop,
    StopLaunch: launch_ends.stop,
    EndLaunch: launch_ends.end,
    SettleLaunch: launches.settle,
    DeclareComponents: launches.declare,
    ForgetLaunches: launches.forget,
    RegisterModel: registering.register,
    RemoveModel: registering.remove,
    SetBudget: budget_terms.set_terms,
    RemoveBudget: budget_terms.remove,
}
