"""Circuit breakers: what opens them, how long they are open, and exactly how many calls a half-open one admits."""

from __future__ import annotations

import asyncio

import pytest

from tekton.core.breaker import Breaker, BreakerOpenError, BreakerState, Permit, Rate


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(breaker: Breaker, tries: int = 1) -> list[Permit]:
    found = []
    for _ in range(tries):
        try:
            found.append(breaker.admit())
        except BreakerOpenError:
            continue
    return found


def opened(time: Time, half_open_requests: int = 2) -> Breaker:
    breaker = Breaker("rhetor", 3, 60.0, half_open_requests, time)
    for permit in admitted(breaker, 3):
        permit.fail()
    assert breaker.state is BreakerState.OPEN
    return breaker


def test_so_many_failures_in_a_row_open_it() -> None:
    """A success in between begins the count anew."""
    time = Time()
    breaker = Breaker("rhetor", 3, 60.0, 2, time)
    for ok in (False, False, True, False, False):
        (permit,) = admitted(breaker)
        permit.succeed() if ok else permit.fail()
    assert breaker.state is BreakerState.CLOSED
    admitted(breaker)[0].fail()
    assert breaker.state is BreakerState.OPEN and breaker.openings == 1


def test_an_open_one_says_when_to_try_again() -> None:
    """And admits nothing until then."""
    time = Time()
    breaker = opened(time)
    time.now += 45
    with pytest.raises(BreakerOpenError) as caught:
        breaker.admit()
    assert caught.value.retry_after == 15 and caught.value.name == "rhetor"
    assert not breaker.over
    time.now += 15
    assert breaker.over and len(admitted(breaker)) == 1


@pytest.mark.parametrize("requests", [1, 2, 7])
async def test_half_open_admits_exactly_the_set_number_of_a_hundred_callers(requests: int) -> None:
    """All at once, each waiting for something while it holds its place."""
    time = Time()
    breaker = opened(time, requests)
    time.now += 60
    going, release = 0, asyncio.Event()

    async def call() -> bool:
        nonlocal going
        try:
            permit = breaker.admit()
        except BreakerOpenError:
            return False
        going += 1
        await release.wait()
        permit.succeed()
        return True

    callers = [asyncio.create_task(call()) for _ in range(100)]
    while sum(caller.done() for caller in callers) < 100 - requests:
        await asyncio.sleep(0)
    assert going == requests and breaker.state is BreakerState.HALF_OPEN
    release.set()
    assert sum(await asyncio.gather(*callers)) == requests
    assert breaker.state is BreakerState.CLOSED


def test_one_failure_among_the_tried_opens_it_again() -> None:
    """Once all of them have ended."""
    time = Time()
    breaker = opened(time)
    time.now += 60
    first, second = admitted(breaker, 5)
    first.fail()
    assert breaker.state is BreakerState.HALF_OPEN
    second.succeed()
    assert breaker.state is BreakerState.OPEN and breaker.openings == 2


def test_a_tried_call_that_was_broken_off_gives_its_place_back() -> None:
    """Nothing is learnt of it, and it cannot keep the breaker half-open for ever."""
    time = Time()
    breaker = opened(time)
    time.now += 60
    first, second = admitted(breaker, 5)
    first.abandon()
    first.fail()
    (third,) = admitted(breaker, 5)
    second.succeed()
    third.succeed()
    assert breaker.state is BreakerState.CLOSED


def test_what_began_before_it_opened_says_nothing_later() -> None:
    """Neither closes it nor opens it again."""
    time = Time()
    breaker = Breaker("rhetor", 1, 60.0, 1, time)
    slow, quick = admitted(breaker, 2)
    quick.fail()
    slow.succeed()
    assert breaker.state is BreakerState.OPEN
    time.now += 60
    (tried,) = admitted(breaker, 3)
    tried.succeed()
    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize("how", ["opened", "closed_by_hand"])
def test_what_began_before_is_not_counted_in_a_row_later(how: str) -> None:
    """Calls of before that end late, while it is closed again: failures open nothing, successes begin no count anew."""
    time = Time()
    breaker = Breaker("x", 3, 60, 1, time)
    late = [breaker.admit() for _ in range(6)]
    if how == "opened":
        for permit in [breaker.admit() for _ in range(3)]:
            permit.fail()
        time.now += 61
        breaker.admit().succeed()
    else:
        breaker.close()
    for permit in late[:5]:
        permit.fail()
    breaker.admit().fail()
    assert breaker.state is BreakerState.CLOSED
    breaker.admit().fail()
    late[5].succeed()
    breaker.admit().fail()
    assert breaker.state is BreakerState.OPEN


def test_a_rate_opens_it_once_there_were_enough_calls_in_its_window() -> None:
    """What is older than the window does not count."""
    time = Time()
    breaker = Breaker("gpt", Rate(0.5, 4, 10.0), 30.0, 1, time)
    for ok in (True, False, False):
        breaker.record(ok=ok)
    assert breaker.state is BreakerState.CLOSED and breaker.succeeded
    time.now += 20
    assert not breaker.succeeded
    for _ in range(3):
        breaker.record(ok=False)
    assert breaker.state is BreakerState.CLOSED
    breaker.record(ok=True)
    assert breaker.state is BreakerState.OPEN
    breaker.record(ok=True)
    assert breaker.state is BreakerState.OPEN
    breaker.close()
    assert breaker.state is BreakerState.CLOSED
