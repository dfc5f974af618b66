"""How one instance moves: walking states, ending, and who may speak for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tekton.core.errors import ComponentNotFoundError, StaleSessionError, TektonError
from tekton.core.ids import Token, lookup_key
from tekton.core.lifecycle import ComponentState, path_to_end
from tekton.core.view import Cause, Instance, InstanceChange
from tekton_server.domain import built_in
from tekton_server.domain.overlay import Overlay, Tombstone


def owned(view: Overlay, component_id: str, instance_uuid: str, token: Token | None) -> Instance:
    """Find the instance that the caller speaks for.

    Raises:
        ComponentNotFoundError: there is no such component or instance.
        RegistrationError: the component is a part of Tekton.
        StaleSessionError: the fencing token belongs to another grant, or the instance was forgotten.
    """
    grave = view.tombstone(instance_uuid)
    if grave is not None:
        raise buried(instance_uuid, grave)
    definition = view.definition(component_id)
    if definition is None:
        raise absent(component_id)
    instance = view.instance(instance_uuid)
    if instance is None or lookup_key(instance.component_id) != lookup_key(component_id):
        raise ComponentNotFoundError(
            f"component {component_id} has no instance {instance_uuid[:64]}",
            details={"component_id": component_id, "instance_uuid": instance_uuid[:64]},
        )
    if token is not None and token != Token(view.history_id, instance.granted):
        raise stale(instance, "the fencing token belongs to another grant; register again")
    return instance


def not_found(component_id: str) -> ComponentNotFoundError:
    """Say that there is no such component."""
    shown = component_id[:64]
    return ComponentNotFoundError(f"there is no component {shown}", details={"component_id": shown})


def absent(component_id: str) -> TektonError:
    """Say that the registry holds no such component, or that it is built in and so cannot be changed."""
    return built_in.refusal(component_id) if built_in.stands_in(component_id) else not_found(component_id)


def stale(instance: Instance, why: str, reason: str = "") -> StaleSessionError:
    """Say that the instance is no longer the one; `reason` where that is not the recorded one."""
    return StaleSessionError(
        f"instance {instance.instance_uuid} of {instance.component_id}: {why}",
        details={
            "component_id": instance.component_id,
            "instance_uuid": instance.instance_uuid,
            "status": instance.state.value,
            "reason": reason or instance.reason,
        },
    )


def buried(instance_uuid: str, grave: Tombstone) -> StaleSessionError:
    """Say that the instance has ended so long ago that it is forgotten."""
    return StaleSessionError(
        f"instance {instance_uuid} has ended and is forgotten; register with a new instance_uuid",
        details={"instance_uuid": instance_uuid, "status": "stopped", "reason": grave.reason},
    )


def walk(
    instance: Instance,
    states: Sequence[ComponentState],
    cause: Cause,
    *,
    now: datetime,
    revision: int,
    **last: Any,
) -> tuple[InstanceChange, ...]:
    """Move an instance through states, one change a hop, every hop but the last implied; `last` changes other fields
    together with the last hop."""
    changes = []
    for position, state in enumerate(states):
        final = position == len(states) - 1
        fields: dict[str, Any] = {"state": state, "reason": cause.reason, "revision": revision}
        if state is not instance.state:
            fields["state_since"] = now
        if state is ComponentState.READY and instance.ready_at is None:
            fields["ready_at"] = now
        if state is ComponentState.STOPPED:
            fields |= {"ended_at": now, "leased": False}
        if final:
            fields |= last
        moved = msgspec.structs.replace(instance, **fields)
        hop = cause if final else Cause(cause.reason, implied=True, evidence=cause.evidence)
        changes.append(InstanceChange(instance, moved, hop))
        instance = moved
    return tuple(changes)


def degraded_for(instance: Instance, reason: str) -> bool:
    """Whether an instance is degraded, and that for this reason."""
    return instance.state is ComponentState.DEGRADED and instance.reason == reason


class Judgement(NamedTuple):
    """That an instance under a grant is to be degraded or not, and with which cause it then is so, or ready again."""

    instance_uuid: str
    granted: int
    bad: bool
    worse: Cause
    better: Cause


def judge(view: Overlay, found: Judgement, now: datetime) -> tuple[InstanceChange, ...]:
    """Degrade an instance that is ready, or bring one back that was degraded by such a judgement; any other stays."""
    instance = view.instance(found.instance_uuid)
    if instance is None or not instance.leased or instance.granted != found.granted:
        return ()
    if found.bad and instance.state is ComponentState.READY:
        state, cause = ComponentState.DEGRADED, found.worse
    elif not found.bad and degraded_for(instance, found.worse.reason):
        state, cause = ComponentState.READY, found.better
    else:
        return ()
    return walk(instance, (state,), cause, now=now, revision=view.revision)


def end(instance: Instance, cause: Cause, *, now: datetime, revision: int) -> tuple[InstanceChange, ...]:
    """Walk an instance to `stopped`."""
    return walk(instance, path_to_end(instance.state), cause, now=now, revision=revision)
