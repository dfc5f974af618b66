"""The dependency graph of a registry, and one component's place in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from tekton.core.dependency import DependencyGraph
from tekton.core.ids import lookup_key
from tekton.core.view import Definition, View

Needs = Mapping[str, Sequence[str]]


def needs_in(view: View) -> Needs:
    """Give what each component needs, in order of registration; Tekton's own parts first, where somebody needs them."""
    own: list[Definition] = []
    others: list[Definition] = []
    needed = set[str]()
    for component in view.all():
        definition = component.definition
        (others if definition.revision else own).append(definition)
        needed.update(map(lookup_key, definition.dependencies))
    shown = (one for one in own if lookup_key(one.component_id) in needed)
    return {one.component_id: one.dependencies for one in chain(shown, others)}


class Resolved:
    """A graph with what was found in it.

    wave: the wave of each component that can start, from 1.
    cyclic: the components on cycles.
    """

    def __init__(self, needs: Needs) -> None:
        self.graph = graph = DependencyGraph(needs)
        self.found = graph.resolve()
        self.wave = {name: number for number, wave in enumerate(self.found.waves, 1) for name in wave}
        self.cyclic = frozenset(chain.from_iterable(self.found.knots))
        stuck = (name for name in graph if name not in self.wave)
        self._rank = {name: at for at, name in enumerate((*self.found.order, *stuck))}

    def ordered(self, names: Iterable[str] | None = None) -> list[str]:
        """Give components in the order in which they start, then those that cannot; what is missing is left out."""
        if names is None:
            return list(self._rank)
        return sorted((name for name in names if name in self._rank), key=self._rank.__getitem__)

    def wave_of(self, name: str) -> int:
        """Give the wave of a component; 0 where a cycle is in the way."""
        # Who is not in the graph is a part of Tekton that nobody needs, and is always there.
        return self.wave.get(name, 0 if name in self._rank else 1)

    def absent(self, names: Iterable[str]) -> list[str]:
        """Give what is missing of some names."""
        return [name for name in names if name not in self._rank]
