"""What a running component tells Tekton, as the integration guide shows it.

Each function answers False, and logs the reason, when Tekton refuses or does not answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tekton._log import log_failure
from tekton.client import get_default_client
from tekton.core.errors import TektonError, TektonTimeoutError, UnavailableError
from tekton.core.lifecycle import ComponentState
from tekton.utils.component_client import find_component

__all__ = ["deregister_component", "find_component", "send_heartbeat", "update_component_state"]


async def send_heartbeat(
    component_id: str,
    instance_uuid: str,
    state: str | ComponentState | None = None,
    metrics: Mapping[str, float] | None = None,
) -> bool:
    """Beat once, and have the beats go on from a thread of their own with these metrics.

    True when the beat counted. A state that may not be entered from the recorded one is logged and changes nothing.
    """
    client = get_default_client()
    try:
        answer = await client.send_heartbeat(component_id, instance_uuid, state, metrics)
    except (UnavailableError, TektonTimeoutError) as error:
        # What could not be said now is said by the next beat that gets through.
        client.keep_alive(component_id, instance_uuid, state=state, metrics=metrics, known_only=True)
        log_failure("beat for", component_id, error)
        return False
    except TektonError as error:
        log_failure("beat for", component_id, error)
        return False
    client.keep_alive(component_id, instance_uuid, metrics=metrics)
    if answer["state_error"]:
        log_failure("set the state of", component_id, TektonError(answer["state_error"], code="invalid_transition"))
    return True


async def update_component_state(
    component_id: str,
    instance_uuid: str,
    state: str | ComponentState,
    metadata: Mapping[str, Any] | None = None,
) -> bool:
    """Move the instance to a state; states on the way there are passed through. True when it is recorded."""
    try:
        await get_default_client().update_component_state(component_id, instance_uuid, state, metadata)
    except TektonError as error:
        log_failure(f"set the state {state} of", component_id, error)
        return False
    return True


async def deregister_component(component_id: str, instance_uuid: str) -> bool:
    """End the instance and its heartbeat. True when it is recorded."""
    try:
        await get_default_client().deregister_component(component_id, instance_uuid)
    except TektonError as error:
        log_failure("deregister", component_id, error)
        return False
    return True
