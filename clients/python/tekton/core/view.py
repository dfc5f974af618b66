"""The view: the fold of the journal into records and the indexes that look-ups need.

The server folds every commit into one; the SDK keeps the same by watching. Records are frozen, a fold is synchronous
and nothing here waits, so a reader on the same thread always sees a whole number of commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState


class Definition(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What all instances of a component share; `revision` is that of its last change."""

    component_id: str
    component_name: str
    component_type: str
    capabilities: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    health_check: str = ""
    metadata: dict[str, Any] = {}
    created_at: datetime
    revision: int


Address = tuple[str, int]
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


def address_of(host: str, port: int) -> Address | None:
    """Give the address that two instances cannot both have: the names of the loopback are one host."""
    if not port:
        return None
    return ("localhost" if host in _LOOPBACK else host, port)


class Instance(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One copy of a component.

    `granted` is the revision of the grant of its lease (the fencing token), `revision` that of its last change.
    `leased` is whether it holds a lease: from registration until its timeout or its end. Times are UTC. `fingerprint`
    tells whether a repeated registration says the same; only the server fills it in.
    """

    instance_uuid: str
    component_id: str
    version: str
    host: str = ""
    port: int = 0
    state: ComponentState
    state_since: datetime
    reason: str = ""
    registered_at: datetime
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    leased: bool = True
    granted: int
    revision: int
    fingerprint: str = ""

    @property
    def address(self) -> Address | None:
        """Where it listens; None without a listener."""
        return address_of(self.host, self.port)


class Cause(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why a change happened, with its evidence; `implied` marks a state passed through without being asked for."""

    reason: str
    implied: bool = False
    evidence: dict[str, Any] = {}


class DefinitionChange(msgspec.Struct, frozen=True, gc=False):
    """A definition was put (`new`) or removed (`new` is None)."""

    old: Definition | None
    new: Definition | None
    cause: Cause

    @property
    def key(self) -> str:
        """The component's id as registered."""
        record = self.new or self.old
        return record.component_id if record else ""


class InstanceChange(msgspec.Struct, frozen=True, gc=False):
    """An instance was put (`new`) or forgotten (`new` is None)."""

    old: Instance | None
    new: Instance | None
    cause: Cause

    @property
    def key(self) -> str:
        """The instance's uuid."""
        record = self.new or self.old
        return record.instance_uuid if record else ""

    @property
    def component_id(self) -> str:
        """The component it belongs to."""
        record = self.new or self.old
        return record.component_id if record else ""


Change = DefinitionChange | InstanceChange


class Commit(msgspec.Struct, frozen=True, gc=False):
    """One revision: changes that happened together, in order."""

    revision: int
    recorded_at: datetime
    changes: tuple[Change, ...]


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
    """A definition with its instances, kept in order of registration."""

    __slots__ = ("_best", "_leased", "definition", "instances", "status")

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.instances: dict[str, Instance] = {}
        self.status = ComponentState.UNKNOWN
        self._leased: Counter[ComponentState] = Counter()
        self._best: Instance | None = None

    @property
    def best(self) -> Instance | None:
        """The instance to show: one that holds a lease before one that does not, then by state, then the newest."""
        if self._best is None and self.instances:
            # min() keeps the first of equals, so the newest has to come first.
            self._best = min(reversed(self.instances.values()), key=_rank)
        return self._best

    def put(self, instance: Instance) -> None:
        """Add or replace an instance."""
        self._count(self.instances.get(instance.instance_uuid), instance)
        self.instances[instance.instance_uuid] = instance
        self._refresh()

    def drop(self, instance_uuid: str) -> None:
        """Forget an instance."""
        self._count(self.instances.pop(instance_uuid, None), None)
        self._refresh()

    def _count(self, old: Instance | None, new: Instance | None) -> None:
        if old is not None and old.leased:
            self._leased[old.state] -= 1
        if new is not None and new.leased:
            self._leased[new.state] += 1

    def _refresh(self) -> None:
        self._best = None
        self.status = aggregate(+self._leased, next(reversed(self.instances.values()), None))


def _rank(instance: Instance) -> tuple[bool, int]:
    return (not instance.leased, _BEST_FIRST[instance.state])


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
    """All components as of `revision` of the history `history_id`."""

    def __init__(self, history_id: str = "", revision: int = 0) -> None:
        self.history_id = history_id
        self.revision = revision
        self.components: dict[str, Component] = {}
        self.instances: dict[str, Instance] = {}
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
        else:
            self._apply_instance(change)

    def get(self, component_id: str) -> Component | None:
        """Find a component by id; "-" and "_" are equal."""
        return self.components.get(lookup_key(component_id))

    def definition(self, component_id: str) -> Definition | None:
        """Find a definition by id."""
        component = self.get(component_id)
        return component.definition if component else None

    def instance(self, instance_uuid: str) -> Instance | None:
        """Find an instance by its uuid."""
        return self.instances.get(instance_uuid)

    def instances_of(self, component_id: str) -> list[Instance]:
        """List a component's instances in order of registration."""
        component = self.get(component_id)
        return list(component.instances.values()) if component else []

    def leased_at(self, address: Address) -> Instance | None:
        """Find the leased instance that listens at an address."""
        instance_uuid = self._by_address.get(address)
        return self.instances[instance_uuid] if instance_uuid else None

    def with_capability(self, capability: str) -> Iterator[Component]:
        """Iterate over the components that have a capability."""
        return (self.components[key] for key in self._by_capability.get(capability, ()))

    def of_type(self, component_type: str) -> Iterator[Component]:
        """Iterate over the components of a type."""
        return (self.components[key] for key in self._by_type.get(component_type, ()))

    def in_state(self, state: ComponentState) -> Iterator[Component]:
        """Iterate over the components in a state."""
        return (self.components[key] for key in self._by_state.get(state, ()))

    def _apply_definition(self, change: DefinitionChange) -> None:
        key = lookup_key(change.key)
        component = self.components.get(key)
        if component is not None:
            self._unindex(key, component.definition)
        if change.new is None:
            if component is not None:
                self._remove(key, component)
            return
        if component is None:
            component = self.components[key] = Component(change.new)
            self._by_state.setdefault(component.status, {})[key] = None
        component.definition = change.new
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
