"""What a running component tells Tekton, as the integration guide shows it.

Each function answers False, and logs the reason, when Tekton refuses or does not answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from tekton._log import log_failure
from tekton._resource_reporter import ResourceReporter
from tekton.client import HeartbeatTask, get_default_client
from tekton.core.errors import TektonError, TektonTimeoutError, UnavailableError
from tekton.core.lifecycle import ComponentState
from tekton.utils.component_client import find_component

__all__ = [
    "ResourceReporter",
    "deregister_component",
    "find_component",
    "get_resource_constraints",
    "listen_for_shutdown",
    "mark_ready",
    "notify_shutdown",
    "report_error",
    "report_resource_usage",
    "report_resources",
    "send_heartbeat",
    "start_heartbeat_task",
    "update_component_state",
    "wait_for_dependencies",
]


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
    *,
    extend_startup: float | None = None,
) -> bool:
    """Move the instance to a state; states on the way there are passed through. True when it is recorded.

    `extend_startup` asks for so many more seconds to start, from now.
    """
    client = get_default_client()
    try:
        await client.update_component_state(component_id, instance_uuid, state, metadata, extend_startup=extend_startup)
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


def start_heartbeat_task(instance_uuid: str) -> HeartbeatTask:
    """Keep an instance alive that this process registered; `await task.stop()` says goodbye. Call it while a loop runs.

    Raises:
        ValueError: this process registered no such instance, or its lease is over.
    """
    client = get_default_client()
    return client.start_heartbeat(client.component_of(instance_uuid), instance_uuid=instance_uuid)


async def mark_ready(instance_uuid: str) -> bool:
    """Say that an instance that this process registered is ready. True when it is recorded."""
    component_id = _component_of(instance_uuid, "mark ready")
    return component_id is not None and await update_component_state(component_id, instance_uuid, "ready")


async def notify_shutdown(instance_uuid: str) -> bool:
    """Say that an instance that this process registered shuts down: it walks through `stopping` to `stopped`, and its
    heartbeat ends. True when it is recorded."""
    component_id = _component_of(instance_uuid, "notify the shutdown of")
    return component_id is not None and await deregister_component(component_id, instance_uuid)


async def listen_for_shutdown(
    component_id: str, instance_uuid: str, shutdown_event: asyncio.Event | threading.Event
) -> bool:
    """Set an event when Tekton asks an instance to stop or to restart.

    True once it is set; False when the lease ended otherwise, or the arguments were refused, which is logged.
    """
    try:
        return await get_default_client().listen_for_shutdown(component_id, instance_uuid, shutdown_event)
    except TektonError as error:
        log_failure("listen for the shutdown of", component_id, error)
        return False


async def wait_for_dependencies(
    dependencies: Iterable[str], timeout: float = 60, check_interval: float = 1
) -> tuple[bool, list[str]]:
    """Wait until all of some components are ready; see `TektonClient.wait_for_dependencies`.

    Gives (True, []), or (False, those that are not ready after `timeout` seconds) in the order given; also where Tekton
    did not answer all that time.

    Raises:
        ValidationError: these are no ids, or no numbers of seconds over 0.
    """
    return await get_default_client().wait_for_dependencies(dependencies, timeout, check_interval)


async def report_resource_usage(component_id: str, instance_uuid: str, usage: Mapping[str, float]) -> bool:
    """Say what an instance uses; see `TektonClient.report_resource_usage`. True when it counts."""
    try:
        await get_default_client().report_resource_usage(component_id, instance_uuid, usage)
    except TektonError as error:
        log_failure("report the resources of", component_id, error)
        return False
    return True


async def report_resources(component_id: str, instance_uuid: str) -> bool:
    """Say once what this process and everything that it started use; `ResourceReporter` does so again and again.

    True when it counts.
    """
    reporter = ResourceReporter(component_id, instance_uuid)
    try:
        await reporter.report()
    except TektonError as error:
        log_failure("report the resources of", component_id, error)
        return False
    except (TimeoutError, OSError) as error:
        log_failure("report the resources of", component_id, TektonTimeoutError(str(error)))
        return False
    finally:
        await reporter.stop()
    return True


async def get_resource_constraints(component_id: str) -> dict[str, float] | None:
    """Read what each instance of a component may use: those that are set of cpu_limit (cores), memory_limit (MB) and
    gpu_limit (MB). None when Tekton refuses or does not answer."""
    try:
        return await get_default_client().get_resource_constraints(component_id)
    except TektonError as error:
        log_failure("read the resource constraints of", component_id, error)
        return None


async def report_error(error_report: Mapping[str, Any]) -> bool:
    """Report an error that an instance met; see `TektonClient.report_error`. True when it is kept."""
    try:
        await get_default_client().report_error(error_report)
    except TektonError as error:
        whose = error_report.get("component_id") if isinstance(error_report, Mapping) else None
        log_failure("report an error of", str(whose), error)
        return False
    return True


def _component_of(instance_uuid: str, what: str) -> str | None:
    try:
        return get_default_client().component_of(instance_uuid)
    except ValueError as error:
        log_failure(what, instance_uuid, TektonError(str(error), code="component_not_found"))
        return None
