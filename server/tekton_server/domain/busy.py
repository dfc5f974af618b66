"""Busy is not dead: an instance whose event loop is blocked is degraded while it beats, and ready again by itself."""

from __future__ import annotations

from datetime import datetime

from tekton.core.view import Cause, Instance
from tekton_server.domain import instances
from tekton_server.domain.commands import Decision, JudgeBusy
from tekton_server.domain.overlay import Overlay

BLOCKED = "event_loop_blocked"
FREE = "event_loop_free"


def blocked(instance: Instance) -> bool:
    """Whether an instance is degraded for its event loop, and for nothing that it says of itself."""
    return instances.degraded_for(instance, BLOCKED)


def judge(view: Overlay, command: JudgeBusy, now: datetime) -> Decision:
    """Degrade a ready instance that is busy, or bring one back that was degraded so and is busy no more."""
    worse, better = (Cause(reason, evidence=command.evidence) for reason in (BLOCKED, FREE))
    found = instances.Judgement(command.instance_uuid, command.granted, command.busy, worse, better)
    return Decision(instances.judge(view, found, now), None)
