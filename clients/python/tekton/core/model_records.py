"""The records of routing: models as layers say them, and budgets. Frozen, as all records are."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from tekton.core.ids import lookup_key


class ModelFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What is said of a model; None is left to the layer below (a registration stands above the configuration, that
    above what is shipped).

    `tier` grows with ability. The context window and the output limit are in tokens, prices in US dollars for a million
    tokens. `component_id` is who serves it, `endpoint` a URL of its own, else `path` is where it is at the component.
    """

    provider: str | None = None
    capabilities: tuple[str, ...] | None = None
    tier: int | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    component_id: str | None = None
    endpoint: str | None = None
    path: str | None = None
    enabled: bool | None = None
    description: str | None = None


class RegisteredModel(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A model as it was registered at run time; `revision` is that of its last change."""

    model_id: str
    facts: ModelFacts
    created_at: datetime
    revision: int


class CostPeriod(StrEnum):
    """Over which time the money of a budget goes, by the calendar in UTC."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class BudgetTerms(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a component may take of a model; empty ids are all of them together, None is no limit.

    Tokens count for a minute from the end of the request that took them; `cost_limit` is in US dollars.
    """

    component_id: str = ""
    model_id: str = ""
    tokens_per_minute: int | None = None
    max_in_flight: int | None = None
    cost_limit: float | None = None
    cost_period: CostPeriod = CostPeriod.DAY

    @property
    def key(self) -> str:
        """What tells budgets apart; neither id has a space in it."""
        return f"{lookup_key(self.component_id)} {self.model_id}"


class Budget(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A budget as it was set at run time; `revision` is that of its last change."""

    terms: BudgetTerms
    set_at: datetime
    revision: int
