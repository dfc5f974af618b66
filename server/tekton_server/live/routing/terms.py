"""What is set of routing: the terms of cooling down, how long things are remembered, and the configured layers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tekton.core.model_records import BudgetTerms, ModelFacts


class RoutingTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds.

    half_life: in which half of what was learnt of a model fades.
    window, min_requests, failure_rate: a model cools down when so large a share of its requests failed within the
        window, and there were so many.
    cooldown, auth_cooldown: for how long; after a refused authentication, and after others.
    probes: how many requests are tried on it then, before all others come back.
    explain_retention: how long a decision can be explained.
    shipped: whether the shipped catalogue is the lowest layer. models, budgets: what is configured, by id and by key.
    """

    half_life: float = 600.0
    window: float = 60.0
    min_requests: int = 5
    failure_rate: float = 0.5
    cooldown: float = 30.0
    auth_cooldown: float = 300.0
    probes: int = 2
    explain_retention: float = 600.0
    shipped: bool = True
    models: Mapping[str, ModelFacts] = {}
    budgets: Mapping[str, BudgetTerms] = {}


DEFAULT = RoutingTerms()
