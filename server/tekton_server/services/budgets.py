"""Budgets as messages: set, taken, returned and shown."""

from __future__ import annotations

import math

from tekton.core.errors import ValidationError
from tekton.core.ids import is_uuid, new_uuid
from tekton.core.model_records import Budget, BudgetTerms, CostPeriod
from tekton.v1 import routing_service_pb2 as pb
from tekton_server.domain import limits
from tekton_server.domain.commands import RemoveBudget, SetBudget
from tekton_server.domain.routing.budgets import Want, check_want
from tekton_server.domain.routing.model import CatalogueModel
from tekton_server.domain.validation import chosen
from tekton_server.live.routing.budgets import Shown
from tekton_server.services import read

# How long a lease is held at most whose taker does not say, in seconds.
TTL = 300.0


def setting(request: pb.SetBudgetRequest) -> SetBudget:
    """Read a budget.

    Raises:
        ValidationError: the period is unknown.
    """
    return SetBudget(
        terms=BudgetTerms(
            component_id=request.component_id,
            model_id=request.model_id,
            tokens_per_minute=request.tokens_per_minute if request.HasField("tokens_per_minute") else None,
            max_in_flight=request.max_in_flight if request.HasField("max_in_flight") else None,
            cost_limit=request.cost_limit if request.HasField("cost_limit") else None,
            cost_period=chosen("cost_period", request.cost_period, CostPeriod) or CostPeriod.DAY,
        )
    )


def removal(request: pb.RemoveBudgetRequest) -> RemoveBudget:
    """Read the removal of a budget."""
    return RemoveBudget(component_id=request.component_id, model_id=request.model_id)


def budget(terms: BudgetTerms, *, configured: bool = False, revision: int = 0) -> pb.Budget:
    """Convert a budget, without what is taken of it."""
    return pb.Budget(
        component_id=terms.component_id,
        model_id=terms.model_id,
        tokens_per_minute=terms.tokens_per_minute,
        max_in_flight=terms.max_in_flight,
        cost_limit=terms.cost_limit,
        cost_period=terms.cost_period.value,
        configured=configured,
        revision=revision,
    )


def was_set(record: Budget) -> pb.Budget:
    """Convert a budget that was set."""
    return budget(record.terms, revision=record.revision)


def shown(found: Shown) -> pb.Budget:
    """Convert a budget with what is taken of it."""
    message = budget(found.terms, configured=found.configured, revision=found.revision)
    held = found.held
    taken = pb.BudgetTaken(in_flight=held.in_flight, tokens=held.tokens, cost=round(held.cost, 9))
    message.taken.CopyFrom(taken)
    return message


def want(request: pb.TakeBudgetRequest, model: CatalogueModel | None) -> Want:
    """Read what somebody wants to take; where no cost is given, it is from the prices of the model.

    Raises:
        ValidationError, RegistrationError: naming every field that is wrong.
    """
    tokens = _tokens(request)
    if request.lease_id and not is_uuid(request.lease_id):
        raise ValidationError.of("lease_id", "must be a uuid in lower case, or empty to get one", "format")
    if request.instance_uuid and not request.component_id:
        raise ValidationError.of("component_id", "is required with an instance_uuid", "required")
    cost = request.cost if request.HasField("cost") else None
    if cost is None and model is not None:
        cost = model.cost(request.input_tokens, request.output_tokens)
    found = Want(
        lease_id=request.lease_id or new_uuid(),
        component_id=request.component_id,
        instance_uuid=read.instance_uuid(request.instance_uuid) if request.instance_uuid else "",
        model_id=request.model_id,
        tokens=tokens,
        cost=cost or 0.0,
        seconds=request.ttl_seconds or TTL,
    )
    check_want(found)
    return found


def used(request: pb.ReturnBudgetRequest) -> tuple[int, float]:
    """Read what was used of a lease: tokens and US dollars.

    Raises:
        ValidationError: naming the field that is wrong.
    """
    if not is_uuid(request.lease_id):
        raise ValidationError.of("lease_id", "must be the lease_id of the answer, a uuid in lower case", "format")
    tokens = _tokens(request)
    if not (math.isfinite(request.cost) and 0 <= request.cost <= limits.MODEL_DOLLARS):
        raise ValidationError.of("cost", f"must be between 0 and {limits.MODEL_DOLLARS:.0f}", "range")
    return tokens, request.cost


def _tokens(request: pb.TakeBudgetRequest | pb.ReturnBudgetRequest) -> int:
    """Read how many tokens there are in both directions."""
    for name in ("input_tokens", "output_tokens"):
        if getattr(request, name) < 0:
            raise ValidationError.of(name, "must not be negative", "range", limit=0)
    return request.input_tokens + request.output_tokens
