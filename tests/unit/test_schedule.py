"""Who begins next, over whole starts: never before what it needs is ready, and each to exactly one end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tekton.core.schedule import Outcome, Schedule
from tests.support import documented


def all_done(schedule: Schedule) -> list[list[str]]:
    """Let everything become ready, all that is under way at once; give who began together."""
    rounds = []
    while begun := schedule.begin():
        rounds.append(begun)
        for name in begun:
            schedule.done(name)
    return rounds


def test_the_documented_fleet_begins_wave_by_wave() -> None:
    """Where each takes as long as the others."""
    assert all_done(Schedule(documented.GRAPH, at_once=10)) == [
        ["hermes"],
        ["engram"],
        ["rhetor", "athena"],
        ["api_gateway", "ergon"],
    ]


def test_each_begins_when_its_own_needs_are_ready_not_when_a_wave_is() -> None:
    """A slow neighbour holds up nobody who does not need it."""
    schedule = Schedule({"slow": [], "fast": [], "after": ["fast"]}, at_once=10)
    assert schedule.begin() == ["slow", "fast"]
    schedule.done("fast")
    assert schedule.begin() == ["after"]
    assert schedule.under_way == {"slow", "after"}


def test_no_more_than_the_bound_are_under_way_and_the_first_of_the_order_go_first() -> None:
    schedule = Schedule({"a": [], "b": [], "c": [], "d": ["a"]}, at_once=2)
    assert schedule.begin() == ["a", "b"] and schedule.begin() == []
    schedule.done("a")
    assert schedule.begin() == ["c"]
    schedule.done("b")
    assert schedule.begin() == ["d"]


def test_who_is_only_waited_for_takes_no_place_and_waits_for_nobody() -> None:
    schedule = Schedule({"a": [], "b": [], "outside": ["a"], "d": ["outside"]}, at_once=1, free={"outside"})
    assert schedule.begin() == ["outside", "a"]
    assert schedule.fail("a") == []
    schedule.done("outside")
    assert schedule.begin() == ["b"]
    schedule.done("b")
    assert schedule.begin() == ["d"]


def test_a_failure_skips_exactly_the_dependents_with_the_way_down_to_it() -> None:
    schedule = Schedule({"db": [], "cache": [], "api": ["db", "cache"], "web": ["api"], "cron": ["cache"]}, at_once=9)
    assert schedule.begin() == ["db", "cache"]
    assert schedule.fail("db") == ["api", "web"]
    assert schedule.chain("web") == ("web", "api", "db")
    schedule.done("cache")
    assert schedule.begin() == ["cron"]
    schedule.done("cron")
    assert schedule.over
    skipped = {name for name, end in schedule.outcomes.items() if end is Outcome.SKIPPED}
    assert skipped == {"api", "web"}


def test_what_is_taken_back_never_begins_and_who_is_under_way_goes_on() -> None:
    schedule = Schedule({"a": [], "b": ["a"], "c": ["b"], "d": []}, at_once=1)
    assert schedule.begin() == ["a"]
    assert schedule.take_back(["a", "b", "nobody"]) == ["b", "c"]
    assert (schedule.chain("c"), schedule.chain("b")) == (("c", "b"), ("b",))
    schedule.done("a")
    assert schedule.begin() == ["d"]


def test_a_cycle_is_refused_since_it_would_never_end() -> None:
    with pytest.raises(ValueError, match=r"\['a', 'b', 'c'\] wait for each other"):
        Schedule({"a": ["b"], "b": ["a"], "c": ["a"], "d": []}, at_once=1)


def test_ten_thousand_with_fifty_thousand_edges_take_well_under_a_second() -> None:
    """All in one process with everything else: the work is a few operations an edge, whatever the bound."""
    needs = {f"c{n}": [f"c{(n * 7 + k) % n}" for k in range(5)] if n else [] for n in range(10_000)}
    began = time.process_time()
    rounds = all_done(Schedule(needs, at_once=3))
    assert sum(map(len, rounds)) == 10_000
    assert time.process_time() - began < 1.0


NAMES = [f"c{number}" for number in range(12)]


@st.composite
def fleets(draw: st.DrawFn) -> Mapping[str, Sequence[str]]:
    """Draw components that need earlier ones, in any order, some of what is not there."""
    count = draw(st.integers(0, len(NAMES)))
    needs = {
        NAMES[number]: draw(st.lists(st.sampled_from([*NAMES[:number], "elsewhere"]), max_size=4, unique=True))
        for number in range(count)
    }
    return {name: needs[name] for name in draw(st.permutations(list(needs)))}


class Fleet(RuleBasedStateMachine):
    """Any fleet, whatever becomes of its components in whatever order."""

    @initialize(needs=fleets(), at_once=st.integers(1, 4), data=st.data())
    def drawn(self, needs: Mapping[str, Sequence[str]], at_once: int, data: st.DataObject) -> None:
        self.needs = {name: [one for one in some if one in needs] for name, some in needs.items()}
        self.free = frozenset(data.draw(st.sets(st.sampled_from(sorted(needs)), max_size=2))) if needs else frozenset()
        self.at_once = at_once
        self.schedule = Schedule(needs, at_once=at_once, free=self.free)
        self.failed: set[str] = set()
        self.taken_back: set[str] = set()

    def under_way(self) -> list[str]:
        return sorted(self.schedule.under_way)

    @rule()
    def begin(self) -> None:
        for name in self.schedule.begin():
            assert name in self.free or all(
                self.schedule.outcomes.get(need) is Outcome.DONE for need in self.needs[name]
            )
        assert len(self.schedule.under_way - self.free) <= self.at_once

    @precondition(lambda self: self.schedule.under_way)
    @rule(data=st.data())
    def ready(self, data: st.DataObject) -> None:
        self.schedule.done(data.draw(st.sampled_from(self.under_way())))

    @precondition(lambda self: self.schedule.under_way)
    @rule(data=st.data())
    def fails(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.under_way()))
        self.failed.add(name)
        self.schedule.fail(name)

    @rule(names=st.lists(st.sampled_from([*NAMES, "nobody"]), max_size=3))
    def take_back(self, names: list[str]) -> None:
        untouched = self.needs.keys() - self.schedule.outcomes.keys() - self.schedule.under_way
        self.taken_back |= untouched & set(names)
        self.schedule.take_back(names)

    @invariant()
    def each_is_skipped_for_a_root_that_it_needs(self) -> None:
        for name, end in self.schedule.outcomes.items():
            if end is not Outcome.SKIPPED:
                continue
            chain = self.schedule.chain(name)
            assert chain[-1] in self.failed | self.taken_back
            assert all(below in self.needs[above] for above, below in pairwise(chain))

    def teardown(self) -> None:
        """Everything comes to exactly one end, and a failure skips exactly those that need it."""
        if not hasattr(self, "schedule"):
            return
        while not self.schedule.over:
            self.schedule.begin()
            assert self.schedule.under_way, "it stands still"
            for name in self.under_way():
                self.schedule.done(name)
        behind = self.failed | self.taken_back
        while more := {one for one in self.needs if one not in behind | self.free and behind & set(self.needs[one])}:
            behind |= more
        ends = self.schedule.outcomes
        assert ends.keys() == self.needs.keys()
        assert {name for name, end in ends.items() if end is Outcome.FAILED} == self.failed
        assert {name for name, end in ends.items() if end is Outcome.SKIPPED} == behind - self.failed


TestFleet = Fleet.TestCase


@given(fleets(), st.integers(1, 20))
def test_where_all_goes_well_everything_is_done(needs: Mapping[str, Sequence[str]], at_once: int) -> None:
    schedule = Schedule(needs, at_once=at_once)
    assert sorted(name for begun in all_done(schedule) for name in begun) == sorted(needs)
    assert schedule.over
