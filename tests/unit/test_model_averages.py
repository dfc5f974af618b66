"""What is learnt of models fades by halves, adds up over servers, and is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton_server.domain.routing.averages import ALL, Averages, Sums
from tekton_server.domain.routing.outcomes import ErrorClass, Outcome
from tekton_server.domain.routing.serving import UNOBSERVED

HALF = 600.0


def outcome(model_id: str = "m", task_type: str = "code", *, ok: bool = True, **fields: object) -> Outcome:
    return Outcome(model_id=model_id, task_type=task_type, ok=ok, **fields)  # type: ignore[arg-type]


def test_half_of_what_was_counted_is_gone_after_a_half_life() -> None:
    """Counts, failures, tokens and money alike, so that rates stay."""
    known = Averages(HALF, now=0.0)
    for at in range(4):
        known.add(outcome(ok=at > 0, latency_ms=100.0, input_tokens=10, output_tokens=5, cost=0.5), 0.0)
    whole, half = known.sums("m", 0.0), known.sums("m", HALF)
    assert whole == Sums(4, 1, 3, 300, 40, 20, 2)
    assert half == pytest.approx([value / 2 for value in whole])
    assert known.sums("m", HALF, "code") == pytest.approx(half)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), max_size=30))
def test_sums_are_the_same_wherever_the_landmark_is(told: list[tuple[float, bool]]) -> None:
    """A long time of many half-lives moves it, and loses nothing that is worth keeping."""
    told = sorted(told)
    known, now = Averages(HALF, now=0.0), 1e6
    for at, ok in told:
        known.add(outcome(ok=ok), at)
    expected = sum(0.5 ** ((now - at) / HALF) for at, _ in told)
    assert known.sums("m", now).calls == pytest.approx(expected, abs=1e-3)


def test_what_several_servers_learnt_is_added() -> None:
    """Each stores what is new to it, and reads the sum: nothing is counted twice, and nothing is lost meanwhile."""
    one, other, stored = Averages(HALF, 0.0), Averages(HALF, 50.0), dict[tuple[str, str], Sums]()

    def flush(averages: Averages, now: float, during: Outcome | None = None) -> None:
        taken = averages.take(now)
        if during is not None:
            averages.add(during, now)
        for key, sums in taken.items():
            stored[key] = stored.get(key, Sums()).plus(sums)
        averages.learn([(key, stored[key]) for key in taken], now)

    one.add(outcome(), 100.0)
    other.add(outcome(ok=False), 100.0)
    flush(one, 100.0, during=outcome())
    flush(other, 100.0)
    flush(one, 100.0)
    assert one.sums("m", 100.0)[:2] == pytest.approx((3, 1))
    other.learn(stored.items(), 100.0)
    assert other.sums("m", 100.0) == pytest.approx(one.sums("m", 100.0))


def test_what_could_not_be_stored_is_stored_later() -> None:
    """As of the time when it was taken."""
    known = Averages(HALF, 0.0)
    known.add(outcome(), 0.0)
    taken = known.take(0.0)
    known.give_back(taken, 0.0)
    assert known.take(HALF)["code", "m"].calls == pytest.approx(0.5)
    assert known.take(HALF) == {}


def test_little_knowledge_of_a_type_of_task_leans_on_all_types() -> None:
    """And little knowledge of a model on what is taken for granted."""
    known = Averages(HALF, 0.0)
    assert known.observed("code").get("m", UNOBSERVED) is UNOBSERVED
    for _ in range(100):
        known.add(outcome(task_type="prose", ok=False), 0.0)
    prose, code = known.observed("prose")["m"], known.observed("code")["m"]
    assert prose.error_rate > 0.9 and code.error_rate > 0.9
    assert not code.timed
    for _ in range(100):
        known.add(outcome(latency_ms=500.0), 0.0)
    code, other = known.observed("code")["m"], known.observed("poetry")["m"]
    assert code.error_rate < 0.1 < 0.4 < other.error_rate < prose.error_rate
    assert code.timed and code.latency_ms < 700


def test_a_failure_of_long_ago_is_forgiven_though_nobody_has_asked_since() -> None:
    """What decisions read fades too."""
    known = Averages(HALF, 0.0)
    for _ in range(20):
        known.add(outcome(ok=False), 0.0)
    before = known.observed("code")["m"].error_rate
    known.fade(10 * HALF)
    assert before > 0.75 and known.observed("code")["m"].error_rate < 0.05


def test_types_of_task_and_sums_are_bounded() -> None:
    """What was not heard of for the longest time goes; what is known over all types stays."""
    known = Averages(HALF, 0.0, types=3, most=1000)
    for at in range(50):
        known.add(outcome(task_type=f"type-{at}"), 0.0)
    assert known.sums("m", 0.0).calls == 50
    assert [known.sums("m", 0.0, f"type-{at}").calls for at in (46, 47, 48, 49)] == [0, 1, 1, 1]
    assert {key[0] for key in known.take(0.0)} == {ALL, "type-47", "type-48", "type-49"}
    small = Averages(HALF, 0.0, types=3, most=4)
    for at in range(4):
        small.add(outcome(f"m{at}"), 0.0)
    assert small.sums("m0", 0.0, "code").calls == 0 and small.sums("m0", 0.0).calls == 1


@pytest.mark.parametrize("kind", ErrorClass)
def test_what_is_the_callers_own_fault_is_not_the_models(kind: ErrorClass) -> None:
    """A request that was wrong, too long, refused for its content or broken off says nothing of the model."""
    own = {"invalid_request", "context_length", "content_filtered", "cancelled"}
    assert outcome(ok=False, error_class=kind).failed == (kind.value not in own)
