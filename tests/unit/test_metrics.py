"""The figures of calls, batches and the process, with a clock that is passed."""

from __future__ import annotations

import os

import pytest

from tekton_server.host.process import ThisProcess
from tekton_server.live.metrics import WINDOW, Batches, Calls, Histogram

GET = "/tekton.v1.RegistryService/GetComponent"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at 1,000 seconds."""
    return Clock()


@pytest.fixture
def calls(clock: Clock) -> Calls:
    """Figures on that clock."""
    return Calls(clock)


def one_call(calls: Calls, clock: Clock, seconds: float, code: str = "OK") -> None:
    """Make a call that takes so long."""
    method = calls.method(GET, streams=False)
    began = method.begin()
    clock.now += seconds
    method.end(code, began)


def test_an_observation_at_an_edge_is_at_most_the_edge() -> None:
    """As `le` says: less or equal."""
    histogram = Histogram((1, 2))
    for value in (0.5, 1, 1.5, 2, 3):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1] and histogram.total == 8


def test_a_method_is_counted_once_however_often_it_is_asked_for(calls: Calls) -> None:
    """Two first calls at once must not make two series of one name."""
    assert calls.method(GET, streams=False) is calls.method(GET, streams=False)


def test_calls_are_counted_by_their_code_and_timed(calls: Calls, clock: Clock) -> None:
    """A failure is a call too."""
    one_call(calls, clock, 0.25)
    one_call(calls, clock, 0.75, "NOT_FOUND")
    method = calls.methods[GET]
    assert (method.service, method.method) == ("tekton.v1.RegistryService", "GetComponent")
    assert method.codes == {"OK": 1, "NOT_FOUND": 1} and (calls.ended, calls.failed) == (2, 1)
    assert method.seconds is not None and method.seconds.total == 1.0


def test_a_stream_is_counted_and_not_timed(calls: Calls, clock: Clock) -> None:
    """An hour on a stream is not an hour of latency."""
    method = calls.method("/tekton.v1.RegistryService/WatchRegistry", streams=True)
    began = method.begin()
    assert calls.active == 1
    clock.now += 3600
    method.end("CANCELLED", began)
    assert calls.active == 0 and method.codes == {"CANCELLED": 1} and method.seconds is None
    assert calls.recent.figures() == (0.0, 0.0)


def test_the_recent_figures_are_over_the_last_minute(calls: Calls, clock: Clock) -> None:
    """What is older is forgotten, and a slot is not counted twice when its second comes round again."""
    clock.now += 10 * WINDOW
    for _ in range(WINDOW * 2):
        one_call(calls, clock, 0.5)
    per_second, mean = calls.recent.figures()
    assert per_second == pytest.approx(2, rel=0.05) and mean == 0.5
    clock.now += WINDOW / 2
    assert calls.recent.figures()[0] == pytest.approx(1, rel=0.05)
    clock.now += WINDOW
    assert calls.recent.figures() == (0.0, 0.0)


def test_a_young_process_counts_over_the_time_it_lives(calls: Calls, clock: Clock) -> None:
    """Ten calls in five seconds are two a second, not a sixth of one."""
    for _ in range(10):
        one_call(calls, clock, 0.5)
    assert calls.recent.figures() == (2.0, 0.5)


def test_a_batch_is_counted_by_its_commits() -> None:
    """A wake-up without a commit is no batch."""
    batches = Batches()
    for size in (3, 0, 1):
        for _ in range(size):
            batches.commit()
        batches.close()
    assert batches.commits == 4 and sum(batches.sizes.counts) == 2 and batches.sizes.total == 4


def test_the_process_figures_are_of_this_process() -> None:
    """Two looks at once see the same share of the processor: neither spoils the other's."""
    process = ThisProcess()
    first, second = process.figures(), process.figures()
    assert first.cpu_percent == second.cpu_percent >= 0
    assert 0 < first.memory_percent < 100 and first.resident_bytes > 2**20
    assert first.threads >= 1 and first.open_files >= 3
    assert first.cpu_seconds == pytest.approx(sum(os.times()[:2]), abs=0.5)
