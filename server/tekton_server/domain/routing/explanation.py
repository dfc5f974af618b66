"""Why a decision is as it is: every model of the catalogue, its rank and its score, or the rule that dropped it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import islice

import msgspec

from tekton.core.errors import ModelUnavailableError, NoRouteError, TektonError
from tekton_server.domain.routing.decision import Candidate, Decision, least_tier, ordered, too_slow
from tekton_server.domain.routing.model import CatalogueModel
from tekton_server.domain.routing.score import Score, parts, total
from tekton_server.domain.routing.task import Task

SHOWN = 1000
"""How many models an explanation tells of: every one of a large catalogue is more than anybody reads."""
# How many models a refusal names.
_NAMED = 5


class Rule(StrEnum):
    """Why a model was dropped. Up to `complexity` they say that it does not fit, the rest that it cannot be had now."""

    EXCLUDED = "excluded"
    PROVIDER = "provider"
    CAPABILITIES = "capabilities"
    MIN_TIER = "min_tier"
    COMPLEXITY = "complexity"
    CONTEXT_WINDOW = "context_window"
    OUTPUT_LIMIT = "output_limit"
    PRICE_UNKNOWN = "price_unknown"
    MAX_COST = "max_cost"
    DISABLED = "disabled"
    NOT_SERVED = "not_served"
    COOLING_DOWN = "cooling_down"
    PROBING = "probing"


class Unmet(StrEnum):
    """What a model misses of what was wished."""

    COMPLEXITY = "complexity"
    TASK_TYPE = "task_type"
    PREFERRED_CAPABILITIES = "preferred_capabilities"
    PREFERRED_PROVIDERS = "preferred_providers"
    MAX_LATENCY = "max_latency_ms"
    LIVENESS = "liveness"
    COOLING_DOWN = "cooling_down"


class Told(msgspec.Struct, frozen=True):
    """A model in an explanation: `rank` from 1 and its score, or 0 and the rule that dropped it; `why` is a sentence.

    The best of those that are cooling down has both, where nothing else would do.
    """

    model_id: str
    provider: str
    tier: int
    rank: int
    why: str
    rule: Rule | None = None
    score: Score | None = None
    total: float = 0.0
    unmet: tuple[Unmet, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """A decision to be shown or kept: those that would do, and as many of the others as anybody reads, of `total`."""

    decision_id: str
    decided_at: datetime
    task: Task
    selected: str
    flagged: bool
    models: tuple[Told, ...]
    total: int


def explain(decision: Decision, most: int = SHOWN) -> list[Told]:
    """Explain: those that would do in their order, then the others in the order of the catalogue; so many at most."""
    candidates = [one for group in decision.usable for one in ordered(decision.task, group)]
    if decision.flagged:
        candidates = list(decision.best)
    ranked = [_taken(decision, one, rank) for rank, one in enumerate(candidates[:most], 1)]
    known = {one.model.model_id for one in candidates}
    absent = _absent(decision)
    others = (one for one in decision.models if one.model_id not in known)
    return ranked + [_dropped(decision, one, absent) for one in islice(others, most - len(ranked))]


def _taken(decision: Decision, one: Candidate, rank: int) -> Told:
    missed, found, model = unmet(decision, one), parts(decision.task, *one), one.model
    why = f"it would do, but misses {', '.join(missed)}" if missed else "it fits"
    rule = None
    if decision.flagged:
        rule, why = _out(decision, model)
    return Told(model.model_id, model.provider, model.tier, rank, why, rule, found, total(found), missed)


def unmet(decision: Decision, one: Candidate) -> tuple[Unmet, ...]:
    """Tell what a candidate misses of what was wished."""
    task, (model, serving, seen) = decision.task, one
    missed = {
        Unmet.COMPLEXITY: model.tier < task.tier,
        Unmet.TASK_TYPE: task.task_type not in model.offers,
        Unmet.PREFERRED_CAPABILITIES: not model.offers.issuperset(task.preferred_capabilities),
        Unmet.PREFERRED_PROVIDERS: bool(task.preferred_providers) and model.provider not in task.preferred_providers,
        Unmet.MAX_LATENCY: too_slow(task, seen),
        Unmet.LIVENESS: serving.suspect,
        Unmet.COOLING_DOWN: model.model_id in decision.out,
    }
    return tuple(wish for wish, is_missed in missed.items() if is_missed)


def _dropped(decision: Decision, model: CatalogueModel, absent: Mapping[str, str]) -> Told:
    task = decision.task
    rule = misfit(task, model)
    if rule is not None:
        why = _MISFITS[rule][1](task, model)
    else:
        rule, why = _not_to_be_had(decision, model, absent)
    return Told(model.model_id, model.provider, model.tier, 0, why, rule)


def _absent(decision: Decision) -> Mapping[str, str]:
    """Give why nobody serves those that nobody serves, by their ids."""
    return {model.model_id: serving.why for model, serving, _ in decision.absent}


def _not_to_be_had(decision: Decision, model: CatalogueModel, absent: Mapping[str, str]) -> tuple[Rule, str]:
    """Tell why a model that fits cannot be had now."""
    if not model.enabled:
        return Rule.DISABLED, "it is disabled"
    if model.model_id in absent:
        return Rule.NOT_SERVED, absent[model.model_id]
    return _out(decision, model)


def _out(decision: Decision, model: CatalogueModel) -> tuple[Rule, str]:
    out = decision.out[model.model_id]
    return (Rule.PROBING if out.probing else Rule.COOLING_DOWN), out.why


Misfit = Callable[[Task, CatalogueModel], bool]
Sentence = Callable[[Task, CatalogueModel], str]


def _cost(task: Task, model: CatalogueModel) -> float | None:
    return model.cost(task.context_length, task.output_tokens)


def _window(task: Task) -> int:
    return task.context_length + task.output_tokens


def _wrong_provider(task: Task, model: CatalogueModel) -> bool:
    unwanted = bool(task.providers) and model.provider not in task.providers
    return unwanted or model.provider in task.exclude_providers


def _lacking(task: Task, model: CatalogueModel) -> str:
    return ", ".join(one for one in task.capabilities if one not in model.offers)


# The rules of `decision.fitting` in the order in which they are told, each with its sentence about a model.
_MISFITS: Mapping[Rule, tuple[Misfit, Sentence]] = {
    Rule.EXCLUDED: (
        lambda task, one: one.model_id in task.exclude_models,
        lambda task, one: "it is excluded by its id",
    ),
    Rule.PROVIDER: (
        _wrong_provider,
        lambda task, one: f"its provider {one.provider} is excluded or not among those wanted",
    ),
    Rule.CAPABILITIES: (
        lambda task, one: not one.offers.issuperset(task.capabilities),
        lambda task, one: f"it does not offer {_lacking(task, one)}",
    ),
    Rule.MIN_TIER: (
        lambda task, one: one.tier < task.min_tier,
        lambda task, one: f"its tier {one.tier} is below {task.min_tier}",
    ),
    Rule.COMPLEXITY: (
        lambda task, one: one.tier < least_tier(task),
        lambda task, one: (
            f"its tier {one.tier} is below {task.tier}, which the complexity calls for, and no fallback is wanted"
        ),
    ),
    Rule.CONTEXT_WINDOW: (
        lambda task, one: one.context_window < _window(task),
        lambda task, one: f"its context window of {one.context_window} tokens is less than the {_window(task)} needed",
    ),
    Rule.OUTPUT_LIMIT: (
        lambda task, one: one.max_output_tokens < task.output_tokens,
        lambda task, one: f"it gives {one.max_output_tokens} tokens at most, and {task.output_tokens} are wanted",
    ),
    Rule.PRICE_UNKNOWN: (
        lambda task, one: task.max_cost is not None and _cost(task, one) is None,
        lambda task, one: "nobody knows what it costs, and there is a ceiling",
    ),
    Rule.MAX_COST: (
        lambda task, one: task.max_cost is not None and (_cost(task, one) or 0.0) > task.max_cost,
        lambda task, one: f"it would cost {_cost(task, one) or 0.0:.6f} dollars, over {task.max_cost or 0.0:.6f}",
    ),
}


def misfit(task: Task, model: CatalogueModel) -> Rule | None:
    """Tell the first hard rule by which a model does not fit; None where it fits, as `decision.fitting` has it."""
    return next((rule for rule, (broken, _) in _MISFITS.items() if broken(task, model)), None)


def refusal(decision: Decision) -> TektonError:
    """Make the error for a task that no model takes: 1009 where none fits, 1010 where those that fit cannot be had."""
    misfits = {model.model_id: misfit(decision.task, model) for model in decision.models}
    counts = Counter(rule.value for rule in misfits.values() if rule is not None)
    fits = [model for model in decision.models if misfits[model.model_id] is None]
    if not fits:
        return _nothing_fits(decision, counts)
    absent = _absent(decision)
    named = {model.model_id: _not_to_be_had(decision, model, absent)[1] for model in fits[:_NAMED]}
    sentence = "; ".join(f"{name}: {why}" for name, why in named.items())
    more = f"; and {len(fits) - _NAMED} more" if len(fits) > _NAMED else ""
    error = ModelUnavailableError(
        f"{len(fits)} of {len(decision.models)} models fit the task and none can be had now: {sentence}{more}",
        details={"task_type": decision.task.task_type, "models": named, "rejected": dict(counts)},
    )
    waits = [decision.out[model.model_id].seconds for model, _, _ in decision.resting]
    if waits:
        error.retry_after = max(1.0, float(math.ceil(min(waits))))
        error.details["retry_after"] = error.retry_after
    return error


def _nothing_fits(decision: Decision, counts: Counter[str]) -> NoRouteError:
    said = ", ".join(f"{count} by {rule}" for rule, count in counts.most_common())
    why = f"of {len(decision.models)} models, {said}" if counts else "the catalogue holds no model"
    return NoRouteError(
        f"no model fits the task: {why}; `tekton route --explain` tells of each",
        details={"task_type": decision.task.task_type, "rejected": dict(counts)},
    )


def criteria(task: Task, model: CatalogueModel) -> Mapping[str, bool]:
    """Tell how a model meets what was asked, by the documented names."""
    return {
        "complexity_match": model.tier >= task.tier,
        "context_window_sufficient": model.context_window >= task.context_length + task.output_tokens,
        "capability_match": model.offers.issuperset(task.capabilities),
        "tier_match": model.tier >= task.min_tier,
    }
