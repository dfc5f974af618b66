"""What is forgotten: ended instances after a while, and a component with the last of them."""

from __future__ import annotations

from datetime import datetime

from tekton.core.ids import lookup_key
from tekton.core.view import Cause, Change, Definition, DefinitionChange, Instance, InstanceChange, LaunchChange
from tekton_server.domain import constraints
from tekton_server.domain.commands import Decision, ForgetInstances
from tekton_server.domain.instance_commands import forgotten
from tekton_server.domain.launches import RETENTION, forgettable
from tekton_server.domain.overlay import Overlay

_CAUSE = Cause(RETENTION)


def ended_since(instance: Instance) -> datetime | None:
    """Give since when an instance holds no lease; None while it does."""
    return None if instance.leased else instance.ended_at or instance.state_since


def forget(view: Overlay, command: ForgetInstances, now: datetime) -> Decision:
    """Decide which of the named instances are forgotten now; those that live again or ended later are left alone."""
    changes: list[Change] = []
    remaining: dict[str, int] = {}
    for instance_uuid in command.instance_uuids:
        instance = view.instance(instance_uuid)
        if instance is None:
            continue
        key = lookup_key(instance.component_id)
        left = remaining.setdefault(key, len(view.instances_of(key)))
        if not _over(instance, command.before if left > 1 else command.last_before):
            continue
        changes += forgotten(view, instance.instance_uuid, _CAUSE)
        changes.append(InstanceChange(instance, None, _CAUSE))
        remaining[key] = left - 1
        definition = view.definition(key)
        if left == 1 and definition is not None:
            changes += _component(view, definition)
    return Decision(tuple(changes), None)


def _component(view: Overlay, definition: Definition) -> list[Change]:
    """Forget a component with its launch; one of which a process runs, or is about to, stays."""
    launch = view.launch(definition.component_id)
    limits = constraints.removed(view, definition.component_id, _CAUSE)
    if launch is None:
        return [*limits, DefinitionChange(definition, None, _CAUSE)]
    if not forgettable(launch):
        return []
    return [*limits, LaunchChange(launch, None, _CAUSE), DefinitionChange(definition, None, _CAUSE)]


def _over(instance: Instance, before: datetime) -> bool:
    ended = ended_since(instance)
    return ended is not None and ended < before
