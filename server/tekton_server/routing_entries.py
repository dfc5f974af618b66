"""The models and budgets of the configuration: their shapes, and what is wrong with them though these are right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import msgspec

from tekton.core.errors import TektonError
from tekton.core.model_records import BudgetTerms, CostPeriod, ModelFacts
from tekton_server.domain import limits
from tekton_server.domain.launch_spec import told

_TOKENS = told(f"a whole number from 1 to {limits.TOKENS}", "A number of tokens.", ge=1, le=limits.TOKENS)
_AMOUNT = told(f"a whole number from 0 to {limits.TOKENS}", "A number, 0 for nothing.", ge=0, le=limits.TOKENS)
_DOLLARS = told(f"a number from 0 to {limits.MODEL_DOLLARS:.0f}", "US dollars.", ge=0, le=limits.MODEL_DOLLARS)
_TIER = told(f"a whole number from 1 to {limits.TIERS}", "How able it is.", ge=1, le=limits.TIERS)
_TEXT = told("a text", "A text.")
_NAMES = told("a list of texts", "What it can do.", max_length=limits.LIST_ITEMS)
Text = Annotated[str, _TEXT]


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model as an operator describes it: what is left out is taken from the shipped catalogue."""

    id: Text
    provider: Text | None = None
    capabilities: Annotated[tuple[Text, ...], _NAMES] | None = None
    tier: Annotated[int, _TIER] | None = None
    context_window: Annotated[int, _TOKENS] | None = None
    max_output_tokens: Annotated[int, _TOKENS] | None = None
    input_price: Annotated[float, _DOLLARS] | None = None
    output_price: Annotated[float, _DOLLARS] | None = None
    component_id: Text | None = None
    endpoint: Text | None = None
    path: Text | None = None
    enabled: Annotated[bool, told("true or false", "Whether it is used.")] | None = None
    description: Text | None = None


class BudgetEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A budget as an operator sets it; without an id it is for all components, or for all models, together."""

    component_id: Text = ""
    model_id: Text = ""
    tokens_per_minute: Annotated[int, _AMOUNT] | None = None
    max_in_flight: Annotated[int, _AMOUNT] | None = None
    cost_limit: Annotated[float, _DOLLARS] | None = None
    cost_period: Annotated[Literal["hour", "day", "month"], told("hour, day or month", "The time of cost_limit.")] = (
        "day"
    )


def effective_models(entries: Sequence[ModelEntry]) -> Mapping[str, ModelFacts]:
    """Give the facts by the ids of models."""
    return {entry.id: _facts(entry) for entry in entries}


def effective_budgets(entries: Sequence[BudgetEntry]) -> Mapping[str, BudgetTerms]:
    """Give the terms by the keys of budgets."""
    return {terms.key: terms for terms in map(_terms, entries)}


def _facts(entry: ModelEntry) -> ModelFacts:
    return ModelFacts(**{name: getattr(entry, name) for name in ModelFacts.__struct_fields__})


def _terms(entry: BudgetEntry) -> BudgetTerms:
    given = msgspec.structs.asdict(entry)
    return BudgetTerms(**{**given, "cost_period": CostPeriod(entry.cost_period)})


def models_wrong(entries: Sequence[ModelEntry], *, on_shipped: bool) -> Iterator[tuple[str, int, str]]:
    """Tell what is wrong with models, by setting and place; they stand on the shipped ones, or on none."""
    if not entries:
        return
    # Here, because `tekton --help` needs the table of settings and not the rules.
    from tekton_server.domain.routing.model import check_registration
    from tekton_server.live.routing.shipped import shipped

    seen: set[str] = set()
    below = shipped().models if on_shipped else {}
    for at, entry in enumerate(entries):
        if entry.id in seen:
            yield "models", at, f"is the model {entry.id} once more; keep one of them"
        seen.add(entry.id)
        try:
            check_registration(entry.id, _facts(entry), below.get(entry.id, ModelFacts()))
        except TektonError as error:
            yield "models", at, f"is wrong: {error.message}"


def budgets_wrong(entries: Sequence[BudgetEntry]) -> Iterator[tuple[str, int, str]]:
    """Tell what is wrong with budgets, each with the setting and its place there."""
    if not entries:
        return
    from tekton_server.domain.routing.budget_terms import check_terms

    seen: set[str] = set()
    for at, terms in enumerate(map(_terms, entries)):
        if terms.key in seen:
            yield "budgets", at, "is for the same component and model as another; keep one of them"
        seen.add(terms.key)
        try:
            check_terms(terms)
        except TektonError as error:
            yield "budgets", at, f"is wrong: {error.message}"
