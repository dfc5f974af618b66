"""The view: the fold of the journal into records and the indexes that look-ups need.

The server folds every commit into one; the SDK keeps the same by watching. Records are frozen, a fold is synchronous
and nothing here waits, so a reader on the same thread always sees a whole number of commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from tekton.core.commands import Commands
from tekton.core.components import Component, aggregate, search_text
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
