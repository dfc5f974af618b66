"""A start that runs into a cycle of dependencies is refused, whoever asks for it."""

from __future__ import annotations

from collections.abc import Mapping

from tekton.core.dependency import DependencyGraph
from tekton.core.errors import CircularDependencyError
from tekton.core.ids import lookup_key
from tekton.core.view import View
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.fleet_plan import fitting, shortened
from tekton_server.domain.inventory import needs_of, serving


def refuse_cycles(view: View, fleet: Mapping[str, FleetComponent], component_id: str) -> None:
    """See to it that what a component needs and is not ready, directly or through others, does not need itself.

    Raises:
        CircularDependencyError: with the path along which it runs.
    """
    needs: dict[str, tuple[str, ...]] = {}
    waiting = [component_id]
    while waiting:
        name = waiting.pop()
        key = lookup_key(name)
        if key in needs:
            continue
        # What is ready is in nobody's way, and so is what it needs itself.
        found = () if needs and serving(view, name) else needs_of(view, fleet, name)
        needs[key] = found
        waiting += found
    found_cycles = DependencyGraph(needs).resolve().cycles
    if found_cycles:
        path = fitting(found_cycles[0])
        sentence = f"{component_id} cannot start: {' needs '.join(shortened(path, 8))}"
        raise CircularDependencyError(sentence, component_id, details={"cycle": list(path)})
