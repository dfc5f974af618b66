"""Routing decided: what is hard is never missed, what is soft is told, and the order is the promised one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tekton.core.errors import ModelUnavailableError, NoRouteError
from tekton.core.model_records import ModelFacts
from tekton_server.domain.routing.decision import Decision, Facts, decide, fitting
from tekton_server.domain.routing.explanation import Rule, Unmet, explain, misfit, refusal, unmet
from tekton_server.domain.routing.model import CatalogueModel, completed
from tekton_server.domain.routing.score import parts, total, worth
from tekton_server.domain.routing.serving import Observed, Out, Serving, Standing
from tekton_server.domain.routing.task import TIERS, Complexity, Task

T = TypeVar("T")
READY = Serving(Standing.AVAILABLE, "http://localhost:8003", "rhetor")
CAPABILITIES = ("text_generation", "code_generation", "vision")
PROVIDERS = ("anthropic", "openai", "ollama")


def model(model_id: str, place: int = 0, **facts: object) -> CatalogueModel:
    given = {"provider": "openai", "tier": 2, "context_window": 8000, "capabilities": ("text_generation",)}
    return completed(model_id, ModelFacts(**(given | facts)), ("registered",), place, 1)  # type: ignore[arg-type]


def decided(
    task: Task,
    models: Sequence[CatalogueModel],
    serving: Mapping[str, Serving] | None = None,
    out: Mapping[str, Out] | None = None,
    observed: Mapping[str, Observed] | None = None,
) -> Decision:
    found = serving or {}
    return decide(task, Facts(models, lambda one: found.get(one.model_id, READY), out or {}, observed or {}))


def order(decision: Decision) -> list[str]:
    return [one.model.model_id for one in decision.best]


def text_task(**fields: object) -> Task:
    return Task(**({"task_type": "text_generation"} | fields))  # type: ignore[arg-type]


def seldom(found: st.SearchStrategy[T], otherwise: T) -> st.SearchStrategy[T]:
    """Demands that all come together leave nothing to answer: most of the time there is none of a kind."""
    return st.integers(0, 3).flatmap(lambda drawn: found if drawn == 3 else st.just(otherwise))


prices = st.none() | st.sampled_from((0.0, 1.0, 100.0)) | st.floats(0, 100, allow_nan=False)
models = st.lists(
    st.builds(
        ModelFacts,
        provider=st.sampled_from(PROVIDERS),
        capabilities=seldom(st.sets(st.sampled_from(CAPABILITIES)).map(lambda some: tuple(sorted(some))), CAPABILITIES),
        tier=st.integers(1, 5),
        context_window=seldom(st.sampled_from((0, 1000, 8000)), 200_000),
        max_output_tokens=seldom(st.sampled_from((100, 4000)), None),
        input_price=prices,
        output_price=prices,
        enabled=seldom(st.just(False), None),
    ),
    min_size=1,
    max_size=12,
).map(lambda some: [completed(f"m{at}", facts, (), at, 0) for at, facts in enumerate(some)])
names = st.lists(st.sampled_from(PROVIDERS), max_size=2, unique=True).map(tuple)
able = st.lists(st.sampled_from(CAPABILITIES), max_size=2, unique=True).map(tuple)
tasks = st.builds(
    Task,
    task_type=st.sampled_from((*CAPABILITIES, "poetry")),
    complexity=st.sampled_from(Complexity),
    context_length=st.sampled_from((0, 1000, 7000)),
    output_tokens=st.sampled_from((0, 101, 2000)),
    capabilities=seldom(able, ()),
    min_tier=seldom(st.integers(0, 4), 0),
    max_cost=seldom(st.sampled_from((0.0, 0.01, 0.1)) | st.floats(0, 2), None),
    providers=seldom(names, ()),
    exclude_providers=seldom(names, ()),
    exclude_models=seldom(st.lists(st.sampled_from(("m0", "m1", "m5")), max_size=2).map(tuple), ()),
    preferred_capabilities=seldom(able, ()),
    preferred_providers=seldom(names, ()),
    max_latency_ms=seldom(st.floats(0, 5000), None),
    fallback=st.booleans(),
)
# Few, so that the tier that is called for is often missing.
few = st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=4).map(
    lambda some: [
        model(f"m{at}", at, tier=tier, capabilities=CAPABILITIES if offers else ())
        for at, (tier, offers) in enumerate(some)
    ]
)
servings = st.dictionaries(
    st.sampled_from([f"m{at}" for at in range(12)]),
    st.builds(
        Serving,
        st.sampled_from((Standing.AVAILABLE, Standing.DEGRADED, Standing.UNAVAILABLE)),
        st.just("http://a:1"),
        st.just("a"),
        st.just("it is so"),
        st.booleans(),
    ),
)
outs = st.dictionaries(
    st.sampled_from([f"m{at}" for at in range(12)]),
    st.builds(Out, st.just("it failed"), st.floats(0, 60), st.booleans()),
)
seen = st.dictionaries(
    st.sampled_from([f"m{at}" for at in range(12)]),
    st.builds(Observed, st.floats(0, 1), st.floats(0, 60_000), st.booleans()),
)


def violates(task: Task, found: CatalogueModel) -> bool:
    """Tell in other words than the code whether a model misses what is hard."""
    cost = None
    if found.input_price is not None and (found.output_price is not None or not task.output_tokens):
        cost = task.context_length * found.input_price / 1e6 + task.output_tokens * (found.output_price or 0) / 1e6
    return not (
        found.enabled
        and set(task.capabilities) <= set(found.capabilities)
        and found.context_window >= task.context_length + task.output_tokens
        and found.max_output_tokens >= task.output_tokens
        and found.tier >= task.min_tier
        and (not task.providers or found.provider in task.providers)
        and found.provider not in task.exclude_providers
        and found.model_id not in task.exclude_models
        and (task.max_cost is None or (cost is not None and cost <= task.max_cost + 1e-9))
        and (task.fallback or found.tier >= TIERS[task.complexity])
    )


@settings(max_examples=150)
@given(tasks, models, servings, outs, seen)
def test_no_answer_ever_misses_what_is_hard(
    task: Task,
    found: list[CatalogueModel],
    serving: Mapping[str, Serving],
    out: Mapping[str, Out],
    observed: Mapping[str, Observed],
) -> None:
    """Neither the chosen model nor a fallback, and none is there that nothing serves."""
    decision = decided(task, found, serving, out, observed)
    for one in decision.best:
        assert not violates(task, one.model)
        assert one.serving.standing is not Standing.UNAVAILABLE
        assert decision.flagged or one.model.model_id not in out
    assert not decision.flagged or (task.fallback and len(decision.best) == 1)


@given(tasks, models | few, servings, outs, seen)
def test_a_harder_task_never_gets_a_lower_tier_while_a_fitting_one_is_there(
    task: Task,
    found: list[CatalogueModel],
    serving: Mapping[str, Serving],
    out: Mapping[str, Out],
    observed: Mapping[str, Observed],
) -> None:
    """Over low, medium and high the tier of the chosen model never falls; and it is below what the complexity calls for
    only where nothing of that tier, or above it, could be had."""
    tiers = []
    for complexity in Complexity:
        asked = msgspec.structs.replace(task, complexity=complexity, fallback=True)
        decision = decided(asked, found, serving, out, observed)
        if decision.chosen is None:
            continue
        tier = decision.chosen.model.tier
        rows = decision.resting if decision.flagged else [row for group in decision.usable for row in group]
        usable = [row[0].tier for row in rows]
        assert tier >= TIERS[complexity] or max(usable) < TIERS[complexity]
        tiers.append(tier)
    assert tiers == sorted(tiers)


@given(tasks, models, servings, outs, seen)
def test_an_explanation_tells_of_every_model_once_and_agrees_with_the_answer(
    task: Task,
    found: list[CatalogueModel],
    serving: Mapping[str, Serving],
    out: Mapping[str, Out],
    observed: Mapping[str, Observed],
) -> None:
    """Those that would do with their ranks and scores, the others with the rule that dropped them and a sentence."""
    decision = decided(task, found, serving, out, observed)
    told = explain(decision)
    assert sorted(one.model_id for one in told) == sorted(one.model_id for one in found)
    ranked = [one for one in told if one.rank]
    assert [one.rank for one in ranked] == list(range(1, len(ranked) + 1))
    assert order(decision) == [one.model_id for one in ranked[: len(decision.best)]]
    assert all(one.rule is not None for one in told if not one.rank)
    assert all(one.why for one in told)
    for one in ranked:
        assert one.score is not None and 0 <= one.total <= 1
        assert decision.flagged or one.rule is None


@given(tasks, models, servings, outs, seen)
def test_what_is_fast_says_what_is_slow(
    task: Task,
    found: list[CatalogueModel],
    serving: Mapping[str, Serving],
    out: Mapping[str, Out],
    observed: Mapping[str, Observed],
) -> None:
    """The filter and the score of a decision are the rules and the parts of its explanation."""
    assert [one.model_id for one in fitting(task, found)] == [
        one.model_id for one in found if one.enabled and misfit(task, one) is None
    ]
    for group in decided(task, found, serving, out, observed).usable:
        for row in group:
            assert worth(task)(*row) == pytest.approx(total(parts(task, *row)), abs=2e-6)


@given(tasks, models, servings, outs, seen, st.integers(0, 11))
def test_one_model_more_never_changes_the_order_of_two_others(
    task: Task,
    found: list[CatalogueModel],
    serving: Mapping[str, Serving],
    out: Mapping[str, Out],
    observed: Mapping[str, Observed],
    at: int,
) -> None:
    """Independence of irrelevant alternatives: nobody can be moved by registering a model that loses."""

    def ranks(some: list[CatalogueModel]) -> list[str]:
        decision = decided(task, some, serving, out, observed)
        return [] if decision.flagged else [one.model_id for one in explain(decision) if one.rank]

    without = [one for one in found if one.place != at]
    before, after = ranks(without), ranks(found)
    assert not before or [one for one in after if one != f"m{at}"] == before


def test_the_same_tier_comes_first_then_those_above_then_those_below() -> None:
    """The nearest first, each way."""
    found = [model(f"t{tier}", place, tier=tier) for place, tier in enumerate((5, 1, 3, 2, 4))]
    assert order(decided(text_task(complexity=Complexity.MEDIUM), found)) == ["t2", "t3", "t4", "t5", "t1"]
    assert order(decided(text_task(complexity=Complexity.HIGH), found)) == ["t3", "t4", "t5", "t2", "t1"]


def test_going_down_is_marked_and_is_not_done_without_fallback() -> None:
    """The wish that was missed is told of the model itself."""
    found = [model("small", tier=1), model("middle", 1, tier=2)]
    decision = decided(text_task(complexity=Complexity.HIGH), found)
    assert order(decision) == ["middle", "small"]
    assert [unmet(decision, one) for one in decision.best] == [(Unmet.COMPLEXITY,)] * 2
    strict = decided(text_task(complexity=Complexity.HIGH, fallback=False), found)
    assert strict.chosen is None
    assert {one.rule for one in explain(strict)} == {Rule.COMPLEXITY}


def test_of_the_tiers_below_the_nearest_comes_first_whatever_it_misses() -> None:
    """Otherwise a harder task would get less than an easier one."""
    found = [model("low", tier=1), model("middle", 1, tier=2, capabilities=())]
    for complexity, expected in ((Complexity.MEDIUM, "middle"), (Complexity.HIGH, "middle"), (Complexity.LOW, "low")):
        assert order(decided(text_task(complexity=complexity), found))[0] == expected


def test_what_misses_a_wish_comes_after_what_misses_none() -> None:
    """A model of the tier that does not offer the type of task is behind one above that does."""
    found = [model("other", capabilities=("vision",)), model("above", 1, tier=4)]
    decision = decided(text_task(), found)
    assert order(decision) == ["above", "other"]
    assert unmet(decision, decision.best[1]) == (Unmet.TASK_TYPE,)


def test_a_server_that_lost_its_stream_is_used_last() -> None:
    """Suspect is evidence and not death."""
    found = [model("a"), model("b", 1)]
    shaky = Serving(Standing.AVAILABLE, "http://a:1", "a", "it lost its stream", suspect=True)
    decision = decided(text_task(), found, {"a": shaky})
    assert order(decision) == ["b", "a"]
    assert unmet(decision, decision.best[1]) == (Unmet.LIVENESS,)


def test_equal_models_go_by_context_window_and_then_by_the_catalogue() -> None:
    """As the documents order theirs."""
    found = [model("first"), model("second", 1), model("wide", 2, context_window=128_000)]
    assert order(decided(text_task(), found)) == ["wide", "first", "second"]


def test_what_came_of_a_model_moves_it() -> None:
    """Errors, slowness and price each count against it."""
    found = [model("a"), model("b", 1)]
    assert order(decided(text_task(), found, observed={"a": Observed(0.5, 2000.0, True)})) == ["b", "a"]
    assert order(decided(text_task(), found, observed={"a": Observed(0.02, 20_000.0, True)})) == ["b", "a"]
    dear = [model("a", input_price=50.0, output_price=50.0), model("b", 1, input_price=0.0, output_price=0.0)]
    assert order(decided(text_task(context_length=1000), dear)) == ["b", "a"]


def test_where_all_that_fit_are_cooling_down_the_best_of_them_is_flagged() -> None:
    """And without fallback it is 1010, with the time after which to try again."""
    found = [model("a"), model("b", 1, context_window=128_000)]
    out = {"a": Out("it failed", 20.0), "b": Out("it failed too", 30.0)}
    decision = decided(text_task(), found, out=out)
    assert decision.flagged and order(decision) == ["b"]
    assert unmet(decision, decision.best[0]) == (Unmet.COOLING_DOWN,)
    error = refusal(decided(text_task(fallback=False, complexity=Complexity.LOW), found, out=out))
    assert isinstance(error, ModelUnavailableError)
    assert error.retry_after == error.details["retry_after"] == 20.0
    assert error.details["models"] == {"a": "it failed", "b": "it failed too"}


def test_the_best_of_those_that_are_cooling_down_is_the_first_in_the_order_of_all() -> None:
    """What the complexity calls for, though one below it is cheaper and has failed less."""
    dear = model("dear", tier=3, input_price=60.0)
    cheap = model("cheap", 1, tier=1, input_price=0.0)
    out = {"dear": Out("it failed", 5.0), "cheap": Out("it failed", 5.0)}
    task, seen = text_task(complexity=Complexity.HIGH, context_length=5000), {"dear": Observed(0.6, 9000.0, True)}
    assert order(decided(task, [dear, cheap], out=out, observed=seen)) == ["dear"]


def test_the_hint_when_to_try_again_is_of_the_models_that_would_do() -> None:
    """One that never fits the task, or that nobody serves, may be back much earlier: that helps nobody."""
    found = [model("a"), model("b", 1, capabilities=()), model("c", 2)]
    out = {"a": Out("it failed", 20.0), "b": Out("it failed", 2.0), "c": Out("it failed", 3.0)}
    task = text_task(fallback=False, complexity=Complexity.LOW, capabilities=("text_generation",))
    gone = Serving(Standing.UNAVAILABLE, why="rhetor is not registered")
    assert refusal(decided(task, found, {"c": gone}, out)).retry_after == 20.0


def test_where_nothing_fits_it_is_1009_and_the_rules_are_counted() -> None:
    """Nothing that waits would help: no hint to try again."""
    found = [model("a", context_window=10), model("b", 1, capabilities=())]
    error = refusal(decided(text_task(context_length=100, capabilities=("text_generation",)), found))
    assert isinstance(error, NoRouteError) and error.retry_after is None
    assert error.details["rejected"] == {"context_window": 1, "capabilities": 1}
    assert "2 models" in error.message
    assert isinstance(refusal(decided(text_task(), [])), NoRouteError)


def test_where_what_fits_is_not_served_it_is_1010_and_says_why() -> None:
    """Each with its own reason."""
    gone = Serving(Standing.UNAVAILABLE, why="rhetor is not registered")
    found = [model("a"), model("b", 1, enabled=False)]
    error = refusal(decided(text_task(), found, {"a": gone}))
    assert isinstance(error, ModelUnavailableError) and error.retry_after is None
    assert error.details["models"] == {"a": "rhetor is not registered", "b": "it is disabled"}


def test_a_ceiling_keeps_out_what_nobody_knows_the_price_of() -> None:
    """Unknown is not cheap."""
    found = [model("known", input_price=1.0, output_price=1.0), model("unknown", 1)]
    decision = decided(text_task(context_length=1000, max_cost=0.01), found)
    assert order(decision) == ["known"]
    assert {one.model_id: one.rule for one in explain(decision)}["unknown"] is Rule.PRICE_UNKNOWN


def test_what_is_to_come_back_counts_towards_the_context_window() -> None:
    """And has a limit of its own."""
    found = [model("a", context_window=1000, max_output_tokens=600)]
    assert order(decided(text_task(context_length=400, output_tokens=600), found)) == ["a"]
    for context, output, rule in ((401, 600, Rule.CONTEXT_WINDOW), (0, 601, Rule.OUTPUT_LIMIT)):
        (told,) = explain(decided(text_task(context_length=context, output_tokens=output), found))
        assert told.rule is rule


def test_ten_thousand_models_are_routed_over() -> None:
    """The best of them, and no more fallbacks than anybody reads."""
    found = [model(f"m{at}", at, context_window=8000 + at) for at in range(10_000)]
    decision = decided(text_task(), found)
    assert order(decision)[0] == "m9999" and len(decision.best) == 9
    assert len(explain(decision)) == 1000 and len(explain(decision, 20_000)) == 10_000
