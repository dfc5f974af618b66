"""Waiting before the next try: exponential, jittered in full, bounded."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton.core import backoff
from tekton.core.backoff import full_jitter

bases = st.floats(0.001, 10.0)


@given(st.integers(0, 10_000), bases, st.floats(0.001, 1000.0))
def test_a_wait_is_positive_and_never_longer_than_its_bounds(attempt: int, base: float, ceiling: float) -> None:
    """Never zero, which would be no wait at all; and no number of failures overflows."""
    wait = full_jitter(attempt, base=base, ceiling=ceiling)
    assert 0.0 < wait <= ceiling
    assert wait <= base * 2 ** min(attempt, 64)


@pytest.mark.parametrize("drawn", [0.0, math.nextafter(1.0, 0.0)])
def test_no_draw_of_chance_makes_a_wait_of_nothing(monkeypatch: pytest.MonkeyPatch, drawn: float) -> None:
    """random() may be 0.0 and is never 1.0: the wait is open at nothing and closed at the bound."""
    monkeypatch.setattr(backoff._random, "random", lambda: drawn)
    assert 0.0 < full_jitter(3) <= 0.8


def test_the_bound_doubles_until_the_ceiling() -> None:
    """The longest of many waits comes close to its bound, and the shortest to nothing: the jitter is full."""
    for attempt, bound in [(0, 0.1), (1, 0.2), (2, 0.4), (6, 6.4), (7, 10.0), (20, 10.0)]:
        waits = [full_jitter(attempt) for _ in range(2000)]
        assert 0.95 * bound < max(waits) <= bound
        assert min(waits) < 0.05 * bound


def test_clients_that_failed_together_come_back_apart() -> None:
    """Two waits are practically never the same."""
    assert len({full_jitter(5) for _ in range(1000)}) > 990
