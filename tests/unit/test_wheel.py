"""The timing wheel: nothing early, nothing more than one tick late, nothing lost, nothing twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from tekton_server.live.wheel import Wheel

TICK = 0.1
# How far float division may be off at the times used here.
EPSILON = 1e-6


@given(
    st.floats(0, 10_000), st.lists(st.floats(-5, 50), max_size=30), st.lists(st.floats(0, 3), min_size=1, max_size=40)
)
def test_an_item_falls_due_after_its_time_and_at_most_a_tick_late(
    start: float, delays: list[float], steps: list[float]
) -> None:
    """At every look, what came out is what was over, give or take the last tick; in the end all came out once."""
    wheel: Wheel[int] = Wheel(TICK, start)
    times = [start + delay for delay in delays]
    for item, when in enumerate(times):
        wheel.put(item, when)
    now, out = start, []
    for step in [*steps, 60.0]:
        now += step
        came = list(wheel.due(now))
        assert all(times[item] <= now for item in came)
        out += came
        late = {item for item, when in enumerate(times) if max(when, start) + TICK + EPSILON < now}
        assert late <= set(out)
    assert sorted(out) == list(range(len(times)))


def test_what_was_put_for_the_past_falls_due_within_a_tick() -> None:
    """A slot that was already given out would never come again."""
    wheel: Wheel[str] = Wheel(1.0, 100.0)
    assert list(wheel.due(105.0)) == []
    wheel.put("late", 90.0)
    assert list(wheel.due(106.0)) == ["late"]


def test_an_item_put_back_while_the_wheel_turns_is_kept() -> None:
    """Judging a lease that beat meanwhile puts it back: for later, or within the slots that are being given out."""
    wheel: Wheel[str] = Wheel(1.0, 0.0)
    wheel.put("again", 1.5)
    seen = []
    for item in wheel.due(10.0):
        seen.append(item)
        if len(seen) < 3:
            wheel.put(item, 1.5 if len(seen) == 1 else 20.0)
    assert seen == ["again", "again"]
    assert list(wheel.due(19.9)) == []
    assert list(wheel.due(21.0)) == ["again"]


def test_a_clock_that_stands_still_gives_nothing_twice() -> None:
    wheel: Wheel[str] = Wheel(1.0, 0.0)
    wheel.put("once", 1.0)
    assert list(wheel.due(2.0)) == ["once"]
    assert list(wheel.due(2.0)) == []
    assert list(wheel.due(1.0)) == []


class AWheel(RuleBasedStateMachine):
    """Puts, looks and put-backs in any order, against a plain list of what waits. Time counts in quarters of a tick."""

    due_times = Bundle("due_times")

    def __init__(self) -> None:
        super().__init__()
        self.now = 8.0
        self.wheel: Wheel[int] = Wheel(1.0, self.now)
        self.waiting: dict[int, float] = {}
        self.made = 0

    @rule(quarters=st.integers(-8, 60))
    def put(self, quarters: int) -> None:
        self._put(self.now + quarters / 4)

    @rule(quarters=st.integers(0, 30), back=st.booleans(), later=st.integers(1, 20))
    def look(self, quarters: int, back: bool, later: int) -> None:
        self.now += quarters / 4
        for item in self.wheel.due(self.now):
            assert self.waiting.pop(item) < self.now, "early, or twice"
            if back:
                self._put(self.now + later / 4)
        overdue = [when for when in self.waiting.values() if when + 1.0 <= self.now]
        assert not overdue, "more than a tick late, or lost"

    @invariant()
    def nothing_is_due_between_looks(self) -> None:
        assert not list(self.wheel.due(self.now))

    def _put(self, when: float) -> None:
        self.made += 1
        # What is put for the past counts from now: it falls due within a tick.
        self.waiting[self.made] = max(when, self.now)
        self.wheel.put(self.made, when)


TestAWheel = AWheel.TestCase
TestAWheel.settings = settings()
