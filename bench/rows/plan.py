"""A start plan: the dependency graph of a large fleet, resolved."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from graphlib import TopologicalSorter

from bench.model import Goal, Result, Spread
from bench.rows.row import Row
from bench.stage import Stage
from tekton.core.dependency import DependencyGraph

COMPONENTS = 10_000
EDGES = 50_000
# The same graph in every run.
_SEED = 10_000


def _plan(stage: Stage, result: Result) -> None:
    straight = _fleet(backwards=0)
    tangled = _fleet(backwards=EDGES // 100)
    rounds = stage.options.rounds
    taken = [_ms(lambda: DependencyGraph(straight).resolve()) for _ in range(rounds)]
    on_cycles = [_ms(lambda: DependencyGraph(tangled).resolve()) for _ in range(rounds)]
    bare = [_ms(lambda: tuple(TopologicalSorter(straight).static_order())) for _ in range(rounds)]
    result.value = Spread.of(taken)
    result.tekton, result.bare = (f"{statistics.median(some):.0f} ms" for some in (taken, bare))
    result.details |= {"tekton": taken, "cycles": on_cycles, "bare": bare}
    result.notes.append(f"{EDGES:,} dependencies; with 1 % of them backwards {statistics.median(on_cycles):.0f} ms")
    result.notes.append("bare: graphlib's static order, without waves and without a registration order")


def _fleet(backwards: int) -> dict[str, list[str]]:
    """Make components that need earlier ones, and a number of dependencies on later ones, which are cycles."""
    chance = random.Random(_SEED)
    names = [f"component-{number}" for number in range(COMPONENTS)]
    needs: list[set[int]] = [set() for _ in names]
    count = 0
    while count < EDGES:
        one, other = sorted(chance.sample(range(COMPONENTS), 2))
        if count < backwards:
            one, other = other, one
        count += one not in needs[other]
        needs[other].add(one)
    chance.shuffle(order := list(range(COMPONENTS)))
    return {names[at]: [names[one] for one in sorted(needs[at])] for at in order}


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


ROWS = (Row("plan", f"start plan, {COMPONENTS:,} components", Goal(1000, "ms", at_most=True), _plan),)
