"""How many are started again at once and in a minute, and who goes first. Times are those of the test."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton_server.domain.blast_radius import MINUTE, Cap, Radius, Waiting, choose
from tests.unit.paper import NOON

CAP = Cap(at_once=10, share=0.2, per_minute=60)


def at(seconds: float) -> datetime:
    """Give a time."""
    return NOON + timedelta(seconds=seconds)


def waiting(count: int, due: float = 0.0) -> list[Waiting]:
    """So many that wait."""
    return [Waiting(f"c{number:03d}", at(due), 0) for number in range(count)]


@pytest.mark.parametrize(("fleet", "width"), [(0, 2), (1, 2), (10, 2), (15, 3), (49, 9), (50, 10), (10_000, 10)])
def test_at_once_is_a_number_and_a_share_of_the_fleet(fleet: int, width: int) -> None:
    """The smaller of both; two even of the smallest fleet, so that one that hangs does not keep all others waiting."""
    assert CAP.width(fleet) == width
    assert CAP._replace(at_once=1).width(fleet) == 1


def test_those_beyond_the_width_wait_until_one_has_come_up() -> None:
    """And it is said why."""
    chosen = choose(CAP, Radius(50, 7, ()), waiting(5), NOON)
    assert chosen.begin == ("c000", "c001", "c002") and chosen.again_at is None
    assert chosen.held == "10 restarts are under way, the most there may be of 50"


def test_those_beyond_the_minute_wait_until_it_is_over() -> None:
    """The first minute that has room again is told."""
    lately = [at(-50 + number) for number in range(9)]
    cap = CAP._replace(per_minute=10)
    chosen = choose(cap, Radius(1000, 0, lately), waiting(3), NOON)
    assert chosen.begin == ("c000",) and chosen.again_at == at(10)
    assert chosen.held == "10 restarts have begun within a minute, the most there may be"
    chosen = choose(cap, Radius(1000, 0, lately), waiting(3), at(11))
    assert len(chosen.begin) == 3 and chosen.held == ""


def test_who_is_not_due_is_not_begun_and_held_by_nobody() -> None:
    """The time to look again is the first that is due."""
    assert choose(CAP, Radius(50, 0, ()), waiting(3, due=5), NOON) == ((), at(5), "")
    assert choose(CAP, Radius(50, 0, ()), [], NOON) == ((), None, "")


def test_who_failed_least_often_goes_first_then_who_waited_longest() -> None:
    """Those that fail for ever do not keep those waiting that a restart helps."""
    some = [
        Waiting("loops", at(-9), 7),
        Waiting("late", at(-1), 0),
        Waiting("early", at(-5), 0),
        Waiting("twin", at(-5), 0),
    ]
    assert choose(Cap(3, 1.0, 60), Radius(3, 0, ()), some, NOON).begin == ("early", "twin", "late")


caps = st.builds(Cap, st.integers(1, 12), st.floats(0.01, 1.0), st.integers(1, 30))
fates = st.lists(st.tuples(st.floats(0.0, 120.0), st.floats(0.0, 90.0)), min_size=1, max_size=80)


@given(caps, fates)
def test_the_cap_holds_at_every_moment_and_nobody_waits_for_ever(cap: Cap, fates: list[tuple[float, float]]) -> None:
    """Each falls due at some time and takes some time to come up; time goes on only to what was said to wait for.

    So a choice that named too late a time, or none, would be seen: somebody would be left.
    """
    left = {f"c{number}": Waiting(f"c{number}", at(due), 0) for number, (due, _) in enumerate(fates)}
    takes = {f"c{number}": timedelta(seconds=takes) for number, (_, takes) in enumerate(fates)}
    now, under_way, made = NOON, dict[str, datetime](), list[datetime]()
    while left:
        under_way = {name: until for name, until in under_way.items() if until > now}
        chosen = choose(cap, Radius(len(fates), len(under_way), made), left.values(), now)
        for name in chosen.begin:
            assert left.pop(name).due <= now
            under_way[name] = now + takes[name]
            made.append(now)
        assert len(under_way) <= cap.width(len(fates))
        assert sum(one > now - MINUTE for one in made) <= cap.per_minute
        upcoming = [one for one in (chosen.again_at, *under_way.values()) if one is not None and one > now]
        if left and not chosen.begin:
            assert upcoming, "nothing will ever wake it"
        now = min(upcoming, default=now)
