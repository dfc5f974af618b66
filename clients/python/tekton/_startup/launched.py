"""Components that Tekton itself launches: it is asked to start them."""

from __future__ import annotations

from typing import Any

from tekton._client import TektonClient
from tekton._results import OperationResult
from tekton.core import errors
from tekton.core.errors import ComponentNotFoundError, NoLaunchSpecError, StartupError, TektonError
from tekton.core.ids import lookup_key


async def start(client: TektonClient, component_id: str) -> None:
    """Have a component started, and wait until it is ready or degraded; its own start-up timeout counts.

    Raises:
        TektonError: it was not; NoLaunchSpecError where nobody has said how it is started.
    """
    _check(component_id, await client.start_component(component_id, wait=True))


async def restart(client: TektonClient, component_id: str) -> None:
    """Have a component stopped and started again, and wait until it is ready or degraded.

    Raises:
        TektonError: it was not; NoLaunchSpecError where nobody has said how it is started.
    """
    _check(component_id, await client.restart_component(component_id, wait=True))


def _check(component_id: str, result: OperationResult) -> None:
    if isinstance(result.error, NoLaunchSpecError | ComponentNotFoundError):
        advice = "give a start_func, register a handler, or give it a launch specification"
        raise NoLaunchSpecError(f"{component_id} was not started, for nobody said how: {advice}", component_id)
    if result.error is not None:
        raise result.error


async def started_with_needs(client: TektonClient, component_id: str) -> bool:
    """Have a component started together with what it needs; False where Tekton does not launch it.

    Raises:
        TektonError: it was not started.
    """
    why: dict[str, Any] | None = None
    try:
        async for step in client.start_components([component_id]):
            if lookup_key(step["component_id"]) == lookup_key(component_id) and step["error"]:
                why = step["error"]
            if step["summary"] and step["summary"]["success"]:
                return True
    except (NoLaunchSpecError, ComponentNotFoundError):
        return False
    raise _rebuilt(component_id, why)


def _rebuilt(component_id: str, why: dict[str, Any] | None) -> TektonError:
    if why is None:
        return StartupError(f"{component_id} was not started: Tekton did not say how it went", component_id)
    return errors.from_reason(why["reason"], why["message"], why["component"], why["details"])
