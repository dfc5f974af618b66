"""How often the heartbeat monitor starts something again, by a clock of the test."""

from __future__ import annotations

from tekton._recovery import Recovery, Restarts

RULES = Recovery(burst=3, interval=100.0, initial=1.0, longest=8.0)


def bound(restarts: Restarts, now: float) -> float:
    """Give the longest pause of very many draws: nearly the bound that they are drawn up to."""
    pauses = [restarts.pause(now) for _ in range(300)]
    assert all(pause is not None and pause > 0 for pause in pauses)
    return max(pause or 0.0 for pause in pauses)


def test_pauses_double_up_to_the_longest() -> None:
    """Each is drawn from zero up to its bound."""
    restarts = Restarts(Recovery(burst=100, interval=1000.0, initial=1.0, longest=8.0))
    for most in (1, 2, 4, 8, 8):
        assert most / 2 < bound(restarts, 0.0) <= most
        restarts.make(0.0)


def test_of_too_many_within_the_interval_there_is_an_end() -> None:
    """Those that are older than that do not count."""
    restarts = Restarts(RULES)
    for at in (0.0, 10.0, 20.0):
        assert restarts.pause(at) is not None
        restarts.make(at)
    assert restarts.pause(99.0) is None
    assert restarts.pause(101.0) is not None


def test_after_a_while_of_health_the_pauses_begin_anew() -> None:
    """Twice the longest; being well for less changes nothing, and the burst is counted on."""
    restarts = Restarts(RULES)
    for at in (0.0, 1.0):
        restarts.make(at)
    restarts.succeeded(1.0)
    assert 2 < bound(restarts, 16.9) <= 4
    restarts.succeeded(20.0)
    assert bound(restarts, 36.0) <= 1
    restarts.make(36.0)
    assert restarts.pause(40.0) is None
