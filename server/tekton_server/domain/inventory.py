"""Every component that a start or a stop of many may be about: the registered ones, and those of components.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import SERVING
from tekton.core.view import Component, LaunchPhase, View
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.instances import not_found


class Known(NamedTuple):
    """One component. `needs` are its dependencies, whoever says so: components.json first, then itself."""

    component_id: str
    needs: tuple[str, ...]
    serving: bool
    """Whether who needs it can begin."""
    runs: bool
    """Whether something of it is there that a stop would end."""
    launchable: bool
    ours: bool
    """Whether Tekton can launch it, or has."""
    built_in: bool = False


Inventory = Mapping[str, Known]
"""By lookup key: in order of registration, then in that of the file."""


def inventory(view: View, launchable: Mapping[str, FleetComponent]) -> Inventory:
    """Gather every component there is. `launchable` is by lookup key."""
    found = {lookup_key(one.definition.component_id): _known(view, one, launchable) for one in view.all()}
    for key, one in launchable.items():
        if key not in found:
            found[key] = Known(one.component_id, one.dependencies, False, launched(view, key), True, True)
    return found


def _known(view: View, component: Component, launchable: Mapping[str, FleetComponent]) -> Known:
    definition = component.definition
    key = lookup_key(definition.component_id)
    entry, ours = launchable.get(key), view.launch(key) is not None
    both = (*(entry.dependencies if entry else ()), *definition.dependencies)
    return Known(
        definition.component_id,
        tuple({lookup_key(one): one for one in both}.values()),
        serving=component.status in SERVING,
        runs=launched(view, key) or any(one.leased for one in component.instances.values()),
        launchable=entry is not None,
        ours=ours or entry is not None,
        built_in=not definition.revision,
    )


def serving(view: View, component_id: str) -> bool:
    """Tell whether who needs a component can begin now."""
    found = view.get(component_id)
    return found is not None and found.status in SERVING


def launched(view: View, component_id: str) -> bool:
    """Tell whether a launch of a component runs, or would be started again."""
    launch = view.launch(component_id)
    return launch is not None and (launch.active or launch.phase is LaunchPhase.BACKOFF)


def named(fleet: Inventory, component_ids: Sequence[str]) -> Iterator[tuple[str, Known]]:
    """Look components up, each once; gives their keys too.

    Raises:
        ComponentNotFoundError: there is none of an id.
    """
    for key, given in {lookup_key(one): one for one in reversed(component_ids)}.items():
        if key not in fleet:
            raise not_found(given)
    for key in dict.fromkeys(map(lookup_key, component_ids)):
        yield key, fleet[key]


def in_order(fleet: Inventory, keys: Iterable[str]) -> list[Known]:
    """Give some components in the inventory's order."""
    wanted = frozenset(keys)
    return [one for key, one in fleet.items() if key in wanted]
