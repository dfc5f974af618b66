"""Busy is not dead: an instance whose event loop is blocked is degraded while it beats, and ready again by itself."""

from __future__ import annotations

from datetime import datetime

from tekton.core.lifecycle import ComponentState
from tekton.core.view import Cause, Instance
from tekton_server.domain import instances
from tekton_server.domain.commands import Decision, JudgeBusy
from tekton_server.domain.overlay import Overlay

BLOCKED = "event_loop_blocked"
FREE = "event_loop_free"


def blocked(instance: Instance) -> bool:
    """Whether an instance is degraded for its event loop, and for nothing that it says of itself."""
    return instance.state is ComponentState.DEGRADED and instance.reason == BLOCKED


def judge(view: Overlay, command: JudgeBusy, now: datetime) -> Decision:
    """Degrade a ready instance that is busy, or bring one back that was degraded so and is busy no more."""
    instance = view.instance(command.instance_uuid)
    if instance is None or not instance.leased or instance.granted != command.granted:
        return Decision((), None)
    if command.busy and instance.state is ComponentState.READY:
        state, reason = ComponentState.DEGRADED, BLOCKED
    elif not command.busy and blocked(instance):
        state, reason = ComponentState.READY, FREE
    else:
        return Decision((), None)
    cause = Cause(reason, evidence=command.evidence)
    return Decision(instances.walk(instance, (state,), cause, now=now, revision=view.revision), None)
