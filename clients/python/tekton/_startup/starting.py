"""One start: the function is called, and in the end the component is ready by its own word or by ours."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from asyncio.subprocess import Process
from collections.abc import Iterable
from typing import Any

from tekton._client import TektonClient
from tekton._startup.handlers import Handler
from tekton._startup.stand_in import StandIns
from tekton._user_code import called
from tekton.core.component_lifecycle.readiness import ReadinessCondition, until_met
from tekton.core.errors import ComponentNotFoundError, StartupError, TektonError, TektonTimeoutError
from tekton.core.lifecycle import SERVING, ComponentState
from tekton.core.view import Instance
from tekton.utils.tekton_errors import ComponentError

log = logging.getLogger(__name__)

# How often it is looked whether a process that was started has ended.
_LOOK_EVERY = 0.5
_STOP_WITHIN = 30.0


class ComponentStartError(StartupError, ComponentError):
    """1004: a component did not start; `__cause__` is what its function raised."""


class ComponentStartTimeout(TektonTimeoutError, ComponentError):
    """1006: a component was not ready in time."""


async def start(
    client: TektonClient,
    handler: Handler,
    standing: StandIns,
    conditions: list[ReadinessCondition],
    state: ComponentState = ComponentState.READY,
) -> None:
    """Start a component; `state` is the one that it is to be in.

    Raises:
        ComponentError: its function failed, or it was not ready in time.
        TektonError: the registry refused it, or Tekton did not answer.
    """
    await standing.end(client, handler.component_id)
    before = frozenset(one["instance_uuid"] for one in await _instances(client, handler))
    try:
        await _started(client, handler, standing, conditions, state, before)
    except ComponentError as error:
        await _show(client, handler, standing, before, error)
        raise


async def _show(
    client: TektonClient, handler: Handler, standing: StandIns, before: frozenset[str], error: ComponentError
) -> None:
    """Have the registry show a failure; a component that has registered itself shows its own state."""
    try:
        if not {one["instance_uuid"] for one in await _leased(client, handler)} - before:
            await standing.fail(client, handler, error)
    except TektonError as trouble:
        log.warning("that %s failed to start could not be recorded: %s", handler.component_id, trouble)


async def stop(client: TektonClient, handler: Handler, standing: StandIns) -> None:
    """Stop what runs of a component, for another start of it; what has failed is left to its end.

    Raises:
        ComponentError: its stop function failed, or something of it runs on.
        TektonError: Tekton did not answer.
    """
    if handler.stop_func is not None:
        try:
            async with asyncio.timeout(handler.timeout):
                await called(handler.stop_func)
        except TimeoutError:
            raise ComponentStartTimeout(
                f"{handler.component_id} was not stopped within {handler.timeout:g} s", handler.component_id
            ) from None
        except Exception as error:
            raise _failed(handler, f"was not stopped: {_words(error)}") from error
    await standing.end(client, handler.component_id)
    running = [one for one in await _leased(client, handler) if one["status"] != ComponentState.FAILED]
    if not running or handler.stop_func is not None:
        return
    stopped = await client.stop_component(handler.component_id, timeout=min(_STOP_WITHIN, handler.timeout))
    if stopped.error is not None:
        advice = "have it listen for the command, or give its handler a stop_func"
        raise _failed(handler, f"was not started again, for it runs on: {stopped.message} ({advice})")


async def _started(
    client: TektonClient,
    handler: Handler,
    standing: StandIns,
    conditions: list[ReadinessCondition],
    state: ComponentState,
    before: frozenset[str],
) -> None:
    try:
        async with asyncio.timeout(handler.timeout):
            answer = await _called(handler)
            await until_met(conditions)
            process = answer if isinstance(answer, subprocess.Popen | Process) else None
            found = await _leased(client, handler)
            own = handler.registers_itself or process is not None
            if own or {one["instance_uuid"] for one in found} - before:
                await _by_its_own_word(client, handler, state, before, process)
            elif not await _serves(client, handler):
                await standing.begin(client, handler, state)
    except TimeoutError:
        sentence = f"{handler.component_id} was not ready within {handler.timeout:g} s"
        raise ComponentStartTimeout(sentence, handler.component_id) from None


async def _called(handler: Handler) -> Any:
    assert handler.start_func is not None
    task = asyncio.current_task()
    try:
        answer = await called(handler.start_func)
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise
        raise _failed(handler, "was not started: its start function was cancelled") from error
    except ComponentError:
        raise
    except Exception as error:
        raise _failed(handler, f"was not started: {_words(error)}") from error
    # What the documented functions answer: False, or (False, why).
    if answer is False or (isinstance(answer, tuple) and answer[:1] == (False,)):
        why = next((str(one) for one in (getattr(answer, "message", ""), *_rest(answer)) if one), "")
        raise _failed(handler, f"was not started: {why or 'its start function returned False'}")
    return answer


def _rest(answer: object) -> Iterable[object]:
    return answer[1:] if isinstance(answer, tuple) else ()


async def _by_its_own_word(
    client: TektonClient,
    handler: Handler,
    state: ComponentState,
    before: frozenset[str],
    process: subprocess.Popen[Any] | Process | None,
) -> None:
    """Wait until an instance that was not there before is ready or degraded.

    Raises:
        ComponentError: all of those that came have failed, or its process has ended.
    """

    def fresh() -> list[Instance]:
        found = client.registry.view.components.get(handler.key)
        return [one for one in found.instances.values() if one.instance_uuid not in before] if found else []

    def settled() -> bool:
        return any(one.state in SERVING for one in fresh()) or _all_failed(fresh())

    # A process tells nobody that it ended: it is looked at now and then. The caller bounds all of it.
    while not await client.registry.until(settled, _LOOK_EVERY if process else None):
        if process is not None and _code(process) is not None:
            raise _failed(handler, f"was not started: its process ended with {_code(process)}")
    serving = [one for one in fresh() if one.state in SERVING]
    if not serving:
        raise _failed(handler, f"failed while it started: {fresh()[-1].reason}")
    if state is ComponentState.DEGRADED:
        for one in serving:
            await client.update_component_state(handler.component_id, one.instance_uuid, state)


def _all_failed(instances: list[Instance]) -> bool:
    ends = (ComponentState.FAILED, ComponentState.STOPPING, ComponentState.STOPPED)
    return bool(instances) and all(one.state in ends for one in instances)


def _code(process: subprocess.Popen[Any] | Process) -> int | None:
    return process.poll() if isinstance(process, subprocess.Popen) else process.returncode


async def _instances(client: TektonClient, handler: Handler) -> list[dict[str, Any]]:
    try:
        found = await client.get_component(handler.component_id)
    except ComponentNotFoundError:
        return []
    instances: list[dict[str, Any]] = found["instances"]
    return instances


async def _leased(client: TektonClient, handler: Handler) -> list[dict[str, Any]]:
    """Ask for the instances of a component that live, parts of Tekton itself aside."""
    return [one for one in await _instances(client, handler) if one["leased"]]


async def _serves(client: TektonClient, handler: Handler) -> bool:
    try:
        found = await client.get_component_status(handler.component_id)
    except ComponentNotFoundError:
        return False
    return found["status"] in SERVING


async def already(client: TektonClient, handler: Handler) -> bool:
    """Ask whether a component is ready or degraded without another start; for Tekton's own parts only by themselves."""
    if handler.start_func is None:
        return await _serves(client, handler)
    return any(one["status"] in SERVING for one in await _leased(client, handler))


def _failed(handler: Handler, what: str) -> ComponentStartError:
    return ComponentStartError(f"{handler.component_id} {what}", handler.component_id)


def _words(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return said if isinstance(error, TektonError) else f"{type(error).__name__}: {said}".rstrip(": ")
