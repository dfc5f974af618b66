"""What the application wants of models, as the requests that say so: an error names the field and what to give."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from tekton import _given
from tekton.core.errors import ValidationError
from tekton.v1 import routing_service_pb2 as pb

_REQUIREMENTS = tuple(field.name for field in pb.TaskRequirements.DESCRIPTOR.fields)
_LISTS = frozenset(field.name for field in pb.TaskRequirements.DESCRIPTOR.fields if field.is_repeated)
_NUMBERS = ("max_cost", "max_latency_ms")


def whole(field: str, value: object) -> int:
    """Read a number of things.

    Raises:
        ValidationError: it is no whole number from 0 to 2,147,483,647.
    """
    return _given.count(field, value, 2**31 - 1)


def number(field: str, value: object) -> float:
    """Read a number.

    Raises:
        ValidationError: it is none, or not finite, or negative.
    """
    if not _given.finite(value) or value < 0:
        raise ValidationError.of(field, f"must be a number from 0, not {_given.shown(value)}", "range", limit=0)
    return float(value)


def optional_number(field: str, value: object) -> float | None:
    """Read a number; None for none.

    Raises:
        ValidationError: as `number`.
    """
    return None if value is None else number(field, value)


def task(
    task_type: str,
    complexity: str,
    context_length: int,
    output_tokens: int,
    requirements: Mapping[str, Any] | None,
    fallback: bool,
) -> pb.RouteTaskRequest:
    """Make the request for a route.

    Raises:
        ValidationError: naming the field.
    """
    return pb.RouteTaskRequest(
        task_type=_given.text("task_type", task_type),
        complexity=_given.text("complexity", complexity),
        context_length=whole("context_length", context_length),
        output_tokens=whole("output_tokens", output_tokens),
        requirements=_requirements(requirements),
        fallback=bool(fallback),
    )


def _requirements(given: Mapping[str, Any] | None) -> pb.TaskRequirements:
    if given is None:
        return pb.TaskRequirements()
    if not isinstance(given, Mapping):
        raise ValidationError.of("requirements", f"must be a dict, not {_given.shown(given)}", "type")
    fields: dict[str, Any] = {}
    for name, value in given.items():
        field = f"requirements.{name}"
        if name not in _REQUIREMENTS:
            nearest = difflib.get_close_matches(str(name), _REQUIREMENTS, 1)
            advice = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(_REQUIREMENTS)}"
            raise ValidationError.of(field[:128], f"is not known; {advice}", "unknown", allowed=list(_REQUIREMENTS))
        if value is None:
            continue
        if name in _LISTS:
            fields[name] = _given.selection(field, value)
        else:
            fields[name] = number(field, value) if name in _NUMBERS else whole(field, value)
    return pb.TaskRequirements(**fields)


def model(model_id: str, facts: Mapping[str, Any], expected_revision: int | None) -> pb.RegisterModelRequest:
    """Make a model's registration; facts that are None are left to the layers below.

    Raises:
        ValidationError: naming the field.
    """
    fields: dict[str, Any] = {}
    for name, value in facts.items():
        if value is None:
            continue
        if name == "capabilities":
            fields[name] = _given.names(name, value)
        elif name in ("tier", "context_window", "max_output_tokens"):
            fields[name] = whole(name, value)
        elif name in ("input_price", "output_price"):
            fields[name] = number(name, value)
        else:
            fields[name] = bool(value) if name == "enabled" else _given.text(name, value)
    request = pb.RegisterModelRequest(id=_given.text("model_id", model_id), **fields)
    if expected_revision is not None:
        request.expected_revision = _given.revision(expected_revision) or 0
    return request


def outcome(
    decision_id: str,
    ok: bool,
    *,
    model_id: str,
    task_type: str,
    latency_ms: float | None,
    input_tokens: int,
    output_tokens: int,
    cost: float | None,
    error_class: str,
    retry_after: float | None,
) -> pb.ReportRouteOutcomeRequest:
    """Make the report of what came of a request.

    Raises:
        ValidationError: naming the field.
    """
    return pb.ReportRouteOutcomeRequest(
        decision_id=_given.text("decision_id", decision_id),
        model_id=_given.text("model_id", model_id),
        task_type=_given.text("task_type", task_type),
        ok=bool(ok),
        latency_ms=optional_number("latency_ms", latency_ms),
        input_tokens=whole("input_tokens", input_tokens),
        output_tokens=whole("output_tokens", output_tokens),
        cost=optional_number("cost", cost),
        error_class=_given.text("error_class", error_class),
        retry_after=optional_number("retry_after", retry_after),
    )


def budget(component_id: str, model_id: str, limits: Mapping[str, Any], period: str) -> pb.SetBudgetRequest:
    """Make the request that sets a budget; limits that are None are none.

    Raises:
        ValidationError: naming the field.
    """
    readers = {"tokens_per_minute": whole, "max_in_flight": whole, "cost_limit": number}
    fields = {name: readers[name](name, value) for name, value in limits.items() if value is not None}
    return pb.SetBudgetRequest(
        component_id=_given.text("component_id", component_id),
        model_id=_given.text("model_id", model_id),
        cost_period=_given.text("cost_period", period),
        **fields,  # type: ignore[arg-type]
    )
