"""Models go out by rate, by their provider's word and by refused authentication, and come back by trial."""

from __future__ import annotations

from tekton.core.breaker import Permit
from tekton_server.domain.routing.outcomes import ErrorClass, Outcome
from tekton_server.live.routing.cooldowns import LONGEST, MOST, Cooldowns
from tekton_server.live.routing.terms import RoutingTerms


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def began(**terms: object) -> tuple[Cooldowns, Time]:
    time = Time()
    given = {"min_requests": 4, "failure_rate": 0.5, "window": 60.0, "cooldown": 30.0, "auth_cooldown": 300.0}
    return Cooldowns(RoutingTerms(**(given | terms)), time), time  # type: ignore[arg-type]


def told(*, ok: bool = False, kind: ErrorClass = ErrorClass.SERVER_ERROR, **fields: object) -> Outcome:
    return Outcome(model_id="m", task_type="code", ok=ok, error_class=kind, **fields)  # type: ignore[arg-type]


def fail(cooldowns: Cooldowns, times: int = 4, kind: ErrorClass = ErrorClass.SERVER_ERROR) -> None:
    for _ in range(times):
        cooldowns.count(told(kind=kind))


def test_a_share_of_failures_within_the_window_puts_a_model_out_for_the_set_time() -> None:
    """By rate over a window that is set, not by a number over a fixed minute (litellm 18551)."""
    cooldowns, time = began()
    fail(cooldowns, 3)
    assert not cooldowns.out()
    fail(cooldowns, 1)
    out = cooldowns.out()["m"]
    assert out.seconds == 30 and "too many of its requests failed" in out.why and not out.probing
    assert cooldowns.openings == 1
    time.now += 29.9
    assert cooldowns.out()
    time.now += 0.1
    assert not cooldowns.out() and cooldowns.trying("m")


def test_failures_that_are_older_than_the_window_do_not_count() -> None:
    """Three now and one an hour ago are three."""
    cooldowns, time = began()
    fail(cooldowns, 3)
    time.now += 61
    fail(cooldowns, 3)
    assert not cooldowns.out()


def test_successes_keep_a_model_in() -> None:
    """Four failures among twenty are no reason."""
    cooldowns, _ = began()
    for _ in range(16):
        cooldowns.count(told(ok=True))
    fail(cooldowns, 4)
    assert not cooldowns.out()


def test_a_model_that_is_slow_and_answers_is_not_down() -> None:
    """Timeouts count only while nothing succeeds (OrcaRouter-Lite 110): a caller's patience is not its fault."""
    cooldowns, time = began()
    cooldowns.count(told(ok=True))
    fail(cooldowns, 50, ErrorClass.TIMEOUT)
    assert not cooldowns.out()
    time.now += 61
    fail(cooldowns, 4, ErrorClass.TIMEOUT)
    assert cooldowns.out()


def test_what_the_provider_asks_for_is_honoured_at_once() -> None:
    """One answer is enough, whatever the rate is (litellm 3274, 7669); the wait is bounded."""
    cooldowns, time = began()
    cooldowns.count(told(kind=ErrorClass.RATE_LIMITED, retry_after=12.0))
    assert cooldowns.out()["m"].seconds == 12
    time.now += 12
    assert not cooldowns.out() and not cooldowns.trying("m")
    cooldowns.count(told(kind=ErrorClass.OVERLOADED, retry_after=80_000.0))
    assert cooldowns.out()["m"].seconds == LONGEST


def test_a_limited_rate_without_a_word_is_a_short_pause() -> None:
    """Long enough to turn to another model, short enough to come back."""
    cooldowns, time = began()
    cooldowns.count(told(kind=ErrorClass.RATE_LIMITED))
    assert 0 < cooldowns.out()["m"].seconds <= 5
    time.now += 5
    assert not cooldowns.out()


def test_a_refused_authentication_cools_longer() -> None:
    """It does not mend by itself."""
    cooldowns, time = began()
    cooldowns.count(told(kind=ErrorClass.AUTH))
    assert cooldowns.out()["m"].seconds == 300
    time.now += 299
    assert "authentication" in cooldowns.out()["m"].why


def test_what_is_the_callers_own_fault_does_not_count() -> None:
    """However often it is told."""
    cooldowns, _ = began()
    for kind in (ErrorClass.INVALID_REQUEST, ErrorClass.CANCELLED, ErrorClass.CONTENT_FILTERED):
        fail(cooldowns, 20, kind)
    assert not cooldowns.out()


def probed(cooldowns: Cooldowns, times: int) -> list[Permit]:
    return [one for one in (cooldowns.probe("m") for _ in range(times)) if isinstance(one, Permit)]


def test_exactly_so_many_requests_are_tried_on_it_before_all_come_back() -> None:
    """A hundred that choose it at once give two on trial; the others are told so, and go elsewhere."""
    cooldowns, time = began(probes=2)
    fail(cooldowns)
    time.now += 30
    first, second = probed(cooldowns, 100)
    refused = cooldowns.probe("m")
    assert not isinstance(refused, Permit) and refused.probing
    cooldowns.count(told(ok=True), first)
    assert cooldowns.trying("m")
    cooldowns.count(told(ok=True), second)
    assert not cooldowns.trying("m") and not cooldowns.out()


def test_a_trial_that_fails_puts_it_out_again() -> None:
    """For as long as before."""
    cooldowns, time = began(probes=1)
    fail(cooldowns)
    time.now += 30
    (permit,) = probed(cooldowns, 3)
    cooldowns.count(told(), permit)
    assert cooldowns.out()["m"].seconds == 30


def test_a_trial_whose_request_was_wrong_gives_its_place_back() -> None:
    """It tells nothing of the model."""
    cooldowns, time = began(probes=1)
    fail(cooldowns)
    time.now += 30
    (permit,) = probed(cooldowns, 3)
    cooldowns.count(told(kind=ErrorClass.INVALID_REQUEST), permit)
    assert len(probed(cooldowns, 3)) == 1


def test_where_everything_is_down_the_first_success_ends_the_wait() -> None:
    """A flagged choice that went well brings its model back before its time (kubernetes 57291)."""
    cooldowns, _ = began()
    fail(cooldowns)
    cooldowns.count(told(kind=ErrorClass.AUTH))
    cooldowns.count(told(ok=True), flagged=True)
    assert not cooldowns.out() and not cooldowns.trying("m")


def test_a_late_answer_of_before_does_not_bring_it_back() -> None:
    """What began while it was in says nothing once it is out."""
    cooldowns, _ = began()
    fail(cooldowns)
    cooldowns.count(told(ok=True))
    assert cooldowns.out()


def test_what_is_watched_is_bounded_and_never_forgets_who_is_out() -> None:
    """Models that are well are forgotten first."""
    cooldowns, _ = began()
    fail(cooldowns)
    for at in range(MOST + 10):
        cooldowns.count(Outcome(model_id=f"well-{at}", task_type="code", ok=True))
    assert len(cooldowns._watched) == MOST
    assert set(cooldowns.out()) == {"m"}


def test_who_is_tried_as_often_as_may_be_is_told_of_before_it_is_chosen() -> None:
    """A decision need not be made again for each of them; a place that is given back is there again."""
    cooldowns, time = began(probes=2)
    fail(cooldowns)
    time.now += 30
    (first,) = probed(cooldowns, 1)
    assert not cooldowns.out()
    (second,) = probed(cooldowns, 1)
    assert cooldowns.out()["m"].probing and not probed(cooldowns, 1)
    cooldowns.count(told(kind=ErrorClass.CANCELLED), second)
    assert not cooldowns.out() and len(probed(cooldowns, 3)) == 1
    cooldowns.count(told(), first)
    assert cooldowns.out()["m"].probing


def test_a_provider_that_wants_to_be_left_alone_is_whatever_went_wrong() -> None:
    """After a timeout too, while others succeed; and for an hour at most, after a refused authentication too."""
    cooldowns, _ = began()
    cooldowns.count(told(ok=True))
    cooldowns.count(told(kind=ErrorClass.TIMEOUT, retry_after=20.0))
    assert cooldowns.out()["m"].seconds == 20
    cooldowns.count(told(kind=ErrorClass.AUTH, retry_after=86_400.0))
    assert cooldowns.out()["m"].seconds == LONGEST
