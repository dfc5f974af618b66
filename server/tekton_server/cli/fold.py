"""The registry as folded from a watch: what is there now, and what each message changed."""

from __future__ import annotations

from typing import Any

from tekton._results import RegistryEvent
from tekton.core.ids import lookup_key
from tekton.core.view import Cause, Component, Definition, DefinitionChange, Instance, InstanceChange, View, search_text


class Fold:
    """Fed with the events of a watch in order. `whole` is whether the first snapshot is complete."""

    def __init__(self) -> None:
        self.view = View()
        self.whole = False
        self._early: list[RegistryEvent] = []

    def take(self, events: list[RegistryEvent]) -> set[str]:
        """Fold the events of a message in; gives the keys of the components that may look different now."""
        changed: set[str] = set()
        for event in events:
            if event.type == "reset":
                changed |= set(self.view.components)
                self.view, self.whole, self._early = View(), False, []
            elif event.type == "snapshot_end":
                for early in self._early:
                    self._apply(early)
                self.whole, self._early = True, []
                changed |= set(self.view.components)
            else:
                self._apply(event)
                changed.add(lookup_key(event.component_id))
        return changed

    def _apply(self, event: RegistryEvent) -> None:
        cause, record, view = Cause(event.reason), event.record, self.view
        if event.kind == "definition":
            new = record if isinstance(record, Definition) else None
            view.apply(DefinitionChange(view.definition(event.key), new, cause))
        elif not self.whole and view.get(event.component_id) is None:
            # An instance is only held beside its definition, which is still to come.
            self._early.append(event)
        else:
            fresh = record if isinstance(record, Instance) else None
            view.apply(InstanceChange(view.instance(event.key), fresh, cause))


class Filter:
    """Which components a list shows; the rules are those of the server's own list."""

    def __init__(self, status: str, kind: str, capability: str, query: str) -> None:
        self._status, self._kind, self._capability = status, kind, capability
        self._query = search_text(query.strip())

    def keeps(self, one: Component) -> bool:
        """Tell whether every filter holds."""
        return (
            (not self._status or one.status.value == self._status)
            and (not self._kind or one.definition.component_type == self._kind)
            and (not self._capability or self._capability in one.definition.capabilities)
            and (not self._query or self._query in one.text)
        )


def row_of(one: Component) -> dict[str, Any]:
    """Give a component as a row of a list; a watch tells when a state began, and not of beats."""
    definition, best = one.definition, one.best
    return {
        "component_id": definition.component_id,
        "component_name": definition.component_name,
        "component_type": definition.component_type,
        "version": best.version if best else "",
        "status": one.status.value,
        "status_since": best.state_since.isoformat() if best else None,
        "status_reason": best.reason if best else "",
        "host": best.host if best else "",
        "port": best.port if best else 0,
        "capabilities": list(definition.capabilities),
        "dependencies": list(definition.dependencies),
        "instance_uuid": best.instance_uuid if best else "",
    }
