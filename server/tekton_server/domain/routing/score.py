"""What a model is worth for a task: six parts from 0 to 1, each with its weight, and nothing else.

Every part looks at one model alone, so that one more model never changes the order of two others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tekton_server.domain.routing.model import CatalogueModel
from tekton_server.domain.routing.serving import Observed, Serving, Standing
from tekton_server.domain.routing.task import Task

# Where a part is a half: so many milliseconds, and so many US dollars for the request.
HALF_LATENCY, HALF_PRICE = 2000.0, 0.01
# What is counted for a price that nobody knows.
PRICE_UNKNOWN = 0.5


class Score(NamedTuple):
    """The parts of a score."""

    capability: float
    tier: float
    health: float
    errors: float
    latency: float
    price: float


WEIGHTS = Score(capability=0.20, tier=0.15, health=0.20, errors=0.20, latency=0.10, price=0.15)
Worth = Callable[[CatalogueModel, Serving, Observed], float]


def parts(task: Task, model: CatalogueModel, serving: Serving, seen: Observed) -> Score:
    """Tell the parts.

    capability: the share that it offers of the task's type and the preferred capabilities.
    tier: 1 where it is what the complexity calls for, less with each tier above or below.
    health: 1, a half where its server is degraded, and a quarter where that has lost its heartbeat stream.
    errors: 1 without the share of requests that failed; latency and price: 1 at nothing, a half at their halves.
    """
    wished = (task.task_type, *task.preferred_capabilities)
    cost = model.cost(task.context_length, task.output_tokens)
    return Score(
        capability=sum(one in model.offers for one in wished) / len(wished),
        tier=1.0 / (1 + abs(model.tier - task.tier)),
        health=0.25 if serving.suspect else 1.0 if serving.standing is Standing.AVAILABLE else 0.5,
        errors=1.0 - seen.error_rate,
        latency=HALF_LATENCY / (HALF_LATENCY + seen.latency_ms),
        price=PRICE_UNKNOWN if cost is None else HALF_PRICE / (HALF_PRICE + cost),
    )


def total(found: Score) -> float:
    """Give the weighted sum, rounded, so that no last bit of a float decides."""
    return round(sum(weight * part for weight, part in zip(WEIGHTS, found, strict=True)), 6)


def worth(task: Task) -> Worth:
    """Make what gives `total(parts(…))` of many models, four times faster: a decision looks at hundreds of them."""
    wished, kind = (task.task_type, *task.preferred_capabilities), task.task_type
    share = WEIGHTS.capability / len(wished)
    tier, sent, back = task.tier, task.context_length / 1_000_000, task.output_tokens / 1_000_000
    of_tier, of_health, of_errors, of_latency, of_price = WEIGHTS[1:]
    simple, available = len(wished) == 1, Standing.AVAILABLE

    def found(model: CatalogueModel, serving: Serving, seen: Observed) -> float:
        offers = model.offers
        capability = share * (kind in offers) if simple else share * sum(one in offers for one in wished)
        away = model.tier - tier
        health = 0.25 if serving.suspect else 1.0 if serving.standing is available else 0.5
        rate, latency, _ = seen
        paid, earned = model.input_price, model.output_price
        if paid is None or (back and earned is None):
            price = PRICE_UNKNOWN
        else:
            price = HALF_PRICE / (HALF_PRICE + sent * paid + back * (earned or 0.0))
        return round(
            capability
            + of_tier / (1 + (away if away >= 0 else -away))
            + of_health * health
            + of_errors * (1.0 - rate)
            + of_latency * HALF_LATENCY / (HALF_LATENCY + latency)
            + of_price * price,
            6,
        )

    return found
