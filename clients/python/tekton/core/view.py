"""The view: the fold of the journal into records and the indexes that look-ups need.

The server folds every commit into one; the SDK keeps the same by watching. Records are frozen, a fold is synchronous
and nothing here waits, so a reader on the same thread always sees a whole number of commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tekton.core.commands import Commands
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.records import (
    Address,
    Cause,
    Change,
    CommandChange,
    Commit,
    Constraints,
    ConstraintsChange,
    Definition,
    DefinitionChange,
    Instance,
    InstanceChange,
    InstanceCommand,
    Launch,
    LaunchChange,
    LaunchDesired,
    LaunchPhase,
    RegistryChange,
    RoutingChange,
    address_of,
)
from tekton.core.routing import RoutingRecords, put

__all__ = [
    "Address",
    "Cause",
    "Change",
    "CommandChange",
    "Commit",
    "Component",
    "Constraints",
    "ConstraintsChange",
    "Definition",
    "DefinitionChange",
    "Instance",
    "InstanceChange",
    "InstanceCommand",
    "Launch",
    "LaunchChange",
    "LaunchDesired",
    "LaunchPhase",
    "RegistryChange",
    "View",
    "address_of",
    "aggregate",
    "search_text",
]

_BEST_FIRST = {
    state: rank
    for rank, state in enumerate(
        (
            ComponentState.READY,
            ComponentState.DEGRADED,
            ComponentState.STARTING,
            ComponentState.INITIALIZING,
            ComponentState.REGISTERING,
            ComponentState.STOPPING,
            ComponentState.FAILED,
            ComponentState.STOPPED,
            ComponentState.UNKNOWN,
        )
    )
}


class Component:
    """A definition with its instances, kept in order of registration. `changes` grows with every change."""

    __slots__ = ("_best", "_leased", "_text", "changes", "definition", "instances", "status")

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.instances: dict[str, Instance] = {}
        self.status = ComponentState.UNKNOWN
        # How many leased instances are in each state; only kept where there is more than one instance.
        self._leased: dict[ComponentState, int] | None = None
        self._best: Instance | None = None
        self._text: tuple[Definition, str] | None = None
        self.changes = 0

    @property
    def text(self) -> str:
        """What a search looks in: id, name, type and capabilities, each on a line, as `search_text` makes them."""
        if self._text is None or self._text[0] is not self.definition:
            one = self.definition
            lines = (one.component_id, one.component_name, one.component_type, *one.capabilities)
            self._text = (one, search_text("\n".join(lines)))
        return self._text[1]

    @property
    def best(self) -> Instance | None:
        """The instance to show: of those with a lease the best by state, then the newest; without any the newest."""
        if self._best is None and self.instances:
            # Newest first: min() keeps the first of equals.
            newest_first = list(reversed(self.instances.values()))
            leased = (instance for instance in newest_first if instance.leased)
            self._best = min(leased, key=lambda i: _BEST_FIRST[i.state], default=newest_first[0])
        return self._best

    @property
    def ready(self) -> bool:
        """Whether who needs it can begin: an instance is ready, though others beside it may have failed."""
        if self._leased is not None:
            return self._leased.get(ComponentState.READY, 0) > 0
        return self.status is ComponentState.READY

    def define(self, definition: Definition) -> None:
        """Replace the definition."""
        self.definition = definition
        self.changes += 1

    def put(self, instance: Instance) -> None:
        """Add or replace an instance."""
        old = self.instances.get(instance.instance_uuid)
        self.instances[instance.instance_uuid] = instance
        self._refresh(old, instance)

    def drop(self, instance_uuid: str) -> None:
        """Forget an instance."""
        self._refresh(self.instances.pop(instance_uuid, None), None)

    def _refresh(self, old: Instance | None, new: Instance | None) -> None:
        self._best = None
        self.changes += 1
        if len(self.instances) < 2:
            # Most components are one instance: its state is the component's, with a lease and without.
            self._leased = None
            self.status = next((one.state for one in self.instances.values()), ComponentState.UNKNOWN)
            return
        if self._leased is None:
            self._leased = dict(Counter(one.state for one in self.instances.values() if one.leased))
        else:
            self._count(self._leased, old, -1)
            self._count(self._leased, new, 1)
        held = (state for state, count in self._leased.items() if count)
        self.status = aggregate(held, next(reversed(self.instances.values())))

    @staticmethod
    def _count(leased: dict[ComponentState, int], instance: Instance | None, by: int) -> None:
        if instance is not None and instance.leased:
            leased[instance.state] = leased.get(instance.state, 0) + by


def search_text(text: str) -> str:
    """Give a text as it is compared in a search: without case, "-" and "_" equal."""
    return lookup_key(text.casefold())


def aggregate(leased: Iterable[ComponentState], newest: Instance | None) -> ComponentState:
    """Give the state of a component from the states of its leased instances; the newest instance decides without any.

    `ready` if any is ready and none is degraded or failed; a ready one beside those makes it `degraded`; otherwise the
    first that occurs of degraded, starting, initializing, registering, stopping, failed.
    """
    states = set(leased)
    if not states:
        return newest.state if newest else ComponentState.UNKNOWN
    if ComponentState.READY in states and states & {ComponentState.DEGRADED, ComponentState.FAILED}:
        return ComponentState.DEGRADED
    return min(states, key=_BEST_FIRST.__getitem__)


class View:
    """All components as of `revision` of the history `history_id`.

    `components`, `instances`, `commands`, by lookup key `launches` and `constraints`, and `routing` hold what the
    journal holds (the view of a watcher has only the first two: the others are no watched kinds). `built_in` are
    components that are always there: looking up and listing shows one where the journal holds none of that id;
    decisions and folds do not see them. `rewired` grows with every change of who there is and what they need.
    """

    def __init__(self, history_id: str = "", revision: int = 0) -> None:
        self.history_id = history_id
        self.revision = revision
        self.components: dict[str, Component] = {}
        self.instances: dict[str, Instance] = {}
        self.built_in: dict[str, Component] = {}
        self.commands = Commands()
        self.launches: dict[str, Launch] = {}
        self.routing = RoutingRecords()
        self.constraints: dict[str, Constraints] = {}
        self.rewired = 0
        self._by_capability: dict[str, dict[str, None]] = {}
        self._by_type: dict[str, dict[str, None]] = {}
        self._by_state: dict[ComponentState, dict[str, None]] = {}
        self._by_address: dict[Address, str] = {}

    def fold(self, commit: Commit) -> None:
        """Apply one commit."""
        for change in commit.changes:
            self.apply(change)
        self.revision = commit.revision

    def apply(self, change: Change) -> None:
        """Apply one change without moving the revision (a snapshot is loaded so)."""
        if isinstance(change, DefinitionChange):
            self._apply_definition(change)
        elif isinstance(change, InstanceChange):
            self._apply_instance(change)
        elif isinstance(change, RoutingChange):
            self.routing.apply(change)
        elif isinstance(change, CommandChange):
            self.commands.apply(change)
        elif isinstance(change, LaunchChange):
            put(self.launches, lookup_key(change.key), change.new)
        else:
            put(self.constraints, lookup_key(change.key), change.new)

    def get(self, component_id: str) -> Component | None:
        """Find a component by id; "-" and "_" are equal."""
        key = lookup_key(component_id)
        return self.components.get(key) or self.built_in.get(key)

    def definition(self, component_id: str) -> Definition | None:
        """Find a definition by id, in the journal."""
        component = self.components.get(lookup_key(component_id))
        return component.definition if component else None

    def instance(self, instance_uuid: str) -> Instance | None:
        """Find an instance by its uuid, in the journal."""
        return self.instances.get(instance_uuid)

    def launch(self, component_id: str) -> Launch | None:
        """Find the launch of a component."""
        return self.launches.get(lookup_key(component_id))

    def instances_of(self, component_id: str) -> list[Instance]:
        """List a component's instances in order of registration, as the journal has them."""
        component = self.components.get(lookup_key(component_id))
        return list(component.instances.values()) if component else []

    def count_instances(self, component_id: str) -> int:
        """Count a component's instances, as the journal has them."""
        component = self.components.get(lookup_key(component_id))
        return len(component.instances) if component else 0

    def leased_at(self, address: Address) -> Instance | None:
        """Find the leased instance that listens at an address."""
        instance_uuid = self._by_address.get(address)
        return self.instances[instance_uuid] if instance_uuid else None

    def all(self) -> Iterator[Component]:
        """Iterate over all components."""
        yield from self.components.values()
        yield from self._standing_in()

    def with_capability(self, capability: str) -> Iterator[Component]:
        """Iterate over the components that have a capability."""
        yield from (self.components[key] for key in self._by_capability.get(capability, ()))
        yield from (one for one in self._standing_in() if capability in one.definition.capabilities)

    def of_type(self, component_type: str) -> Iterator[Component]:
        """Iterate over the components of a type."""
        yield from (self.components[key] for key in self._by_type.get(component_type, ()))
        yield from (one for one in self._standing_in() if one.definition.component_type == component_type)

    def in_state(self, state: ComponentState) -> Iterator[Component]:
        """Iterate over the components in a state."""
        yield from (self.components[key] for key in self._by_state.get(state, ()))
        yield from (one for one in self._standing_in() if one.status is state)

    def _standing_in(self) -> Iterator[Component]:
        return (one for key, one in self.built_in.items() if key not in self.components)

    def build_in(self, definition: Definition, instance: Instance) -> None:
        """Have a component that is always there."""
        component = self.built_in[lookup_key(definition.component_id)] = Component(definition)
        component.put(instance)

    def _apply_definition(self, change: DefinitionChange) -> None:
        key = lookup_key(change.key)
        component = self.components.get(key)
        if component is None or change.new is None or component.definition.dependencies != change.new.dependencies:
            self.rewired += 1
        if component is not None:
            self._unindex(key, component.definition)
        if change.new is None:
            if component is not None:
                self._remove(key, component)
            return
        if component is None:
            component = self.components[key] = Component(change.new)
            self._by_state.setdefault(component.status, {})[key] = None
        component.define(change.new)
        self._by_type.setdefault(change.new.component_type, {})[key] = None
        for capability in change.new.capabilities:
            self._by_capability.setdefault(capability, {})[key] = None

    def _apply_instance(self, change: InstanceChange) -> None:
        key = lookup_key(change.component_id)
        component = self.components.get(key)
        if component is None:
            # The definition was removed earlier in the same commit, and its instances with it.
            return
        known = component.instances.get(change.key)
        self._release_address(known)
        status = component.status
        if change.new is None:
            self.instances.pop(change.key, None)
            component.drop(change.key)
        else:
            self.instances[change.key] = change.new
            component.put(change.new)
            if change.new.leased and change.new.address:
                self._by_address[change.new.address] = change.key
        if component.status is not status:
            _discard(self._by_state, status, key)
            self._by_state.setdefault(component.status, {})[key] = None

    def _release_address(self, instance: Instance | None) -> None:
        if instance is None or instance.address is None:
            return
        if self._by_address.get(instance.address) == instance.instance_uuid:
            del self._by_address[instance.address]

    def _remove(self, key: str, component: Component) -> None:
        for instance in component.instances.values():
            self._release_address(instance)
            self.instances.pop(instance.instance_uuid, None)
        _discard(self._by_state, component.status, key)
        del self.components[key]

    def _unindex(self, key: str, definition: Definition) -> None:
        _discard(self._by_type, definition.component_type, key)
        for capability in definition.capabilities:
            _discard(self._by_capability, capability, key)


_K = TypeVar("_K")


def _discard(index: dict[_K, dict[str, None]], value: _K, key: str) -> None:
    members = index.get(value)
    if members is not None:
        members.pop(key, None)
        if not members:
            del index[value]
