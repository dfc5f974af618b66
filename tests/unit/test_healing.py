"""The restart policy: when one that ended is started again, and when no more. Times are those of the test."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton.core.view import Launch, LaunchDesired, LaunchPhase
from tekton_server.domain.healing import Verdict, after_exit, restarted, well_at
from tekton_server.domain.launch_spec import Backoff, Restart
from tests.unit.paper import NOON, uuid_of


def a_launch(**fields: object) -> Launch:
    """A launch that runs and was never started again."""
    given = {"component_id": "engram", "epoch": 1, "instance_uuid": uuid_of(1), "server_id": "s", "host": "h"}
    given |= {"phase": LaunchPhase.RUNNING, "since": NOON, "revision": 1} | fields
    return msgspec.convert(given, Launch)


def at(seconds: float) -> datetime:
    """Give a time."""
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("policy", "clean", "phase"),
    [
        ("on_failure", False, LaunchPhase.BACKOFF),
        ("on_failure", True, LaunchPhase.ENDED),
        ("always", False, LaunchPhase.BACKOFF),
        ("always", True, LaunchPhase.BACKOFF),
        ("never", False, LaunchPhase.ENDED),
        ("never", True, LaunchPhase.ENDED),
    ],
)
def test_a_policy_says_which_ends_are_healed(policy: str, clean: bool, phase: LaunchPhase) -> None:
    """A clean end is none of `on_failure`'s business."""
    verdict = after_exit(msgspec.convert({"policy": policy}, Restart), a_launch(), clean, NOON, 0.5)
    assert verdict.phase is phase
    assert (verdict.next_attempt_at is None) == (phase is not LaunchPhase.BACKOFF)


@given(st.sampled_from(["never", "on_failure", "always"]), st.booleans(), st.integers(0, 9))
def test_stopped_always_wins(policy: str, clean: bool, times: int) -> None:
    """Over every policy, every end and every count."""
    launch = a_launch(desired=LaunchDesired.STOPPED, restart_count=times, restarts=(NOON,) * times)
    verdict = after_exit(msgspec.convert({"policy": policy}, Restart), launch, clean, NOON, 0.0)
    assert (verdict.phase, verdict.next_attempt_at) == (LaunchPhase.ENDED, None)


@pytest.mark.parametrize(("times", "bound"), [(0, 1.0), (1, 2.0), (2, 4.0), (5, 32.0), (6, 60.0), (1000, 60.0)])
def test_the_pause_is_drawn_from_nothing_up_to_a_bound_that_doubles(times: int, bound: float) -> None:
    """By how often it was started again, up to the longest; and however often that was."""
    longest = after_exit(Restart(), a_launch(restart_count=times), False, NOON, 0.0).next_attempt_at
    half = after_exit(Restart(), a_launch(restart_count=times), False, NOON, 0.5).next_attempt_at
    assert (longest, half) == (at(bound), at(bound / 2))


def test_it_gives_up_after_the_burst_and_the_window_slides() -> None:
    """The restart that is just as old as the interval counts no more."""
    restart = Restart(burst=2, interval=100.0)
    launch = a_launch(restart_count=2, restarts=(at(0), at(50)))
    verdict = after_exit(restart, launch, False, at(99), 0.5)
    assert verdict == Verdict(LaunchPhase.GAVE_UP, None, 2, (at(0), at(50)))
    verdict = after_exit(restart, launch, False, at(100), 0.5)
    assert (verdict.phase, verdict.restarts) == (LaunchPhase.BACKOFF, (at(50),))


def test_the_count_begins_anew_after_a_healthy_period_and_the_burst_does_not() -> None:
    """So that one that fails again soon after each healthy period ends too."""
    restart = Restart(reset_after=30.0)
    assert well_at(restart, a_launch(), at(5)) is None
    assert well_at(restart, a_launch(restart_count=3), at(5)) == at(35)
    well = a_launch(restart_count=0, restarts=tuple(map(at, range(5))))
    assert after_exit(restart, well, False, at(40), 0.5).phase is LaunchPhase.GAVE_UP
    fewer = msgspec.structs.replace(well, restarts=well.restarts[:4])
    assert after_exit(restart, fewer, False, at(40), 0.0).next_attempt_at == at(41)


runs = st.lists(
    st.tuples(st.floats(0.0, 400.0), st.floats(0.0, 1.0, exclude_max=True), st.floats(0.0, 30.0)), max_size=60
)
policies = st.builds(
    Restart,
    policy=st.just("always"),
    burst=st.integers(1, 6),
    interval=st.floats(1.0, 600.0),
    reset_after=st.floats(1.0, 300.0),
    backoff=st.builds(Backoff, initial=st.floats(0.1, 2.0), max=st.floats(2.0, 60.0)),
)


def test_the_defaults_are_those_of_the_documentation() -> None:
    """Each key is there."""
    text = (Path(__file__).parents[2] / "docs" / "healing.md").read_text()
    printed = json.loads(text.split("```json\n")[1].split("```")[0])["restart"]
    assert printed.keys() == set(Restart.__struct_fields__) and msgspec.convert(printed, Restart) == Restart()


@given(policies, runs)
def test_whatever_it_does_there_are_never_more_restarts_than_the_burst_in_any_interval(
    restart: Restart, lives: list[tuple[float, float, float]]
) -> None:
    """It lives for some time, fails, and is started again at its due time or later; then gives up once, for good.

    Each pause is over nothing and within the bound of its count, which is that of the last time it was well.
    """
    launch, now, made = a_launch(), NOON, list[datetime]()
    for lived, draw, late in lives:
        due = well_at(restart, launch, now)
        now += timedelta(seconds=lived)
        if due is not None and due <= now:
            launch = msgspec.structs.replace(launch, restart_count=0)
        verdict = after_exit(restart, launch, False, now, draw)
        if verdict.phase is LaunchPhase.GAVE_UP:
            assert len(made) >= restart.burst and made[-restart.burst] > now - timedelta(seconds=restart.interval)
            break
        assert verdict.next_attempt_at is not None
        bound = min(restart.backoff.max, restart.backoff.initial * 2**launch.restart_count)
        # Times are kept in microseconds.
        assert 0 <= (verdict.next_attempt_at - now).total_seconds() <= bound + 1e-6
        now = verdict.next_attempt_at + timedelta(seconds=late)
        launch = msgspec.structs.replace(launch, restarts=verdict.restarts)
        count, restarts = restarted(restart, launch, now)
        assert count == launch.restart_count + 1 and len(restarts) <= restart.burst
        launch = msgspec.structs.replace(launch, restart_count=count, restarts=restarts)
        made.append(now)
    for first, last in zip(made, made[restart.burst :], strict=False):
        assert last - first >= timedelta(seconds=restart.interval)
    assert all(a <= b for a, b in pairwise(made))


@given(st.floats(0.0, 1.0, exclude_max=True))
def test_one_that_always_crashes_at_once_ends_in_gave_up_after_exactly_its_burst(draw: float) -> None:
    """Whatever chance does."""
    launch, now, made = a_launch(), NOON, 0
    while (verdict := after_exit(Restart(), launch, False, now, draw)).next_attempt_at is not None:
        now, made = verdict.next_attempt_at, made + 1
        count, restarts = restarted(Restart(), launch, now)
        launch = msgspec.structs.replace(launch, restart_count=count, restarts=restarts)
    assert (verdict.phase, made) == (LaunchPhase.GAVE_UP, Restart().burst)
