"""The dependency graph: the documented order, waves, cycles with their paths, and what is missing."""

from __future__ import annotations

import random
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton.core import cycles as cycles_module
from tekton.core.dependency import Blocked, DependencyGraph, DependencyResolver
from tekton.core.errors import ValidationError
from tests.support import documented

Graph = dict[str, list[str]]

NAMES = [f"c{number}" for number in range(9)]
graphs: st.SearchStrategy[Graph] = st.lists(st.sampled_from(NAMES), unique=True, max_size=8).flatmap(
    lambda present: st.fixed_dictionaries(
        {name: st.lists(st.sampled_from(NAMES), unique=True, max_size=4) for name in present}
    )
)


def reachable(graph: Graph, start: str) -> set[str]:
    """Walk from the dependencies of a component, by brute force."""
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += graph.get(one, ())
    return seen


def cyclic(graph: Graph) -> set[str]:
    """Who needs itself through others."""
    return {name for name in graph if name in reachable(graph, name)}


def all_cycles(graph: Graph) -> set[tuple[str, ...]]:
    """Try every closed path: each once, from the least of its names."""
    found = set()

    def walk(path: tuple[str, ...]) -> None:
        for other in graph.get(path[-1], ()):
            if other == path[0]:
                found.add((*path, other))
            elif other in graph and other > path[0] and other not in path:
                walk((*path, other))

    for name in graph:
        walk((name,))
    return found


def test_the_documented_graph_has_exactly_the_documented_order() -> None:
    """LESSONS T1: an order that starts a component before what it needs was the first defect of an earlier attempt."""
    assert DependencyResolver.resolve_dependencies(documented.GRAPH) == (documented.ORDER, [])
    assert DependencyResolver.resolve_dependencies({"hermes": [], "engram": ["hermes"]}) == (["hermes", "engram"], [])
    assert DependencyResolver.resolve_dependencies({"engram": ["hermes"], "hermes": []}) == (["hermes", "engram"], [])


def test_the_documented_graph_in_waves() -> None:
    """Everything in a wave can start at the same time."""
    assert DependencyGraph(documented.GRAPH).resolve().waves == (
        ("hermes",),
        ("engram",),
        ("rhetor", "athena"),
        ("ergon", "api_gateway"),
    )


def test_a_cycle_is_told_with_its_path_and_nothing_is_silently_removed() -> None:
    """LESSONS T2 and R18: the caller's graph stays as it is, no edge is dropped, and every cycle is found."""
    graph = {"a": ["b", "c"], "b": ["a"], "c": ["a"], "d": ["c"], "e": []}
    before = {name: list(needs) for name, needs in graph.items()}
    order, cycles = DependencyResolver.resolve_dependencies(graph)
    assert (order, cycles) == (["e"], [["a", "b", "a"], ["a", "c", "a"]])
    assert graph == before


def test_who_needs_a_cycle_is_told_as_blocked_by_it_with_the_way_there() -> None:
    """By a shortest way, to somebody who is on it."""
    found = DependencyGraph({"a": ["b"], "b": ["a"], "c": ["b"], "d": ["x", "c"], "e": ["d", "b"], "x": []}).resolve()
    assert found.blocked == {"c": Blocked("b", "b"), "d": Blocked("c", "b"), "e": Blocked("b", "b")}
    assert found.chain("d") == ("d", "c", "b") and found.chain("e") == ("e", "b")
    assert found.chain("x") == found.chain("a") == ()
    assert found.knots == (("a", "b"),) and found.waves == (("x",),)


def test_what_needs_itself_is_a_cycle_of_one() -> None:
    found = DependencyGraph({"a": ["a"], "b": ["a"]}).resolve()
    assert found.cycles == (("a", "a"),) and found.knots == (("a",),) and found.order == ()
    assert found.blocked == {"b": Blocked("a", "a")}


def test_what_is_missing_is_named_with_who_needs_it_and_delays_nobody() -> None:
    found = DependencyGraph({"b": ["nobody", "a"], "a": ["nobody"], "c": ["nothing"]}).resolve()
    assert found.missing == {"nobody": ("b", "a"), "nothing": ("c",)}
    assert found.waves == (("a", "c"), ("b",))


def test_two_spellings_are_one_component() -> None:
    """ "-" and "_" are equal in look-up; what is shown is how the graph spells it."""
    graph = DependencyGraph({"llm-adapter": [], "rhetor": ["llm_adapter", "llm-adapter"], "llm_adapter": ["hermes"]})
    assert list(graph) == ["llm-adapter", "rhetor"] and len(graph) == 2
    assert graph.needs("rhetor") == ("llm-adapter",)
    assert "llm_adapter" in graph and "hermes" not in graph
    assert graph.needed_by("llm_adapter") == ("rhetor",) and graph.needed_by("hermes") == ("llm-adapter",)
    assert graph.resolve().order == ("llm-adapter", "rhetor")


def test_a_part_of_a_graph_is_some_components_and_everything_they_need() -> None:
    """In the order of the whole; what is missing stays so."""
    graph = DependencyGraph({**documented.GRAPH, "rhetor": ["hermes", "engram", "gone"]})
    part = graph.only(["rhetor", "nobody"])
    assert list(part) == ["hermes", "engram", "rhetor"]
    assert part.resolve().missing == {"gone": ("rhetor",)}
    assert graph.all_needs("ergon") == {"hermes", "rhetor", "engram", "gone"}
    assert graph.all_needed_by("engram") == {"rhetor", "athena", "ergon", "api_gateway"}
    assert graph.all_needed_by("gone") == {"rhetor", "ergon", "api_gateway"}
    assert graph.all_needs("nobody") == graph.all_needed_by("nobody") == frozenset()


@pytest.mark.parametrize("graph", [{"engram": "hermes"}, {"engram": 5}, {"engram": [None]}, {7: []}])
def test_a_graph_of_a_wrong_shape_is_refused(graph: Any) -> None:
    """A text would be taken apart into letters."""
    with pytest.raises(ValidationError):
        DependencyResolver.resolve_dependencies(graph)


def test_an_empty_graph_is_nothing_to_start() -> None:
    assert DependencyResolver.resolve_dependencies({}) == ([], [])


@given(graphs)
def test_the_order_is_topological_and_holds_all_but_cycles_and_who_needs_one(graph: Graph) -> None:
    found = DependencyGraph(graph).resolve()
    on_cycles = cyclic(graph)
    held_up = {name for name in graph if reachable(graph, name) & on_cycles}
    assert set(found.order) == set(graph) - held_up
    place = {name: at for at, name in enumerate(found.order)}
    assert all(place[other] < place[name] for name in found.order for other in graph[name] if other in graph)
    assert {name for knot in found.knots for name in knot} == on_cycles
    assert set(found.blocked) == held_up - on_cycles
    assert set(found.missing) == {other for needs in graph.values() for other in needs} - set(graph)


@given(graphs)
def test_waves_are_minimal_and_in_the_documented_order(graph: Graph) -> None:
    """Whoever is in a wave needs somebody of the wave before; fewer dependencies first, then the order of the graph."""
    waves = DependencyGraph(graph).resolve().waves
    number = {name: at for at, wave in enumerate(waves) for name in wave}
    registered = {name: at for at, name in enumerate(graph)}
    for name, at in number.items():
        assert at == max((number[other] + 1 for other in graph[name] if other in graph), default=0)
    for wave in waves:
        assert list(wave) == sorted(wave, key=lambda name: (len(graph[name]), registered[name]))


@given(graphs)
def test_every_cycle_is_found_once_and_runs_along_dependencies(graph: Graph) -> None:
    found = DependencyGraph(graph).resolve()
    wanted = all_cycles(graph)
    assert len(set(found.cycles)) == len(found.cycles)
    assert all(other in graph[name] for path in found.cycles for name, other in pairwise(path))
    if found.complete:
        assert set(found.cycles) == wanted
    assert set(found.cycles) <= wanted and {name for path in found.cycles for name in path} == cyclic(graph)


@given(graphs)
def test_a_blocked_component_is_told_a_shortest_way_to_a_cycle(graph: Graph) -> None:
    found = DependencyGraph(graph).resolve()
    distance = dict.fromkeys(cyclic(graph), 0)
    for _ in graph:
        for name in graph:
            near = [distance[other] + 1 for other in graph[name] if other in distance]
            if near and name not in distance:
                distance[name] = min(near)
    for name, why in found.blocked.items():
        way = found.chain(name)
        assert way[0] == name and way[-1] == why.cyclic in cyclic(graph) and why.via == way[1]
        assert all(other in graph[one] for one, other in pairwise(way))
        assert len(way) - 1 == min(distance[other] + 1 for other in graph[name] if other in distance)


@given(graphs, st.randoms(use_true_random=False))
def test_another_order_of_input_changes_only_the_order_of_equals(graph: Graph, chance: random.Random) -> None:
    """What is documented to follow the graph's order does; nothing else sees it."""
    names = list(graph)
    chance.shuffle(names)
    shuffled = {name: chance.sample(graph[name], len(graph[name])) for name in names}
    one, other = DependencyGraph(graph).resolve(), DependencyGraph(shuffled).resolve()
    assert [set(wave) for wave in one.waves] == [set(wave) for wave in other.waves]
    assert (one.cycles, one.complete, one.knots, one.blocked) == (
        other.cycles,
        other.complete,
        other.knots,
        other.blocked,
    )
    assert {name: set(who) for name, who in one.missing.items()} == {n: set(who) for n, who in other.missing.items()}


def complete_graph(size: int) -> Graph:
    """Everybody needs everybody else."""
    names = [f"c{number:03}" for number in range(size)]
    return {name: [other for other in names if other != name] for name in names}


def test_of_too_many_cycles_a_shortest_one_through_each_is_told() -> None:
    """Twelve that all need each other have over a hundred million cycles; through each, one of two."""
    found = DependencyGraph(complete_graph(12)).resolve()
    assert not found.complete and {name for path in found.cycles for name in path} == set(complete_graph(12))
    assert {len(path) for path in found.cycles} == {3}


def test_few_cycles_are_told_whole_and_the_shortest_first() -> None:
    found = DependencyGraph(complete_graph(4)).resolve()
    names = list(complete_graph(4))
    wanted = {(*path, path[0]) for size in (2, 3, 4) for path in permutations(names, size) if path[0] == min(path)}
    assert found.complete and set(found.cycles) == wanted
    assert list(found.cycles) == sorted(wanted, key=lambda path: (len(path), path))


def test_in_a_large_knot_each_component_is_on_a_shortest_cycle_that_is_told() -> None:
    """A ring of 200 with a short cut at every tenth."""
    names = [f"c{number:03}" for number in range(200)]
    graph = {name: [names[(at + 1) % 200]] for at, name in enumerate(names)}
    for at in range(9, 200, 10):
        graph[names[at]].append(names[at - 9])
    found = DependencyGraph(graph).resolve()
    assert found.knots == (tuple(names),)
    for decade in range(0, 200, 10):
        part = names[decade : decade + 10]
        assert (*part, part[0]) in found.cycles


def test_when_the_work_allowed_is_done_every_knot_still_has_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles_module, "WORK", 0)
    graph = {f"{letter}{number}": [f"{letter}{1 - number}", f"{letter}2"] for letter in "abc" for number in (0, 1)}
    graph |= {f"{letter}2": [f"{letter}0"] for letter in "abc"}
    found = DependencyGraph(graph).resolve()
    assert not found.complete and len(found.knots) == 3
    assert {path[0][0] for path in found.cycles} == set("abc")


def test_ten_thousand_components_in_a_row_or_in_a_ring_are_no_deep_recursion() -> None:
    names = [f"c{number}" for number in range(10_000)]
    row = {name: names[at + 1 : at + 2] for at, name in enumerate(names)}
    assert len(DependencyGraph(row).resolve().waves) == len(names)
    found = DependencyGraph({**row, names[-1]: [names[0]]}).resolve()
    assert found.complete and [len(path) for path in found.cycles] == [len(names) + 1]
    led = DependencyGraph({**row, names[-1]: [names[-2]]}).resolve()
    assert len(led.chain(names[0])) == len(names) - 1
