"""Budgets: whether what is wanted fits into what may be taken, and if not, which figure is in the way.

A taken lease counts with all that it asked for while it is open. What was used of it counts afterwards: its tokens for
a minute, its money until the period ends. So in no minute more tokens are used than the budget says, wherever in a
request they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tekton.core.errors import RegistrationError, ResourceConstraintError, ValidationError
from tekton.core.ids import lookup_key
from tekton.core.model_records import Budget, BudgetTerms
from tekton_server.domain import limits
from tekton_server.domain.routing.model import broken_component, broken_id
from tekton_server.domain.validation import Violation, refuse, violation

# Where nobody knows when something comes back, in seconds.
_SOON = 1.0
# Sums of floats differ in their last bits from what was meant.
_CENT_OF_A_CENT = 1e-9


class Want(NamedTuple):
    """What somebody wants to take: tokens and US dollars for one request, for so many seconds at most.

    The instance may be empty; otherwise the lease ends with that of the instance.
    """

    lease_id: str
    component_id: str
    instance_uuid: str
    model_id: str
    tokens: int
    cost: float
    seconds: float


class Held(NamedTuple):
    """What is taken of a budget now. Seconds: until the first used tokens stop counting, and until the period ends."""

    in_flight: int = 0
    tokens: int = 0
    cost: float = 0.0
    tokens_in: float = _SOON
    cost_in: float = _SOON

    def plus(self, want: Want) -> Held:
        """Take something more."""
        return self._replace(in_flight=self.in_flight + 1, tokens=self.tokens + want.tokens, cost=self.cost + want.cost)


def check_want(want: Want) -> None:
    """Refuse what nobody can want, naming every field that is wrong.

    Raises:
        ValidationError: a number is out of bounds.
        RegistrationError: an id cannot be one.
    """
    refuse(ValidationError, list(_malformed(want)))
    refuse(
        RegistrationError, [*broken_component("component_id", want.component_id), *broken_id("model_id", want.model_id)]
    )


def _malformed(want: Want) -> Iterator[Violation]:
    if not 0 <= want.tokens <= limits.TOKENS:
        yield violation("input_tokens", f"and output_tokens must be between 0 and {limits.TOKENS}", "range")
    if not (math.isfinite(want.cost) and 0 <= want.cost <= limits.MODEL_DOLLARS):
        yield violation("cost", f"must be between 0 and {limits.MODEL_DOLLARS:.0f}", "range")
    if not 1 <= want.seconds <= limits.BUDGET_SECONDS:
        most = limits.BUDGET_SECONDS
        yield violation("ttl_seconds", f"must be between 1 and {most:.0f}", "range", limit=most)


def effective(configured: Mapping[str, BudgetTerms], set_later: Mapping[str, Budget]) -> dict[str, BudgetTerms]:
    """Give the budgets that count: what was set at run time stands above what is configured."""
    return {**configured, **{key: budget.terms for key, budget in set_later.items()}}


def concerning(budgets: Mapping[str, BudgetTerms], want: Want) -> Sequence[BudgetTerms]:
    """Give the budgets that a want has to fit into: all of them."""
    component = lookup_key(want.component_id)
    keys = (f"{component} {want.model_id}", f"{component} ", f" {want.model_id}", " ")
    return [budgets[key] for key in dict.fromkeys(keys) if key in budgets]


def shortage(terms: BudgetTerms, held: Held, want: Want) -> ResourceConstraintError | None:
    """Make the error for a want that does not fit into a budget; None where it does."""
    figures: tuple[tuple[str, float | None, float, float, float], ...] = (
        ("max_in_flight", terms.max_in_flight, held.in_flight, 1, _SOON),
        ("tokens_per_minute", terms.tokens_per_minute, held.tokens, want.tokens, held.tokens_in),
        ("cost_limit", terms.cost_limit, held.cost, want.cost, held.cost_in),
    )
    for name, limit, taken, asked, wait in figures:
        if limit is not None and taken + asked > limit + _CENT_OF_A_CENT:
            return _error(terms, name, limit, taken, asked, wait)
    return None


def _error(
    terms: BudgetTerms, name: str, limit: float, taken: float, asked: float, wait: float
) -> ResourceConstraintError:
    whose = terms.component_id or "all components together"
    of = terms.model_id or "all models together"
    said = {
        "max_in_flight": f"{limit:g} requests in flight",
        "tokens_per_minute": f"{limit:g} tokens a minute",
        "cost_limit": f"{limit:g} dollars a {terms.cost_period}",
    }[name]
    details: dict[str, Any] = {"component_id": terms.component_id, "model_id": terms.model_id, "figure": name}
    details |= {"limit": limit, "taken": round(taken, 6), "asked": round(asked, 6)}
    never = asked > limit + _CENT_OF_A_CENT
    remedy = "this alone is more than that; ask for less" if never else f"try again in {math.ceil(wait)} s"
    error = ResourceConstraintError(
        f"the budget of {whose} for {of} is {said}: {taken:g} are taken and {asked:g} are asked for; {remedy}",
        details=details,
    )
    if not never:
        error.retry_after = max(_SOON, float(math.ceil(wait)))
        error.details["retry_after"] = error.retry_after
    return error
