"""Who waits for whom while components start: a circle is refused before anybody waits in it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton._startup.waits import Waits
from tekton.core.errors import CircularDependencyError

NAMES = ["a", "b", "c", "d", "e_1", "e-1"]


def test_the_circle_is_told_along_which_it_would_be_waited() -> None:
    """However ids are spelled; once one of them has ended its wait, there is none."""
    waits = Waits()
    with waits.waiting("a", ["b-1", "x"]):
        with waits.waiting("b_1", ["c"]):
            with pytest.raises(CircularDependencyError) as caught, waits.waiting("c", ["y", "a"]):
                raise AssertionError("it waits")
            assert caught.value.details["cycle"] == ["c", "a", "b_1", "c"]
            assert str(caught.value) == (
                "c was not started: c needs a needs b_1 needs c; take one of these dependencies away"
            )
        with waits.waiting("c", ["a"]):
            pass
    with pytest.raises(CircularDependencyError), waits.waiting("a", ["a"]):
        raise AssertionError("it waits")


def test_the_same_wait_may_be_under_way_several_times() -> None:
    """Until the last of them has ended."""
    waits = Waits()
    with ExitStack() as first, ExitStack() as second:
        for stack in (first, second):
            stack.enter_context(waits.waiting("a", ["b"]))
        first.close()
        with pytest.raises(CircularDependencyError), waits.waiting("b", ["a"]):
            raise AssertionError("it waits")
        second.close()
        with waits.waiting("b", ["a"]):
            pass


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=3)), max_size=12))
def test_nobody_ever_waits_for_itself_through_others(waits_for: list[tuple[str, list[str]]]) -> None:
    """Whatever is tried, the waits that are let in have no circle, and none is left when they have ended."""
    waits, entered = Waits(), dict[str, set[str]]()

    def reaches(start: str, end: str) -> bool:
        seen, level = set[str](), [start]
        for here in level:
            level += [one for one in entered.get(here, ()) if one not in seen]
            seen.add(here)
        return end in seen

    with ExitStack() as stack:
        for name, others in waits_for:
            who, whom = name.replace("-", "_"), [one.replace("-", "_") for one in others]
            circle = any(reaches(one, who) for one in whom)
            try:
                stack.enter_context(waits.waiting(name, others))
            except CircularDependencyError:
                assert circle
            else:
                assert not circle
                entered.setdefault(who, set()).update(whom)
    assert not any(waits._for.values())
