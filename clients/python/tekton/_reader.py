"""Reading the registry: look-ups from the watched view, questions to Tekton, and watches."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Any

from tekton import _convert, _given, _watch
from tekton._calls import Calls
from tekton._channel import Target
from tekton._peer import ComponentClient
from tekton._registry import WatchedRegistry
from tekton._results import RegistryEvent
from tekton.core.errors import ComponentNotFoundError
from tekton.core.lifecycle import SERVING, ComponentState
from tekton.v1 import component_pb2, lifecycle_service_pb2, registry_service_pb2

log = logging.getLogger(__name__)

_SERVING = frozenset(state.value for state in SERVING)


class Reader:
    """The reading half of a client.

    target: where Tekton is.
    registry: the registry as watched from here; `registry.lookup(component_id)` is the look-up without any waiting.
    """

    def __init__(self, target: Target, timeout: float, connect_timeout: float) -> None:
        self.target = target
        self._calls = Calls(target, timeout, connect_timeout)
        self.registry = WatchedRegistry(self._calls)

    async def close(self) -> None:
        """End the watch and close the channel."""
        await self.registry.close()
        await self._calls.close()

    async def find_component(self, component_id: str) -> ComponentClient | None:
        """Find a component that is ready or degraded; None when there is none.

        It answers from the watched registry, without a call. Only None is asked of Tekton first, since a watch may lag.

        Raises:
            ValidationError: the id is no text.
        """
        if type(component_id) is not str:
            _given.text("component_id", component_id)
        if not self.registry.ready:
            await self.registry.synced()
        found = self.registry.lookup(component_id)
        return found if found is not None else await self._confirm(component_id)

    async def _confirm(self, component_id: str) -> ComponentClient | None:
        try:
            found = await self._get(component_id)
        except ComponentNotFoundError:
            return None
        return self._peer(found) if _convert.state_name(found.status) in _SERVING else None

    def _peer(self, found: component_pb2.Component | component_pb2.ComponentSummary) -> ComponentClient:
        host, path = found.host, ""
        if isinstance(found, component_pb2.Component):
            # Tekton's own parts have no revision, and are where this client reaches Tekton.
            host, path = found.host if found.revision else self.target.name, found.health_check
        return ComponentClient(found.component_id, host, found.port, health_check=path)

    async def find_components_by_capability(self, capability: str) -> list[ComponentClient]:
        """List the components that have a capability: the ready ones, then the degraded.

        It answers from the watched registry; only an empty list is asked of Tekton first.

        Raises:
            ValidationError: the capability is no text.
        """
        _given.text("capability", capability)
        if not self.registry.ready:
            await self.registry.synced()
        found = self.registry.providers(capability)
        if found:
            return found
        ready: list[ComponentClient] = []
        degraded: list[ComponentClient] = []
        async for page in self._pages(registry_service_pb2.ListComponentsRequest(capability=capability)):
            for row in page.components:
                state = _convert.state_name(row.status)
                if state in _SERVING:
                    (ready if state == ComponentState.READY.value else degraded).append(self._peer(row))
        return ready + degraded

    async def wait_for_dependencies(
        self, dependencies: Iterable[str], timeout: float = 60, check_interval: float = 1
    ) -> tuple[bool, list[str]]:
        """Wait until all of some components are ready at the same time; those count too that register meanwhile.

        A component is ready when an instance of it is; one of which all that runs is degraded is not.
        timeout: the longest to wait, in seconds. A connection that is lost meanwhile, or was not there yet, is made
            again all that time, and what was known last counts.
        check_interval: as the documents have it. Nothing is asked in intervals: a change is seen when it happens.

        Gives (True, []), or (False, those that are not ready in the end) in the order in which they were given.

        Raises:
            ValidationError: these are no ids, or no numbers of seconds over 0.
        """
        wanted = list(dict.fromkeys(_given.selection("dependencies", dependencies)))
        within = _given.seconds("timeout", timeout)
        _given.seconds("check_interval", check_interval)
        failed = await self.registry.until_ready(wanted, within)
        if failed and self.registry.trouble is not None:
            log.warning("waited %g s for %s: %s", within, ", ".join(failed), self.registry.trouble)
        return not failed, failed

    async def get_component_status(self, component_id: str) -> dict[str, Any]:
        """Read a component's state at a glance.

        Gives {component_id, status, last_heartbeat, uptime ("HH:MM:SS"), instance_uuid, health_status}, and
        uptime_seconds, status_reason, status_since, suspect and metrics. Times are RFC 3339 in UTC.

        Raises:
            ComponentNotFoundError: there is no such component.
        """
        request = lifecycle_service_pb2.GetComponentStatusRequest(
            component_id=_given.text("component_id", component_id)
        )
        answer = await self._calls.ask(lambda stubs: stubs.lifecycle.GetComponentStatus, request)
        return _convert.plain(answer)

    async def get_dependency_graph(self) -> dict[str, Any]:
        """Read who needs whom, and in which order everything starts.

        Gives {dependencies: {id: ids}, startup_order, circular_dependencies (closed paths: ["a", "b", "a"])}, and
        waves, missing, components with their states, and complete. See `tekton.core.dependency` for the rules.

        Raises:
            TooLargeError: the fleet is too large for one reply; ask for single components.
        """
        request = lifecycle_service_pb2.GetDependencyGraphRequest()
        answer = await self._calls.ask(lambda stubs: stubs.lifecycle.GetDependencyGraph, request)
        return _convert.plain(answer)

    async def get_component_dependencies(self, component_id: str) -> dict[str, Any]:
        """Read what a component needs and who needs it.

        Gives {component_id, depends_on, dependent_components}, and with their states all_dependencies and
        all_dependents, those through others among them; and missing, circular_dependencies and blocked_by, which are in
        the way of its start.

        Raises:
            ComponentNotFoundError: there is no such component.
        """
        request = lifecycle_service_pb2.GetComponentDependenciesRequest(
            component_id=_given.text("component_id", component_id)
        )
        answer = await self._calls.ask(lambda stubs: stubs.lifecycle.GetComponentDependencies, request)
        return _convert.plain(answer)

    async def explain_component(self, component_id: str) -> dict[str, Any]:
        """Ask why a component is not ready, or hear that nothing is wrong.

        Gives {component_id, status, well, message, conditions, root_causes, circular_dependencies, complete}. The
        conditions are the component itself and what is not ready of all that it needs, the nearest first, each with
        {component_id, status, registered, message, instance_uuid, status_since, status_reason, evidence,
        last_heartbeat, suspect, notes, waits_for, root_cause}.

        Raises:
            ComponentNotFoundError: there is no such component.
        """
        request = lifecycle_service_pb2.ExplainComponentRequest(component_id=_given.text("component_id", component_id))
        answer = await self._calls.ask(lambda stubs: stubs.lifecycle.ExplainComponent, request)
        return _convert.plain(answer)

    async def list_transitions(
        self, component_id: str, *, instance_uuid: str = "", page_size: int = 0
    ) -> AsyncIterator[dict[str, Any]]:
        """Iterate over every change of state of a component, or of one instance, the newest first, read page by page.

        Gives the objects of `watch_states`. It goes back as far as Tekton's journal is kept, also of a component that
        was removed. page_size: the most to ask for at once, 1,000 at most and 100 by default.

        Raises:
            ComponentNotFoundError: there is none, and never was as far as the journal goes.
            ValidationError: the instance or the page size is refused.
        """
        request = lifecycle_service_pb2.ListTransitionsRequest(
            component_id=_given.text("component_id", component_id),
            instance_uuid=_given.text("instance_uuid", instance_uuid),
            page_size=_given.page_size(page_size),
        )
        while True:
            page = await self._calls.ask(lambda stubs: stubs.lifecycle.ListTransitions, request)
            for change in page.transitions:
                yield _convert.plain(change)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def get_component(self, component_id: str) -> dict[str, Any]:
        """Read a component with all its instances, as the documented JSON object.

        Raises:
            ComponentNotFoundError: there is no such component.
        """
        return _convert.plain(await self._get(component_id))

    async def _get(self, component_id: str) -> component_pb2.Component:
        request = registry_service_pb2.GetComponentRequest(component_id=_given.text("component_id", component_id))
        return await self._calls.ask(lambda stubs: stubs.registry.GetComponent, request)

    async def list_components(
        self,
        *,
        status: str | ComponentState = "",
        type: str = "",
        capability: str = "",
        q: str = "",
        page_size: int = 0,
    ) -> AsyncIterator[dict[str, Any]]:
        """Iterate over the components for which all filters hold, in order of their ids, read page by page.

        q: a text in the id, name, type or a capability, whatever its case.
        page_size: the most components to ask for at once, 1,000 at most and by default; the next page is asked for when
            the iteration comes to it.

        Raises:
            ValidationError: there is no such status, or a filter or the page size is refused.
        """
        request = registry_service_pb2.ListComponentsRequest(
            status=_given.state_text(status),
            type=_given.text("type", type),
            capability=_given.text("capability", capability),
            q=_given.text("q", q),
            page_size=_given.page_size(page_size),
        )
        async for page in self._pages(request):
            for row in page.components:
                yield _convert.plain(row)

    async def _pages(
        self, request: registry_service_pb2.ListComponentsRequest
    ) -> AsyncIterator[registry_service_pb2.ListComponentsResponse]:
        while True:
            page = await self._calls.ask(lambda stubs: stubs.registry.ListComponents, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def watch(
        self,
        *,
        component_ids: Iterable[str] = (),
        component_types: Iterable[str] = (),
        capabilities: Iterable[str] = (),
        after: str = "",
    ) -> AsyncGenerator[RegistryEvent, None]:
        """Watch the registry: the present, a `snapshot_end`, then every change; it reconnects and does not end.

        component_ids, component_types, capabilities: what to see of it; what leaves the filter arrives as removed.
        after: a resume token; what came after it follows, without a snapshot.

        Raises:
            ValidationError, CompactedError: the token or a filter was refused.
            UnavailableError: nobody listens, and Tekton never answered this client.
        """
        request = registry_service_pb2.WatchRegistryRequest(
            after_revision=_given.text("after", after),
            component_ids=_given.selection("component_ids", component_ids),
            component_types=_given.selection("component_types", component_types),
            capabilities=_given.selection("capabilities", capabilities),
        )
        return _watch.registry_events(self._calls, request)

    def watch_states(
        self, *, component_ids: Iterable[str] = (), component_types: Iterable[str] = (), after: str = ""
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Watch state changes from now on; it reconnects without a gap and does not end.

        Gives {event: "state_change", component_id, previous_state, new_state, timestamp, metadata}, and instance_uuid,
        reason, implied and revision. An event "reset" says that changes may be missing before it.

        Raises:
            ValidationError: the token or a filter was refused.
            UnavailableError: nobody listens, and Tekton never answered this client.
        """
        request = lifecycle_service_pb2.WatchStatesRequest(
            after_revision=_given.text("after", after),
            component_ids=_given.selection("component_ids", component_ids),
            component_types=_given.selection("component_types", component_types),
        )
        return _watch.state_changes(self._calls, request)
