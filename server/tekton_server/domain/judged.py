"""What Tekton itself finds of an instance that lives: it is degraded for that, and ready again by itself afterwards."""

from __future__ import annotations

from tekton.core.errors import InvalidTransitionError
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Instance

BLOCKED = "event_loop_blocked"
OVER_LIMIT = "resource_limit"
_ENDS = {
    BLOCKED: "the event loop of this instance is blocked; it is ready again by itself when the lag is gone",
    OVER_LIMIT: "this instance uses more than it may; it is ready again by itself when it uses less",
}


def judged(instance: Instance) -> bool:
    """Whether an instance is degraded for what Tekton found, and for nothing that it says of itself."""
    return instance.state is ComponentState.DEGRADED and instance.reason in _ENDS


def check_claim(instance: Instance, state: ComponentState) -> None:
    """Refuse that a beat says ready over a degradation that was judged; it ends with its cause.

    Raises:
        InvalidTransitionError: it does.
    """
    if judged(instance) and state is ComponentState.READY:
        allowed = [ComponentState.STOPPING.value, ComponentState.FAILED.value]
        raise InvalidTransitionError(
            _ENDS[instance.reason], details={"from": instance.state.value, "to": state.value, "allowed": allowed}
        )
