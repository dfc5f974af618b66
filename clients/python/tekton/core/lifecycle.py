"""The lifecycle of an instance: nine states, the documented edges, and how a requested state is reached.

`VALID_TRANSITIONS` is the whole state machine. A report of a later start-up state implies the earlier ones, so `path`
walks them; whoever records the walk marks every hop but the last as implied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tekton.core.errors import InvalidTransitionError, ValidationError
from tekton.core.ids import launched_uuid, new_uuid


class ComponentState(StrEnum):
    """The nine documented states."""

    UNKNOWN = "unknown"
    REGISTERING = "registering"
    INITIALIZING = "initializing"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


_S = ComponentState

VALID_TRANSITIONS: Mapping[ComponentState, Sequence[ComponentState]] = {
    _S.UNKNOWN: [_S.REGISTERING],
    _S.REGISTERING: [_S.INITIALIZING, _S.FAILED],
    _S.INITIALIZING: [_S.STARTING, _S.FAILED],
    _S.STARTING: [_S.READY, _S.DEGRADED, _S.FAILED],
    _S.READY: [_S.DEGRADED, _S.STOPPING, _S.FAILED],
    _S.DEGRADED: [_S.READY, _S.STOPPING, _S.FAILED],
    _S.FAILED: [_S.INITIALIZING, _S.STOPPING],
    _S.STOPPING: [_S.STOPPED, _S.FAILED],
    _S.STOPPED: [_S.INITIALIZING],
}

SERVING = (_S.READY, _S.DEGRADED)
_STARTUP = (_S.REGISTERING, _S.INITIALIZING, _S.STARTING)
_FORWARD: Mapping[ComponentState, Sequence[ComponentState]] = {
    _S.UNKNOWN: (_S.REGISTERING,),
    _S.REGISTERING: (_S.INITIALIZING,),
    _S.INITIALIZING: (_S.STARTING,),
    _S.STARTING: (_S.READY, _S.DEGRADED),
    _S.FAILED: (_S.INITIALIZING,),
}


def parse_state(text: str, field_name: str = "state") -> ComponentState:
    """Read a state's name.

    Raises:
        ValidationError: the text names none; the error lists the allowed names.
    """
    try:
        return ComponentState(text)
    except ValueError:
        allowed = [state.value for state in ComponentState]
        raise ValidationError.of(
            field_name, f"must be one of {', '.join(allowed)}", "one_of", allowed=allowed, value=text[:64]
        ) from None


def path(current: ComponentState, target: ComponentState) -> tuple[ComponentState, ...]:
    """Give the states to go through to reach the target, the target last; empty when already there.

    A direct edge wins. Otherwise the start-up chain is walked forward (also out of `failed`), and a stop during
    start-up goes through `failed`. Nothing leaves `stopped`: a new registration makes a new instance.

    Raises:
        InvalidTransitionError: there is no such way.
    """
    way = _way(current, target)
    if way is not None:
        return way
    raise InvalidTransitionError(
        f"an instance cannot go from {current} to {target}",
        details={"from": current.value, "to": target.value, "allowed": [s.value for s in reachable(current)]},
    )


def _way(current: ComponentState, target: ComponentState) -> tuple[ComponentState, ...] | None:
    if current is target:
        return ()
    if current is _S.STOPPED:
        return None
    if target in VALID_TRANSITIONS[current]:
        return (target,)
    if target is _S.STOPPING and current in _STARTUP:
        return (_S.FAILED, _S.STOPPING)
    return _walk_forward(current, target)


def _walk_forward(current: ComponentState, target: ComponentState) -> tuple[ComponentState, ...] | None:
    walked: tuple[ComponentState, ...] = ()
    while current in _FORWARD:
        following = _FORWARD[current]
        if target in following:
            return (*walked, target)
        current = following[0]
        walked = (*walked, current)
    return None


def path_to_end(current: ComponentState) -> tuple[ComponentState, ...]:
    """Give the states through which a goodbye or a deregistration walks an instance to `stopped`."""
    if current is _S.STOPPED:
        return ()
    if current is _S.STOPPING:
        return (_S.STOPPED,)
    if current is _S.UNKNOWN:
        return (_S.REGISTERING, _S.FAILED, _S.STOPPING, _S.STOPPED)
    return (*path(current, _S.STOPPING), _S.STOPPED)


def reachable(current: ComponentState) -> list[ComponentState]:
    """List the states that a report may ask for from here."""
    return [target for target in ComponentState if _way(current, target)]


@dataclass
class ComponentRegistration:
    """What a component says of itself when it registers.

    `instance_uuid` identifies the instance and makes registering repeatable. When none is given it is the one as which
    Tekton launched this process, so that the two are known to be the same, or else a fresh one.
    Any collection of names that can be read twice does for a list; a set is sorted. `metadata` holds JSON values.
    """

    component_id: str
    component_name: str
    component_type: str
    version: str
    capabilities: list[str] = field(default_factory=list)
    dependencies: list[str] = field(default_factory=list)
    host: str = "localhost"
    port: int = 0
    health_check: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    instance_uuid: str = ""

    def __post_init__(self) -> None:
        self.instance_uuid = self.instance_uuid or launched_uuid(self.component_id) or new_uuid()
