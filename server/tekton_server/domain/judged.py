"""Degradations that Tekton judged: no claim in a beat overrules one, and each ends by itself."""

from __future__ import annotations

from collections.abc import Mapping

from tekton.core.errors import InvalidTransitionError
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Instance
from tekton_server.domain import busy, constraints, dependents

_UNTIL: Mapping[str, str] = {
    busy.BLOCKED: ("the event loop of this instance is blocked; it is ready again by itself when the lag is gone"),
    dependents.WITHOUT: "what this instance depends on has failed; it is ready again by itself when that serves again",
    constraints.OVER_LIMIT: "this instance uses more than it may; it is ready again by itself when it uses less",
}


def degraded(instance: Instance) -> bool:
    """Whether an instance is degraded by a judgement, and by nothing that it says of itself."""
    return instance.state is ComponentState.DEGRADED and instance.reason in _UNTIL


def check_claim(instance: Instance, state: ComponentState) -> None:
    """Refuse that a beat says ready over a degradation that was judged.

    Raises:
        InvalidTransitionError: it does.
    """
    if degraded(instance) and state is ComponentState.READY:
        allowed = [ComponentState.STOPPING.value, ComponentState.FAILED.value]
        raise InvalidTransitionError(
            _UNTIL[instance.reason],
            details={"from": instance.state.value, "to": state.value, "allowed": allowed},
        )
