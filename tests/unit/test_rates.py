"""Buckets, turnstiles and the pace of beats, by the test's own clock."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tekton_server.domain.pace import next_step, stretched
from tekton_server.domain.rates import Bucket, Turnstile
from tekton_server.live.lease import Timing
from tekton_server.live.pace import Pace


@given(st.floats(0.5, 5_000), st.lists(st.floats(0.001, 3.0), min_size=1, max_size=60))
def test_a_bucket_never_gives_more_than_its_rate_and_its_depth(rate: float, steps: list[float]) -> None:
    """Whatever was asked for before, and however long nobody asked."""
    bucket, now, taken = Bucket(0.2), 5.0, 0
    for step in steps:
        now += step
        taken += bucket.take(now, rate, 1_000_000)
    assert taken <= (now - 5.0) * rate + max(1.0, 0.2 * rate) + 1e-6


def test_a_bucket_gives_what_its_rate_allows() -> None:
    """Ten looks a second at 50 a second are five each; a slow one still comes to its turn."""
    bucket = Bucket(0.2)
    assert sum(bucket.take(tick / 10, 50, 1000) for tick in range(1, 101)) in range(495, 506)
    slow = Bucket(0.2)
    assert sum(slow.take(tick / 10, 0.5, 1000) for tick in range(1, 101)) in range(4, 7)


def test_a_turnstile_lets_a_burst_in_has_some_wait_and_refuses_the_rest() -> None:
    """At 500 a second: 500 at once, 1,000 within two seconds in turn, and the others come back each later."""
    door = Turnstile(500.0, 500, 2.0)
    waits = [door.wait(100.0) for _ in range(5000)]
    assert sum(wait == 0.0 for wait in waits) == 500
    queued = [wait for wait in waits if wait]
    assert len(queued) in (1000, 1001) and max(queued) <= 2.0
    assert all(later > earlier for earlier, later in itertools.pairwise(queued))
    back = [door.come_back(100.0) for wait in waits if wait is None]
    assert 2.0 <= back[0] <= 2.1 and 8.9 <= back[-1] <= 9.1 and back == sorted(back)
    assert door.wait(103.1) == 0.0


@given(st.integers(0, 3_000_000), st.integers(0, 20))
def test_beats_stay_under_the_ceiling_from_every_step(leases: int, step: int) -> None:
    """One look is enough upwards, and the step found is the smallest that will do, or on its way down to it."""
    found = next_step(step, leases, 10.0, 10_000.0)
    assert leases / (10.0 * stretched(found)) <= 10_000.0 * (1 + 1e-9)
    assert found >= step - 1
    if found > step:
        assert leases / (10.0 * stretched(found - 1)) > 10_000.0


def test_the_documented_terms_hold_up_to_a_hundred_thousand_leases() -> None:
    """Then interval and timeout grow in the same ratio."""
    pace = Pace(Timing(10.0, 30.0))
    pace.follow(100_000, 1.0)
    assert pace.timing == Timing(10.0, 30.0)
    pace.follow(100_001, 2.0)
    assert pace.timing == Timing(12.5, 37.5)
    pace.follow(200_000, 3.0)
    assert pace.timing.interval > 20.0 and pace.timing.timeout == 3 * pace.timing.interval


def test_terms_do_not_wobble() -> None:
    """A number of leases that goes to and fro about a step changes nothing; they fall a step in a timeout at most."""
    pace = Pace(Timing(10.0, 30.0))
    seen = set()
    for second in range(1, 600):
        pace.follow(101_000 if second % 2 else 99_000, float(second))
        seen.add(pace.timing.interval)
    assert seen == {12.5}
    pace.follow(300_000, 600.0)
    high = pace.timing.interval
    fallen = []
    for second in range(601, 800):
        before = pace.timing
        pace.follow(100, float(second))
        if pace.timing != before:
            fallen.append((second, before.interval / pace.timing.interval))
    assert fallen and all(abs(ratio - 1.25) < 1e-9 for _, ratio in fallen)
    assert all(later - earlier >= 12 for (earlier, _), (later, _) in itertools.pairwise(fallen))
    assert pace.timing.interval < high
