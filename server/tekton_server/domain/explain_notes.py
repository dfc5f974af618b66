"""What else is to be said of a component that is explained: its silence, commands to it, its other instances."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from tekton.core.lifecycle import ComponentState
from tekton.core.view import Cause, Component, Instance, View
from tekton_server.domain import reasons
from tekton_server.domain.error_reports import ErrorReport
from tekton_server.domain.explain import Condition


class Liveness(NamedTuple):
    """What is known of a lease: when it last beat (None: never), and how long it has been silent, in seconds."""

    last_heartbeat: datetime | None
    suspect: bool
    silent: float
    timeout: float


_OTHERS_TOLD = 5
_ERROR_CHARS = 200
_ENDING = (ComponentState.STOPPING, ComponentState.STOPPED, ComponentState.FAILED)


def notes(view: View, condition: Condition, lease: Liveness | None, now: datetime) -> list[str]:
    """Say what else is known of a component: its silence, commands to it, its other instances."""
    best, component = condition.instance, condition.component
    if best is None or component is None or best.built_in:
        return []
    return [*_of_lease(lease), *_of_commands(view, best, now), *_of_others(component, best)]


def before(instance: Instance, first: Cause | None) -> list[str]:
    """Say why an instance had come into its state, where it changed since without leaving it."""
    if first is None or first.reason == instance.reason:
        return []
    return [f"it was {instance.state} already since {_at(instance.state_since)}: {reasons.words(first.reason)}"]


def reported(error: ErrorReport, at: datetime) -> str:
    """Say which error a component reported last, and when it was kept."""
    said = error.message.strip().partition("\n")[0]
    if len(said) > _ERROR_CHARS:
        said = said[:_ERROR_CHARS] + "…"
    return f"the last error that it reported, at {_at(at)}: {error.error_type}{': ' if said else ''}{said}"


def _of_lease(lease: Liveness | None) -> list[str]:
    if lease is None:
        return []
    told = []
    if lease.last_heartbeat is None:
        told.append("it has never beaten")
    if lease.suspect:
        told.append("its heartbeat stream is closed")
    if lease.suspect or lease.silent > lease.timeout / 2:
        told.append(f"nothing was heard of it for {lease.silent:.0f} s, and its timeout is {lease.timeout:g} s")
    return told


def _of_commands(view: View, instance: Instance, now: datetime) -> list[str]:
    told = []
    for command in view.commands.of(instance.instance_uuid):
        if command.pending and command.deadline > now:
            span = f"since {_at(command.issued_at)}, until {_at(command.deadline)}"
            told.append(f"a {command.kind} command waits for its answer {span}")
        elif command.state == "accepted" and command.kind in ("stop", "restart") and instance.state in _ENDING:
            told.append(f"it accepted the {command.kind} command of {_at(command.issued_at)}")
    return told


def _of_others(component: Component, best: Instance) -> list[str]:
    # Those without a lease are history where none has one, and a failure beside who serves where one has.
    unwell = [
        one
        for one in reversed(component.instances.values())
        if one is not best and one.state is not ComponentState.READY
        if one.leased or (best.leased and one.state is ComponentState.FAILED)
    ]
    told = [
        f"instance {one.instance_uuid} is {one.state} since {_at(one.state_since)}: {reasons.words(one.reason)}"
        for one in unwell[:_OTHERS_TOLD]
    ]
    if len(unwell) > _OTHERS_TOLD:
        told.append(f"{len(unwell) - _OTHERS_TOLD} more instances are not ready")
    return told


def _at(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
