"""The dependency graph: in which order components start, what is in the way of that, and who needs whom.

Pure and fast: 10,000 components with 50,000 dependencies resolve in well under a second. Ids are looked up with "-" and
"_" equal, and shown as the graph has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from tekton.core.cycles import cycles_in, knots_in
from tekton.core.errors import ValidationError
from tekton.core.ids import lookup_key


class Blocked(NamedTuple):
    """Why a component that is on no cycle cannot start: its dependency `via` leads to `cyclic`, which is on one."""

    via: str
    cyclic: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """In which order a graph starts, and what of it cannot.

    waves: what can start at the same time, wave by wave: all that a component needs is in earlier waves, some of it in
        the one before. In a wave, fewer direct dependencies come first, then the order of the graph.
    cycles: closed paths, such as ("a", "b", "a") where a needs b and b needs a. The shortest first; each begins with
        the least of its names.
    complete: whether `cycles` has every cycle; of very many it has a shortest one through each component, as far as
        the work allowed goes, and always one of each knot.
    knots: the components on cycles, gathered with those that they need and that need them.
    blocked: who is on no cycle but needs, directly or through others, somebody who is.
    missing: what is needed and not in the graph, with who needs it, in the graph's order. It delays nobody's wave.
    """

    waves: tuple[tuple[str, ...], ...]
    cycles: tuple[tuple[str, ...], ...]
    complete: bool
    knots: tuple[tuple[str, ...], ...]
    blocked: Mapping[str, Blocked]
    missing: Mapping[str, tuple[str, ...]]

    @property
    def order(self) -> tuple[str, ...]:
        """The waves in one row: everything but what is on a cycle or blocked by one."""
        return tuple(name for wave in self.waves for name in wave)

    def chain(self, component_id: str) -> tuple[str, ...]:
        """Give a shortest way from a blocked component to one on a cycle, with both; empty where it is not blocked."""
        way: list[str] = []
        while component_id in self.blocked:
            way.append(component_id)
            component_id = self.blocked[component_id].via
        return (*way, component_id) if way else ()


class DependencyGraph:
    """Components and what they need, in an order: in the registry, that of registration.

    Two spellings of one id are one component. What is needed and not there is `missing`. Reading takes any spelling.
    """

    def __init__(self, dependencies: Mapping[str, Iterable[str]]) -> None:
        """Take `{component_id: the ids it needs}`; the graph keeps nothing of it.

        Raises:
            ValidationError: an id is no text, or dependencies are a text instead of a list of them.
        """
        self._at: dict[str, int] = {}
        self._names: list[str] = []
        for component_id in dependencies:
            self._index(component_id)
        self._present = len(self._names)
        needs: list[dict[int, None]] = [{} for _ in self._names]
        for component_id, wanted in dependencies.items():
            if isinstance(wanted, str | bytes) or not isinstance(wanted, Iterable):
                message = f"must be a list of component ids, not {wanted!r}"
                raise ValidationError.of(f"dependencies of {component_id}", message, "type")
            needs[self._at[lookup_key(component_id)]] |= dict.fromkeys(map(self._index, wanted))
        self._needs: list[list[int]] = [list(some) for some in needs]

    def _index(self, component_id: str) -> int:
        if not isinstance(component_id, str):
            raise ValidationError.of("component_id", f"must be a text, not {component_id!r}", "type")
        index = self._at.setdefault(lookup_key(component_id), len(self._names))
        if index == len(self._names):
            self._names.append(component_id)
        return index

    def __len__(self) -> int:
        return self._present

    def __iter__(self) -> Iterator[str]:
        return iter(self._names[: self._present])

    def __contains__(self, component_id: str) -> bool:
        return self._at.get(lookup_key(component_id), self._present) < self._present

    @cached_property
    def _needed_by(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in self._names]
        for index, needs in enumerate(self._needs):
            for other in needs:
                found[other].append(index)
        return found

    def needs(self, component_id: str) -> tuple[str, ...]:
        """Give what a component needs directly, as declared; empty where the graph does not have it."""
        return self._named(self._direct(component_id, self._needs))

    def needed_by(self, component_id: str) -> tuple[str, ...]:
        """Give who needs a component directly, in the graph's order; also of one that is missing."""
        return self._named(self._direct(component_id, self._needed_by))

    def all_needs(self, component_id: str) -> frozenset[str]:
        """Give what a component needs, directly or through others; itself only where it is on a cycle."""
        return frozenset(self._named(self._reach(self._direct(component_id, self._needs), self._needs)))

    def all_needed_by(self, component_id: str) -> frozenset[str]:
        """Give who needs a component, directly or through others; itself only where it is on a cycle."""
        return frozenset(self._named(self._reach(self._direct(component_id, self._needed_by), self._needed_by)))

    def only(self, component_ids: Iterable[str]) -> DependencyGraph:
        """Give the graph of some components and everything that they need; ids that it does not have are left out."""
        wanted = [self._at[lookup_key(one)] for one in component_ids if one in self]
        kept = sorted(one for one in self._reach(wanted, self._needs) if one < self._present)
        return DependencyGraph({self._names[one]: self._named(self._needs[one]) for one in kept})

    def resolve(self) -> Resolution:
        """Find the waves, and the cycles and missing components in their way."""
        wave = self._waves()
        rest = [index for index in range(self._present) if not wave[index]]
        knots = knots_in({index: self._needs[index] for index in rest}) if rest else []
        members = {index for knot in knots for index in knot}
        named = sorted(tuple(sorted(self._named(knot))) for knot in knots)
        cycles = cycles_in(named, {self._names[one]: self._named(self._needs[one]) for one in members})
        missing = range(self._present, len(self._names))
        return Resolution(
            waves=self._in_waves(wave),
            cycles=cycles.paths,
            complete=cycles.complete,
            knots=tuple(named),
            blocked=self._blocked(members),
            missing={self._names[one]: self._named(self._needed_by[one]) for one in missing},
        )

    def _waves(self) -> list[int]:
        """Number each component by the longest chain below it, from 1; what a cycle is in the way of stays 0."""
        waiting = [sum(other < self._present for other in needs) for needs in self._needs]
        wave, number = [0] * self._present, 0
        current = [index for index, count in enumerate(waiting) if not count]
        while current:
            number += 1
            following: list[int] = []
            for index in current:
                wave[index] = number
                for other in self._needed_by[index]:
                    waiting[other] -= 1
                    if not waiting[other]:
                        following.append(other)
            current = following
        return wave

    def _in_waves(self, wave: Sequence[int]) -> tuple[tuple[str, ...], ...]:
        found: list[list[int]] = [[] for _ in range(max(wave, default=0))]
        for index, number in enumerate(wave):
            if number:
                found[number - 1].append(index)
        # A stable sort: of as many dependencies, the order of the graph stays.
        return tuple(self._named(sorted(one, key=lambda index: len(self._needs[index]))) for one in found)

    def _blocked(self, members: set[int]) -> dict[str, Blocked]:
        """Walk away from the cycles, level by level in order of names: who is met first is met on a shortest way."""
        found: dict[str, Blocked] = {}
        seen, level = set(members), sorted(members, key=self._names.__getitem__)
        while level:
            following: list[int] = []
            for index in level:
                name = self._names[index]
                why = Blocked(name, found[name].cyclic if name in found else name)
                for other in self._needed_by[index]:
                    if other not in seen:
                        seen.add(other)
                        following.append(other)
                        found[self._names[other]] = why
            level = sorted(following, key=self._names.__getitem__)
        return found

    def _direct(self, component_id: str, edges: Sequence[Sequence[int]]) -> Sequence[int]:
        index = self._at.get(lookup_key(component_id), len(edges))
        return edges[index] if index < len(edges) else ()

    def _reach(self, start: Iterable[int], edges: Sequence[Sequence[int]]) -> set[int]:
        reached = set(start)
        waiting = list(reached)
        while waiting:
            here = waiting.pop()
            # What is missing needs nothing that anybody knows of.
            fresh = [one for one in edges[here] if one not in reached] if here < len(edges) else []
            reached.update(fresh)
            waiting.extend(fresh)
        return reached

    def _named(self, indexes: Iterable[int]) -> tuple[str, ...]:
        return tuple(self._names[index] for index in indexes)


class DependencyResolver:
    """The documented face of the rules above."""

    @staticmethod
    def resolve_dependencies(graph: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
        """Give `(start_order, cycles)` for `{component_id: the ids it needs}`.

        The order goes wave by wave (the longest chain of dependencies below), inside a wave fewer direct dependencies
        first, then the order of the graph. What is on a cycle, or needs somebody on one, is not in it: no cycle is
        broken. Each cycle is its closed path, such as ["a", "b", "a"]; see `Resolution.cycles`. What is needed and is
        no key of the graph is in neither; `DependencyGraph(graph).resolve()` names it, and tells the waves.

        Raises:
            ValidationError: an id is no text, or dependencies are a text instead of a list of them.
        """
        found = DependencyGraph(graph).resolve()
        return list(found.order), [list(path) for path in found.cycles]
