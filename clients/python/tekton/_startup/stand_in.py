"""Instances that stand for components which this process starts, and which do not register themselves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tekton._client import TektonClient
from tekton._heartbeat_task import HeartbeatTask
from tekton._startup.handlers import Handler
from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key, new_uuid
from tekton.core.lifecycle import SERVING, ComponentRegistration, ComponentState

log = logging.getLogger(__name__)

_TYPE, _VERSION = "service", "0.0.0"
_ERROR_CHARS = 1000


class StandIns:
    """Those of one coordinator: kept alive by this process, until the component registers itself.

    One that only shows that a start failed is not kept alive; it goes with the next attempt.
    """

    def __init__(self) -> None:
        self._held: dict[str, HeartbeatTask] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, str] = {}

    async def begin(self, client: TektonClient, handler: Handler, state: ComponentState) -> None:
        """Register an instance for a component in a state, and keep it alive.

        Raises:
            TektonError: it was refused, or Tekton did not answer.
        """
        uuid = await _registered(client, handler, state, {})
        task = self._held[handler.key] = client.start_heartbeat(handler.component_id, instance_uuid=uuid)
        watch = self._until_itself(client, handler, task)
        self._watches[handler.key] = asyncio.create_task(watch, name=f"stand in for {handler.component_id}")

    async def fail(self, client: TektonClient, handler: Handler, error: TektonError) -> None:
        """Have the registry show that a component of which nothing is registered failed to start, and why.

        Raises:
            TektonError: it was refused, or Tekton did not answer.
        """
        # What a function raises may hold anything; what is stored may not.
        said = "".join(one if one.isprintable() else " " for one in error.message[:_ERROR_CHARS])
        evidence = {"error": said, "code": error.number}
        self._failures[handler.key] = await _registered(client, handler, ComponentState.FAILED, evidence)

    async def end(self, client: TektonClient, component_id: str) -> None:
        """Take away what stands for a component, if anything does."""
        key = lookup_key(component_id)
        failure = self._failures.pop(key, None)
        if failure is not None:
            try:
                await client.deregister_component(component_id, failure)
            except TektonError as error:
                log.debug("the failed start of %s is forgotten by itself: %s", component_id, error)
        await self._leave(key)

    async def end_all(self) -> None:
        """Say goodbye for all."""
        await asyncio.gather(*(self._leave(key) for key in list(self._held)))

    async def _leave(self, key: str) -> None:
        watch, task = self._watches.pop(key, None), self._held.pop(key, None)
        if watch is not None and watch is not asyncio.current_task():
            watch.cancel()
            await asyncio.wait([watch])
        if task is not None:
            await task.stop()

    async def _until_itself(self, client: TektonClient, handler: Handler, task: HeartbeatTask) -> None:
        def serves() -> bool:
            found = client.registry.view.components.get(handler.key)
            others = found.instances.values() if found else ()
            return any(
                one.leased and one.state in SERVING and one.instance_uuid != task.instance_uuid for one in others
            )

        await client.registry.until(serves, None)
        log.info("%s has registered itself; nothing stands in for it any more", handler.component_id)
        await self._leave(handler.key)


async def _registered(
    client: TektonClient, handler: Handler, state: ComponentState, evidence: Mapping[str, Any]
) -> str:
    registration = _registration(client, handler)
    result = await client.register_component(registration)
    if result.error is not None:
        raise result.error
    await client.update_component_state(handler.component_id, registration.instance_uuid, state, evidence)
    return registration.instance_uuid


def _registration(client: TektonClient, handler: Handler) -> ComponentRegistration:
    """Make what is registered: what was given for it, else what the registry knows, else as little as will do."""
    given = handler.registration or _known(client, handler)
    if given is None:
        given = ComponentRegistration(handler.component_id, handler.component_id, _TYPE, _VERSION)
    if handler.registration is None and handler.dependencies is not None:
        given = replace(given, dependencies=list(handler.dependencies))
    metadata = given.metadata if given.port or given.component_type == "ui" else given.metadata | {"no_listener": True}
    return replace(given, metadata=metadata, instance_uuid=new_uuid())


def _known(client: TektonClient, handler: Handler) -> ComponentRegistration | None:
    component = client.registry.view.components.get(handler.key)
    if component is None or component.best is None or component.best.built_in:
        return None
    known = component.definition
    return ComponentRegistration(
        component_id=known.component_id,
        component_name=known.component_name,
        component_type=known.component_type,
        version=component.best.version or _VERSION,
        capabilities=list(known.capabilities),
        dependencies=list(known.dependencies),
        health_check=known.health_check,
        metadata=dict(known.metadata),
    )
