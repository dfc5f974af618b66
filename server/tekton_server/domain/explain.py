"""Why a component is not ready: what is unmet with it and with what it needs, down to the root causes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tekton.core.cycles import cycles_in, knots_in
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Component, Instance, Launch, LaunchPhase, View
from tekton_server.domain import explain_launch, reasons
from tekton_server.domain.dependents import resting_on

# More than anybody reads; the nearest are told.
CONDITIONS = 200
CYCLES = 20
_CAUSES_TOLD = 3
_SHAKEN = ", but not everything that it rests on"


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """How one component is. `instance` is its best, then newest one; `launch` its claim where Tekton launches it.

    `waits_for` is what of its needs is not ready, or rests on what Tekton gave up on. `component` is None where it is
    not registered, and `component_id` then as it is called by who needs it.
    """

    component_id: str
    component: Component | None
    instance: Instance | None
    launch: Launch | None
    waits_for: tuple[str, ...]
    root_cause: bool

    @property
    def status(self) -> ComponentState:
        """Its state over all instances."""
        return self.component.status if self.component else ComponentState.UNKNOWN

    @property
    def sentence(self) -> str:
        """What is to be said after its id."""
        return _sentence(self.component, self.launch)


class Explanation(msgspec.Struct, frozen=True):
    """The component itself, then what is in its way, the nearest first; `complete` is whether that is all of it."""

    conditions: tuple[Condition, ...]
    root_causes: tuple[str, ...]
    cycles: tuple[tuple[str, ...], ...]
    complete: bool

    @property
    def well(self) -> bool:
        """Whether the component is ready, and so is everything that it needs directly."""
        component = self.conditions[0].component
        return component is not None and component.ready and not self.conditions[0].waits_for

    @property
    def missing(self) -> bool:
        """Whether something of it is not registered, as far as the view knows."""
        return any(one.component is None for one in self.conditions)

    @property
    def message(self) -> str:
        """All of it in a sentence."""
        itself = self.conditions[0]
        said = f"{itself.component_id} {itself.sentence}"
        if self.well:
            needs = itself.component is not None and itself.component.definition.dependencies
            return f"{said}, and so is everything that it needs" if needs else said
        if itself.root_cause and len(self.root_causes) == 1:
            return said
        if itself.component is not None and itself.component.ready:
            known = {lookup_key(one.component_id): one.component for one in self.conditions}
            unready = [one for one in itself.waits_for if not _ready(known.get(lookup_key(one)))]
            said += f", but needs what is not: {', '.join(unready[:_CAUSES_TOLD])}" if unready else _SHAKEN
        return f"{said}; {self._causes()}"

    def _causes(self) -> str:
        told = [one for one in self.conditions if one.root_cause]
        if not told:
            return "the cause is further away than is told here"
        more = f" and {len(told) - _CAUSES_TOLD} more" if len(told) > _CAUSES_TOLD else ""
        said = "; ".join(f"{one.component_id} {one.sentence}" for one in told[:_CAUSES_TOLD])
        around = "".join(f"; {' needs '.join(path)}" for path in self.cycles[:1])
        return f"{'the cause' if len(told) == 1 else 'the causes'}: {said}{more}{around}"


class _Node(NamedTuple):
    component_id: str
    component: Component | None
    launch: Launch | None
    waits_for: tuple[str, ...]


def explain(view: View, component: Component) -> Explanation:
    """Follow what is not ready from a component on; what is ready is not looked behind.

    But where Tekton gave up on something all that rests on it is told so, also where others that are ready lie between.
    """
    nodes, complete = _walk(view, component)
    knots, roots = _roots(nodes)
    cycles = cycles_in(knots, {name: node.waits_for for name, node in nodes.items()})
    first = next(iter(nodes.values()))
    if component.ready and not first.waits_for:
        roots = frozenset()
    return Explanation(
        tuple(_condition(node, name in roots) for name, node in nodes.items()),
        tuple(name for name in nodes if name in roots),
        cycles.paths[:CYCLES],
        complete and cycles.complete and len(cycles.paths) <= CYCLES,
    )


def _walk(view: View, component: Component) -> tuple[dict[str, _Node], bool]:
    """Breadth first, so that of too many the nearest are told; in the order in which dependencies were declared."""
    given_up = [key for key, one in view.launches.items() if one.phase is LaunchPhase.GAVE_UP]
    shaken = resting_on(view, [key for key in given_up if not _ready(view.get(key))])
    nodes: dict[str, _Node] = {}
    waiting = deque([_node(view, component.definition.component_id, shaken)])
    seen = {lookup_key(component.definition.component_id)}
    while waiting and len(nodes) < CONDITIONS:
        node = waiting.popleft()
        nodes[node.component_id] = node
        for other in node.waits_for:
            if lookup_key(other) not in seen:
                seen.add(lookup_key(other))
                waiting.append(_node(view, other, shaken))
    return nodes, not waiting


def _node(view: View, component_id: str, shaken: Collection[str]) -> _Node:
    component, launch = view.get(component_id), view.launch(component_id)
    if component is None:
        return _Node(component_id, None, launch, ())
    unmet: dict[str, str] = {}
    for need in component.definition.dependencies:
        key, other = lookup_key(need), view.get(need)
        if not _ready(other) or key in shaken:
            unmet.setdefault(key, other.definition.component_id if other else need)
    return _Node(component.definition.component_id, component, launch, tuple(unmet.values()))


def _roots(nodes: Mapping[str, _Node]) -> tuple[list[list[str]], frozenset[str]]:
    """Find the cycles' members, and what nothing else explains: who waits for nobody, or only for one another.

    What two call differently and is not registered is one: the first name stands for it.
    """
    at = {lookup_key(name): index for index, name in enumerate(nodes)}
    names = list(nodes)
    # What was not looked at any more is an edge to nobody, so that who waits for it is no root.
    edges = {index: [at.get(lookup_key(one), -1) for one in nodes[name].waits_for] for index, name in enumerate(names)}
    knots = knots_in(edges)
    alone = {index for index, others in edges.items() if not others}
    closed = {index for knot in knots if _closed(knot, edges) for index in knot}
    return [[names[index] for index in knot] for knot in knots], frozenset(names[index] for index in alone | closed)


def _closed(knot: Sequence[int], edges: Mapping[int, Sequence[int]]) -> bool:
    members = set(knot)
    return all(other in members for index in knot for other in edges[index])


def _condition(node: _Node, root_cause: bool) -> Condition:
    return Condition(
        component_id=node.component_id,
        component=node.component,
        instance=node.component.best if node.component else None,
        launch=node.launch,
        waits_for=node.waits_for,
        root_cause=root_cause,
    )


def _ready(component: Component | None) -> bool:
    return component is not None and component.ready


def _sentence(component: Component | None, launch: Launch | None) -> str:
    if component is None:
        return "is not registered"
    best = component.best
    words = explain_launch.words(launch) if launch is not None and not component.ready else ""
    # Of a launch that runs, nothing may have been heard yet.
    unheard = launch is not None and launch.active and launch.instance_uuid not in component.instances
    pending = explain_launch.pending(launch) if launch is not None and unheard else ""
    if best is None:
        said = words or pending
        return f"has no instance: {said}" if said else "has no instance"
    if best.built_in:
        return "is a part of Tekton itself and ready"
    if component.status is ComponentState.READY:
        return "is ready"
    if component.status is not best.state:
        return f"is {component.status}: one instance is {best.state}, others are not"
    again = f"; since then {pending}" if pending and not best.leased else ""
    return f"is {component.status}: {words or reasons.words(best.reason)}{again}"
