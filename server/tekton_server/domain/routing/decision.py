"""The decision: which model takes a task, and in which order others would.

Pure: the same catalogue, the same task and the same observations give the same answer, and one more model never changes
the order of two others. What is only told when somebody asks, `explanation` works out from what is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tekton_server.domain.routing.model import CatalogueModel
from tekton_server.domain.routing.score import worth
from tekton_server.domain.routing.serving import UNOBSERVED, Observed, Out, Serving, Standing
from tekton_server.domain.routing.task import Task

FALLBACKS = 8
"""How many models are given besides the chosen one."""

Serves = Callable[[CatalogueModel], Serving]


class Candidate(NamedTuple):
    """A model that fits, with what was known of it."""

    model: CatalogueModel
    serving: Serving
    seen: Observed


Row = tuple[CatalogueModel, Serving, Observed]
"""A candidate as it is kept: a decision makes hundreds of them, and a bare tuple takes a fifth of its time."""
Groups = dict[tuple[int, int, int], list[Row]]


class Facts(NamedTuple):
    """What a decision is made of. `out` and `observed` are by the ids of models, `observed` for the type of task."""

    models: Sequence[CatalogueModel]
    serves: Serves
    out: Mapping[str, Out]
    observed: Mapping[str, Observed]


class Decision(NamedTuple):
    """The answer, the best model first, and what it was made of.

    `usable` are all that would do, in groups: those of one group differ by their scores only. `resting` are those that
    would do and are out for a while, `absent` those that nothing serves. `flagged`: nothing else would do, and `best`
    is the best of the resting.
    """

    task: Task
    best: tuple[Candidate, ...]
    usable: tuple[Sequence[Row], ...]
    resting: Sequence[Row]
    absent: Sequence[Row]
    models: Sequence[CatalogueModel]
    out: Mapping[str, Out]
    flagged: bool

    @property
    def chosen(self) -> Candidate | None:
        """The model to use; None where there is none."""
        return self.best[0] if self.best else None


def decide(task: Task, facts: Facts) -> Decision:
    """Decide.

    The groups: the same tier, then upwards, each time those first that miss no wish; then downwards, the nearest tier
    first whatever it misses, so that a harder task never gets less than an easier one.
    """
    groups: Groups = {}
    resting_groups: Groups = {}
    resting: list[Row] = []
    absent: list[Row] = []
    # The loop sees every model of the catalogue: what can be looked up once is, and nothing is called that need not be.
    out, observed, serves, tier, kind = facts.out, facts.observed, facts.serves, task.tier, task.task_type
    picky = bool(task.preferred_capabilities or task.preferred_providers or task.max_latency_ms is not None)
    gone = Standing.UNAVAILABLE
    for model in fitting(task, facts.models):
        serving, seen = serves(model), observed.get(model.model_id, UNOBSERVED)
        row = (model, serving, seen)
        if serving.standing is gone:
            absent.append(row)
        else:
            found = groups
            if model.model_id in out:
                resting.append(row)
                found = resting_groups
            missed = serving.suspect or kind not in model.offers or (picky and _disliked(task, model, seen))
            distance = model.tier - tier
            group = (0, missed, distance) if distance >= 0 else (1, -distance, missed)
            found.setdefault(group, []).append(row)
    usable = _in_order(groups)
    flagged = not usable and bool(resting) and task.fallback
    best = _first(task, _in_order(resting_groups) if flagged else usable, 1 if flagged else 1 + FALLBACKS)
    return Decision(task, best, usable, resting, absent, facts.models, out, flagged)


def _in_order(groups: Groups) -> tuple[Sequence[Row], ...]:
    return tuple(groups[group] for group in sorted(groups))


def fitting(task: Task, models: Sequence[CatalogueModel]) -> list[CatalogueModel]:
    """Give the models in use that miss nothing hard; `explanation.misfit` tells why another is not among them."""
    needed, window, output = frozenset(task.capabilities), task.context_length + task.output_tokens, task.output_tokens
    least = least_tier(task)
    found = [
        model
        for model in models
        if model.tier >= least
        and model.enabled
        and model.context_window >= window
        and model.max_output_tokens >= output
        and needed <= model.offers
    ]
    if task.providers:
        found = [model for model in found if model.provider in task.providers]
    if task.exclude_providers or task.exclude_models:
        found = [
            model
            for model in found
            if model.provider not in task.exclude_providers and model.model_id not in task.exclude_models
        ]
    if task.max_cost is not None:
        found = [model for model in found if _affordable(task, model, task.max_cost)]
    return found


def least_tier(task: Task) -> int:
    """Give the lowest tier that fits: without fallback it is that of the complexity."""
    return task.min_tier if task.fallback else max(task.min_tier, task.tier)


def _affordable(task: Task, model: CatalogueModel, most: float) -> bool:
    cost = model.cost(task.context_length, task.output_tokens)
    return cost is not None and cost <= most


def _disliked(task: Task, model: CatalogueModel, seen: Observed) -> bool:
    return (
        not model.offers.issuperset(task.preferred_capabilities)
        or bool(task.preferred_providers and model.provider not in task.preferred_providers)
        or too_slow(task, seen)
    )


def too_slow(task: Task, seen: Observed) -> bool:
    """Tell whether a model is known to take longer than is wished."""
    return task.max_latency_ms is not None and seen.timed and seen.latency_ms > task.max_latency_ms


def ordered(task: Task, rows: Sequence[Row]) -> Iterator[Candidate]:
    """Give the candidates of a group by their scores, of equals the larger context window, then the earlier entry."""
    value = worth(task)
    keyed = [(-value(*row), -row[0].context_window, row[0].place, row) for row in rows]
    keyed.sort()
    return (Candidate(*entry[3]) for entry in keyed)


def _first(task: Task, groups: Sequence[Sequence[Row]], most: int) -> tuple[Candidate, ...]:
    found: list[Candidate] = []
    for group in groups:
        found += ordered(task, group)
        if len(found) >= most:
            break
    return tuple(found[:most])
