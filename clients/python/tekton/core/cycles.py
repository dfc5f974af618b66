"""Cycles among components that all need each other, each as the path along which it runs.

Few of them are told whole: D. B. Johnson, "Finding all the elementary circuits of a directed graph", SIAM Journal on
Computing 4(1), 1975. There may be exponentially many; of too many, a shortest one through each component is told, found
by breadth-first search, as far as the work allowed goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

# All cycles are told of a knot of at most so many components and edges, and only where there are no more than `EACH`.
SMALL = 300
EACH = 100
# In all, and beside the one of each knot. Work is counted in edges seen; a name told costs more than one.
MOST = 1000
WORK = 500_000
_NAME = 10

Edges = list[list[int]]
Path = tuple[int, ...]


class Cycles(NamedTuple):
    """Closed paths, the shortest first, and whether these are all that there are."""

    paths: tuple[tuple[str, ...], ...]
    complete: bool


class _Budget:
    """What the whole search may still do beside finding one cycle in each knot."""

    def __init__(self) -> None:
        self.work = WORK
        self.cycles = MOST

    @property
    def left(self) -> bool:
        return self.work > 0 and self.cycles > 0

    def told(self, path: Path) -> None:
        self.cycles -= 1
        self.work -= _NAME * len(path)


def cycles_in(knots: Sequence[Sequence[str]], needs: Mapping[str, Sequence[str]]) -> Cycles:
    """Give the cycles in some knots: sets of components, each of which needs all others, or itself.

    `needs` has what every member needs, others than members of its knot too. At least one cycle of every knot is told.
    Each begins and ends with the first of its names; neither which are told nor their order depends on the order of
    anything given.
    """
    budget, complete = _Budget(), True
    found: list[tuple[str, ...]] = []
    for knot in sorted(sorted(one) for one in knots):
        at = {name: index for index, name in enumerate(knot)}
        edges = [sorted(at[other] for other in needs[name] if other in at) for name in knot]
        paths, all_told = _in_knot(edges, budget)
        complete = complete and all_told
        found += (tuple(knot[index] for index in (*path, path[0])) for path in paths)
    return Cycles(tuple(sorted(found, key=lambda path: (len(path), path))), complete)


def _in_knot(edges: Edges, budget: _Budget) -> tuple[set[Path], bool]:
    count = sum(map(len, edges))
    first = _shortest(edges, 0, None)
    if count == len(edges):
        # As many edges as members, and each has one: it is that cycle and nothing else.
        return {first}, True
    if len(edges) + count <= SMALL:
        found = set[Path]()
        for path in _elementary(edges, budget):
            if len(found) == EACH or not budget.left:
                break
            found.add(path)
            budget.told(path)
        else:
            # Without work left it ended early.
            if budget.work > 0:
                return found, True
        budget.cycles += len(found)
    return _through_each(edges, first, budget), False


def _through_each(edges: Edges, first: Path, budget: _Budget) -> set[Path]:
    """Find a shortest cycle through each member, those first that are on none yet."""
    found, covered = {first}, set(first)
    done = {0}
    for only_uncovered in (True, False):
        for member in range(1, len(edges)):
            if not budget.left:
                return found
            if member in done or (only_uncovered and member in covered):
                continue
            done.add(member)
            path = _shortest(edges, member, budget)
            if path not in found:
                found.add(path)
                budget.told(path)
                covered.update(path)
    return found


def _shortest(edges: Edges, member: int, budget: _Budget | None) -> Path:
    """Find a shortest cycle through a member, which has one, rotated so that it begins with its least member."""
    came_from: dict[int, int] = {}
    waiting = deque((member,))
    while waiting:
        here = waiting.popleft()
        if budget is not None:
            budget.work -= len(edges[here])
        for there in edges[here]:
            if there == member:
                return _rotated(_way(came_from, member, here))
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    raise ValueError("a member of a knot is on no cycle")


def _way(came_from: Mapping[int, int], start: int, end: int) -> Path:
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))


def _rotated(path: Path) -> Path:
    least = path.index(min(path))
    return path[least:] + path[:least]


def _elementary(edges: Edges, budget: _Budget) -> Iterator[Path]:
    """Find every cycle once, each from its least member; ends early where the budget does."""
    needed_by = _reversed(edges)
    for start in range(len(edges)):
        inside = _reaching(needed_by, start)
        yield from _circuits([[one for one in some if one in inside] for some in edges], start, budget)


def _circuits(edges: Edges, start: int, budget: _Budget) -> Iterator[Path]:
    """Find the cycles through `start`; a member that led nowhere is not tried again until what stopped it is free."""
    path, blocked, closed = [start], {start}, set[int]()
    frees: dict[int, set[int]] = {}
    stack = [iter(edges[start])]
    while stack and budget.work > 0:
        budget.work -= 1
        there = next(stack[-1], None)
        if there == start:
            closed.update(path)
            yield tuple(path)
        elif there is None:
            stack.pop()
            here = path.pop()
            if here in closed:
                _free(here, blocked, frees)
            else:
                for one in edges[here]:
                    frees.setdefault(one, set()).add(here)
        elif there not in blocked:
            path.append(there)
            blocked.add(there)
            closed.discard(there)
            stack.append(iter(edges[there]))


def _free(member: int, blocked: set[int], frees: dict[int, set[int]]) -> None:
    waiting = [member]
    while waiting:
        one = waiting.pop()
        if one in blocked:
            blocked.discard(one)
            waiting.extend(frees.pop(one, ()))


def _reversed(edges: Edges) -> Edges:
    found: Edges = [[] for _ in edges]
    for here, some in enumerate(edges):
        for there in some:
            found[there].append(here)
    return found


def _reaching(needed_by: Edges, start: int) -> set[int]:
    """Find which members from `start` on lead to it over such members."""
    reaching, waiting = {start}, [start]
    while waiting:
        fresh = {one for one in needed_by[waiting.pop()] if one >= start and one not in reaching}
        reaching |= fresh
        waiting.extend(fresh)
    return reaching


def knots_in(edges: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Find the strongly connected components that hold a cycle: R. Tarjan, SIAM Journal on Computing 1(2), 1972.

    Edges to what is no key are left out. Without recursion, so that a long chain of components is no deep stack.
    """
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    open_, on_stack = list[int](), set[int]()
    found: list[list[int]] = []
    for root in edges:
        if root in number:
            continue
        visits = [(root, iter(edges[root]))]
        number[root] = low[root] = len(number)
        open_.append(root)
        on_stack.add(root)
        while visits:
            here, rest = visits[-1]
            there = next((one for one in rest if one in edges and (one not in number or one in on_stack)), None)
            if there is None:
                visits.pop()
                if visits:
                    above = visits[-1][0]
                    low[above] = min(low[above], low[here])
                if low[here] == number[here]:
                    found.append(_closed(here, open_, on_stack))
            elif there in number:
                low[here] = min(low[here], number[there])
            else:
                number[there] = low[there] = len(number)
                open_.append(there)
                on_stack.add(there)
                visits.append((there, iter(edges[there])))
    return [knot for knot in found if len(knot) > 1 or knot[0] in chain(edges[knot[0]])]


def _closed(root: int, open_: list[int], on_stack: set[int]) -> list[int]:
    members = list[int]()
    while not members or members[-1] != root:
        members.append(open_.pop())
        on_stack.discard(members[-1])
    return members
