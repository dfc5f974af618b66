"""The dependency graph as replies show it. What follows from the graph alone is kept; states are filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from google.protobuf.struct_pb2 import ListValue, Value

from tekton.core.errors import TooLargeError
from tekton.core.view import Component
from tekton.v1 import component_pb2 as component_pb
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton_server.domain import limits
from tekton_server.domain.dependencies import Resolved
from tekton_server.live.dependencies import TRIES, Dependencies, beside
from tekton_server.live.registry import LiveRegistry
from tekton_server.services.convert import STATES

ReplyT = TypeVar("ReplyT", pb.GetDependencyGraphResponse, pb.GetComponentDependenciesResponse)


class Graphs:
    """Makes the replies. That something is missing is only said after asking the database."""

    def __init__(self, live: LiveRegistry) -> None:
        self._live = live
        self._dependencies = Dependencies(live.view)
        self._kept: tuple[Resolved, pb.GetDependencyGraphResponse] | None = None

    async def whole(self) -> bytes:
        """Encode the whole graph.

        Raises:
            StorageUnavailableError: what is missing cannot be known now.
            TooLargeError: it is more than one reply holds.
        """
        resolved = await self._dependencies.resolved()
        if resolved.found.missing or not len(resolved.graph):
            await self._live.confirm()
            resolved = await self._dependencies.resolved()
        message = await self._message(resolved)
        # It is shared: from here on nothing else runs until it is encoded.
        for node in message.components:
            node.status = self._state(node.component_id)
        return _bounded(message).SerializeToString()

    async def place(self, component: Component) -> pb.GetComponentDependenciesResponse:
        """Show a component's place in the graph.

        Raises:
            StorageUnavailableError: what is missing of all that it needs cannot be known now.
            TooLargeError: it is more than one reply holds.
        """
        component_id = component.definition.component_id
        resolved = await self._dependencies.resolved()
        if resolved.absent(resolved.graph.all_needs(component_id)):
            await self._live.confirm()
            resolved = await self._dependencies.resolved()
        message = _place(resolved, component_id)
        for node in (message.component, *message.all_dependencies, *message.all_dependents):
            node.status = self._state(node.component_id)
        return _bounded(message)

    async def _message(self, resolved: Resolved) -> pb.GetDependencyGraphResponse:
        """Give the reply without states, of the graph as it is when this returns."""
        for attempt in range(TRIES + 1):
            if self._kept is None or self._kept[0] is not resolved:
                size = len(resolved.graph) if attempt < TRIES else 0
                self._kept = (resolved, await beside(size, _whole, resolved))
            message = self._kept[1]
            if self._dependencies.holds(resolved):
                break
            resolved = await self._dependencies.resolved()
        return message

    def _state(self, component_id: str) -> component_pb.ComponentState.Value.ValueType:
        found = self._live.view.get(component_id)
        # Resolving a large graph takes a moment, in which one may be removed.
        return STATES[found.status] if found is not None else component_pb.ComponentState.unknown


def _whole(resolved: Resolved) -> pb.GetDependencyGraphResponse:
    graph, found = resolved.graph, resolved.found
    return pb.GetDependencyGraphResponse(
        dependencies={name: texts(graph.needs(name)) for name in graph},
        startup_order=found.order,
        circular_dependencies=map(texts, found.cycles),
        waves=[pb.DependencyWave(component_ids=wave) for wave in found.waves],
        missing=[pb.MissingDependency(component_id=name, needed_by=who) for name, who in found.missing.items()],
        components=_nodes(resolved, resolved.ordered()),
        complete=found.complete,
    )


def _place(resolved: Resolved, component_id: str) -> pb.GetComponentDependenciesResponse:
    graph, found = resolved.graph, resolved.found
    below, above = graph.all_needs(component_id), graph.all_needed_by(component_id)
    in_the_way = below | {component_id}
    return pb.GetComponentDependenciesResponse(
        component_id=component_id,
        depends_on=graph.needs(component_id),
        dependent_components=resolved.ordered(graph.needed_by(component_id)),
        component=next(_nodes(resolved, [component_id])),
        all_dependencies=_nodes(resolved, resolved.ordered(below - {component_id})),
        all_dependents=_nodes(resolved, resolved.ordered(above - {component_id})),
        missing=[
            pb.MissingDependency(component_id=name, needed_by=who)
            for name, who in found.missing.items()
            if name in below
        ],
        circular_dependencies=(texts(path) for path in found.cycles if path[0] in in_the_way),
        blocked_by=found.chain(component_id),
    )


def _nodes(resolved: Resolved, names: Iterable[str]) -> Iterator[pb.DependencyNode]:
    for name in names:
        needs, why = resolved.graph.needs(name), resolved.found.blocked.get(name)
        yield pb.DependencyNode(
            component_id=name,
            wave=resolved.wave_of(name),
            depends_on=needs,
            missing=resolved.absent(needs),
            cyclic=name in resolved.cyclic,
            blocked_by=why.cyclic if why else "",
        )


def texts(names: Iterable[str]) -> ListValue:
    """Give ids as a list inside a list."""
    return ListValue(values=[Value(string_value=name) for name in names])


def _bounded(message: ReplyT) -> ReplyT:
    size = message.ByteSize()
    if size > limits.GRAPH_BYTES:
        raise TooLargeError(
            f"this part of the dependency graph is {size} bytes, and a reply holds {limits.GRAPH_BYTES}; "
            "ask for a component that fewer are connected with",
            details={"limit": limits.GRAPH_BYTES},
        )
    return message
