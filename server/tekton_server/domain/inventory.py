"""Every component that a start or a stop of many may be about: the registered ones, and those of components.json."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import SERVING
from tekton.core.view import LaunchPhase, View
from tekton_server.domain.fleet import FleetComponent, needs_together
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


def inventory(
    view: View,
    launchable: Mapping[str, FleetComponent],
    starting: Container[str] = (),
    stopping: Container[str] = (),
) -> Inventory:
    """Gather every component there is. All are by lookup key.

    `starting` and `stopping` are those that somebody has begun to start or to stop, which the view may not show yet:
    the ones run, the others serve nobody any more.
    """
    found: dict[str, Known] = {}
    for component in view.all():
        definition = component.definition
        key = lookup_key(definition.component_id)
        found[key] = Known(
            definition.component_id,
            _needs(definition.dependencies, launchable.get(key)),
            serving=serving(view, key) and key not in stopping,
            runs=launched(view, key) or key in starting or any(one.leased for one in component.instances.values()),
            launchable=key in launchable,
            ours=key in launchable or view.launch(key) is not None,
            built_in=not definition.revision,
        )
    for key, one in launchable.items():
        if key not in found:
            runs = launched(view, key) or key in starting
            found[key] = Known(one.component_id, one.dependencies, False, runs, launchable=True, ours=True)
    return found


def needs_of(view: View, launchable: Mapping[str, FleetComponent], component_id: str) -> tuple[str, ...]:
    """Give what one component needs, as in `Known`."""
    definition = view.definition(component_id)
    return _needs(definition.dependencies if definition else (), launchable.get(lookup_key(component_id)))


def _needs(declared: Sequence[str], entry: FleetComponent | None) -> tuple[str, ...]:
    return needs_together(entry.dependencies if entry else (), declared)


def serving(view: View, component_id: str) -> bool:
    """Tell whether who needs a component can begin now."""
    found, launch = view.get(component_id), view.launch(component_id)
    # What is about to be told to stop says for a moment still that it is ready.
    stopping = launch is not None and launch.phase is LaunchPhase.STOPPING
    return found is not None and found.status in SERVING and not stopping


def launched(view: View, component_id: str) -> bool:
    """Tell whether a launch of a component runs, or would be started again."""
    launch = view.launch(component_id)
    return launch is not None and (launch.active or launch.phase is LaunchPhase.BACKOFF)


def named(fleet: Inventory, component_ids: Sequence[str]) -> dict[str, Known]:
    """Look components up, each once.

    Raises:
        ComponentNotFoundError: there is none of an id.
    """
    found: dict[str, Known] = {}
    for one in component_ids:
        key = lookup_key(one)
        if key not in fleet:
            raise not_found(one)
        found[key] = fleet[key]
    return found


def in_order(fleet: Inventory, keys: Iterable[str]) -> list[Known]:
    """Give some components in the inventory's order."""
    wanted = frozenset(keys)
    return [one for key, one in fleet.items() if key in wanted]
