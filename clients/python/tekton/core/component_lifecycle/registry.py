"""The documented registry: a face of the control plane that runs, or of one that this process runs in a directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from tekton import _given
from tekton._embedded import EmbeddedTekton
from tekton._results import Outcome
from tekton.client import TektonClient, get_default_client
from tekton.core.component_lifecycle import capability as capabilities
from tekton.core.component_lifecycle.healthcheck import ComponentHealth, health_of
from tekton.core.component_lifecycle.readiness import ReadinessCondition, unmet
from tekton.core.errors import ComponentNotFoundError, TektonError, ValidationError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentRegistration, ComponentState

__all__ = ["ComponentRegistry", "Outcome"]


class ComponentRegistry:
    """The registry of components.

    data_dir: a directory of this machine. This process then runs the control plane itself, with a PostgreSQL in that
        directory: from the first call on, until `close`, the end of the event loop or of the process. Whoever names the
        same directory in this process shares it; another process is refused. It takes `tekton[server]`.
    client: the Tekton to talk to instead; without either it is that of `tekton.client.get_default_client`.

    Making it does nothing yet. What is registered here is not kept alive by it: beats come from
    `HeartbeatMonitor.process_heartbeat`, or from a heart (`client.start_heartbeat`, `register_with_tekton`).
    """

    def __init__(self, data_dir: str | os.PathLike[str] | None = None, *, client: TektonClient | None = None) -> None:
        if data_dir is not None and client is not None:
            message = "cannot be given together with client: that is where another Tekton is"
            raise ValidationError.of("data_dir", message, "conflict")
        # An empty one, as of a variable that is not set, would be whatever directory this happens to run in.
        if data_dir is not None and (not isinstance(data_dir, str | os.PathLike) or not os.fspath(data_dir)):
            message = f"must be the path of a directory, not {_given.shown(data_dir)}"
            raise ValidationError.of("data_dir", message, "type")
        self._embedded = None if data_dir is None else EmbeddedTekton.of(data_dir)
        self._client = client
        self._conditions: dict[str, list[ReadinessCondition]] = {}

    def __repr__(self) -> str:
        where = self._embedded.data_dir if self._embedded else self._client or "the default client"
        return f"<ComponentRegistry of {where}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def client(self) -> TektonClient:
        """Give the client behind it, which can do all the rest; with a data_dir the first call starts the plane.

        `tekton.client.set_default_client(await registry.client())` has the documented functions use it too, and
        `str(client.target)` as TEKTON_HOST those of a process that is started from here.

        Raises:
            StartupError: the plane cannot be started; the sentence says what to do.
        """
        if self._embedded is not None:
            return await self._embedded.client(self)
        return self._client or get_default_client()

    async def close(self) -> None:
        """Let go of the plane in the data directory; it stops once nobody in this process uses it.

        A client that was given stays open.
        """
        if self._embedded is not None:
            await self._embedded.release(self)

    async def register_component(self, registration: ComponentRegistration) -> Outcome:
        """Register an instance: `success, message = await ...`; `registration.instance_uuid` is which.

        One without a port is registered as a component without a listener (`metadata.no_listener`).
        """
        try:
            result = await (await self.client()).register_component(_with_listener_or_without(registration))
        except TektonError as error:
            return Outcome.refused(error)
        if result.instance_uuid is None:
            return Outcome(False, result.message, result.error)
        registration.instance_uuid = result.instance_uuid
        return Outcome(True, result.message)

    async def update_component_state(
        self,
        component_id: str,
        instance_uuid: str,
        state: str | ComponentState,
        metadata: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Move an instance to a state; states on the way there are passed through. Gives (success, message)."""
        try:
            client = await self.client()
            answer = await client.update_component_state(component_id, instance_uuid, state, metadata)
        except TektonError as error:
            return Outcome.refused(error)
        return Outcome(True, answer["message"])

    async def mark_component_ready(self, component_id: str, instance_uuid: str) -> Outcome:
        """Say that an instance is ready: `success, message = await ...`.

        Where conditions were added for the component, they are asked first; one that does not hold is a refusal.
        """
        wanting = await unmet(self.readiness_conditions(component_id))
        if wanting:
            return Outcome(False, f"{component_id} is not ready: {'; '.join(wanting)}")
        return await self.update_component_state(component_id, instance_uuid, ComponentState.READY)

    async def get_component(self, component_id: str) -> dict[str, Any] | None:
        """Read a component with all its instances, as the documented JSON object; None where there is none.

        Raises:
            UnavailableError, TektonTimeoutError: Tekton could not be asked.
        """
        try:
            return await (await self.client()).get_component(component_id)
        except ComponentNotFoundError:
            return None

    async def get_components_by_capability(self, capability: str) -> list[dict[str, Any]]:
        """List the components that have a capability, in whatever state: the ready ones, the degraded, then the others.

        Raises:
            UnavailableError, TektonTimeoutError: Tekton could not be asked.
        """
        return await capabilities.providers(await self.client(), capability)

    async def get_component_health(self, component_id: str) -> ComponentHealth | None:
        """Read how a component is; None where there is none.

        Raises:
            UnavailableError, TektonTimeoutError: Tekton could not be asked.
        """
        return await health_of(await self.client(), component_id)

    def add_readiness_condition(self, component_id: str, condition: ReadinessCondition) -> None:
        """Have something hold before the component counts as ready; one of the same name gives way.

        It is asked by `mark_component_ready`, and by a startup coordinator before it calls the component started.
        """
        if not isinstance(condition, ReadinessCondition):
            message = f"must be a ReadinessCondition, not {_given.shown(condition)}"
            raise ValidationError.of("condition", message, "type")
        key = lookup_key(_given.text("component_id", component_id))
        others = [one for one in self._conditions.get(key, ()) if one.name != condition.name]
        self._conditions[key] = [*others, condition]

    def readiness_conditions(self, component_id: str) -> list[ReadinessCondition]:
        """List what has to hold before a component counts as ready."""
        return list(self._conditions.get(lookup_key(_given.text("component_id", component_id)), ()))

    def expect_heartbeats(self, timeout: float) -> bool:
        """Have leases given up after so many seconds without a beat, where the control plane is ours; tells whether."""
        if self._embedded is not None:
            self._embedded.retime(timeout)
        return self._embedded is not None


def _with_listener_or_without(registration: ComponentRegistration) -> ComponentRegistration:
    """Give a registration without a port as that of a component without a listener: the documented one has none."""
    if not isinstance(registration, ComponentRegistration):
        return registration
    plain = registration.port == 0 and isinstance(registration.metadata, dict)
    if not plain or registration.component_type == "ui" or "no_listener" in registration.metadata:
        return registration
    return replace(registration, metadata=registration.metadata | {"no_listener": True})
