"""Setting budgets: what a component may take of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from tekton.core.errors import NoRouteError, RegistrationError, ValidationError
from tekton.core.model_records import Budget, BudgetTerms
from tekton.core.records import BudgetChange
from tekton.core.view import Cause
from tekton_server.domain import limits
from tekton_server.domain.commands import Decision, RemoveBudget, SetBudget
from tekton_server.domain.overlay import Overlay
from tekton_server.domain.routing.model import broken_component, broken_id
from tekton_server.domain.validation import Violation, refuse, violation


def set_terms(view: Overlay, command: SetBudget, now: datetime) -> Decision:
    """Decide to set a budget; one that says nothing new takes no revision.

    Raises:
        ValidationError: a number is out of bounds, or nothing is limited.
        RegistrationError: an id cannot be one, or there are too many budgets.
    """
    terms = command.terms
    check_terms(terms)
    old = view.budget(terms.key)
    if old is not None and old.terms == terms:
        return Decision((), old)
    if old is None and view.count_budgets >= limits.BUDGETS:
        sentence = f"there are {limits.BUDGETS} budgets already; remove some"
        refuse(RegistrationError, [violation("component_id", sentence, "max_items", limit=limits.BUDGETS)])
    new = Budget(terms=terms, set_at=now, revision=view.revision)
    return Decision((BudgetChange(old, new, Cause("set")),), new)


def remove(view: Overlay, command: RemoveBudget, now: datetime) -> Decision:
    """Decide to remove a budget.

    Raises:
        NoRouteError: there is none for this component and model.
    """
    old = view.budget(BudgetTerms(component_id=command.component_id, model_id=command.model_id).key)
    if old is None:
        raise no_budget(command.component_id, command.model_id)
    return Decision((BudgetChange(old, None, Cause("removed")),), None)


def no_budget(component_id: str, model_id: str) -> NoRouteError:
    """Say that there is no budget for a component and a model."""
    component_id, model_id = component_id[:64], model_id[:128]
    of = " and ".join(filter(None, (component_id and f"component {component_id}", model_id and f"model {model_id}")))
    return NoRouteError(
        f"no budget is set for {of or 'all components and models together'}",
        details={"component_id": component_id, "model_id": model_id},
    )


def check_terms(terms: BudgetTerms) -> None:
    """Refuse terms that are malformed, naming every field that is wrong.

    Raises:
        ValidationError: a number is out of bounds, or nothing is limited.
        RegistrationError: an id cannot be one.
    """
    refuse(ValidationError, list(_malformed(terms)))
    refuse(RegistrationError, list(broken_ids(terms)))


def _malformed(terms: BudgetTerms) -> Iterator[Violation]:
    numbers = (terms.tokens_per_minute, terms.max_in_flight)
    for name, number in zip(("tokens_per_minute", "max_in_flight"), numbers, strict=True):
        if number is not None and not 0 <= number <= limits.TOKENS:
            yield violation(name, f"must be between 0 and {limits.TOKENS}", "range", limit=limits.TOKENS)
    cost = terms.cost_limit
    if cost is not None and not (math.isfinite(cost) and 0 <= cost <= limits.MODEL_DOLLARS):
        wanted = f"must be between 0 and {limits.MODEL_DOLLARS:.0f}, in US dollars"
        yield violation("cost_limit", wanted, "range", limit=limits.MODEL_DOLLARS)
    if cost is None and numbers == (None, None):
        yield violation("tokens_per_minute", "or max_in_flight or cost_limit is required", "required")


def broken_ids(terms: BudgetTerms) -> Iterator[Violation]:
    """Tell which ids of a budget cannot be any."""
    yield from broken_component("component_id", terms.component_id)
    if terms.model_id:
        yield from broken_id("model_id", terms.model_id)
