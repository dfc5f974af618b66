"""A component of the view: its definition with its instances, the state that they make together, and the best one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.records import Definition, Instance

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
