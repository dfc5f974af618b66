"""Models and routes as messages: read from whoever registers, asks and tells, and shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from tekton.core.errors import TooLargeError, ValidationError
from tekton.core.ids import is_uuid
from tekton.core.model_records import ModelFacts, RegisteredModel
from tekton.v1 import routing_service_pb2 as pb
from tekton_server.domain import limits
from tekton_server.domain.commands import ModelRegistered, RegisterModel, RemoveModel
from tekton_server.domain.routing.averages import Sums
from tekton_server.domain.routing.decision import Candidate, Decision
from tekton_server.domain.routing.explanation import Explanation, Told, criteria, unmet
from tekton_server.domain.routing.model import NO_LIMIT, CatalogueModel, completed, overlaid
from tekton_server.domain.routing.outcomes import ErrorClass, Outcome, check_outcome
from tekton_server.domain.routing.score import WEIGHTS, parts, total
from tekton_server.domain.routing.serving import Standing
from tekton_server.domain.routing.task import Complexity, Task, check_task
from tekton_server.domain.validation import check_text, chosen
from tekton_server.live.routing.decisions import Decided
from tekton_server.live.routing.desk import Stands
from tekton_server.live.routing.servers import endpoint
from tekton_server.services import convert, paging

STATUSES = {standing: pb.ModelStatus.Value.Value(standing.value) for standing in Standing}
_NOTHING = 0.01


def registration(request: pb.RegisterModelRequest, below: ModelFacts) -> RegisterModel:
    """Read a registration.

    Raises:
        ValidationError: the two names of the id disagree.
    """
    return RegisterModel(
        model_id=registered_id(request),
        facts=ModelFacts(
            provider=request.provider or None,
            capabilities=tuple(request.capabilities) or None,
            tier=request.tier if request.HasField("tier") else None,
            context_window=request.context_window if request.HasField("context_window") else None,
            max_output_tokens=request.max_output_tokens if request.HasField("max_output_tokens") else None,
            input_price=request.input_price if request.HasField("input_price") else None,
            output_price=request.output_price if request.HasField("output_price") else None,
            component_id=request.component_id or None,
            endpoint=request.endpoint or None,
            path=request.path or None,
            enabled=request.enabled if request.HasField("enabled") else None,
            description=request.description or None,
        ),
        below=below,
        expected_revision=request.expected_revision if request.HasField("expected_revision") else None,
    )


def registered_id(request: pb.RegisterModelRequest) -> str:
    """Read the id under either of its names.

    Raises:
        ValidationError: they disagree.
    """
    if request.id and request.model_id and request.id != request.model_id:
        raise ValidationError.of("model_id", "must equal id when both are given", "equal")
    return request.id or request.model_id


def named(model_id: str) -> str:
    """Read an id out of a path: the gateway leaves the escapes of what is reserved in URLs, and no id has a percent."""
    return unquote(model_id) if "%" in model_id else model_id


def removal(request: pb.DeregisterModelRequest) -> RemoveModel:
    """Read a removal.

    Raises:
        ValidationError: it names no model.
    """
    if not request.model_id:
        raise ValidationError.of("model_id", "is required: /api/tekton/models/{model_id}", "required")
    expected = request.expected_revision if request.HasField("expected_revision") else None
    return RemoveModel(model_id=named(request.model_id), expected_revision=expected)


def recalled(record: RegisteredModel, below: ModelFacts) -> CatalogueModel:
    """Make the model of a registration that does not stand any more."""
    return completed(record.model_id, overlaid(below, record.facts), (), -1, record.revision)


def registered(answer: ModelRegistered, shown: pb.Model) -> pb.RegisterModelResponse:
    """Convert the answer to a registration."""
    how = "registered" if answer.created else "changed" if answer.changed else "registered so already"
    return pb.RegisterModelResponse(success=True, message=f"Model is {how}", model=shown, created=answer.created)


def model(found: CatalogueModel, stands: Stands, sums: Sums) -> pb.Model:
    """Convert a model."""
    return pb.Model(
        id=found.model_id,
        provider=found.provider,
        capabilities=found.capabilities,
        tier=found.tier,
        context_window=found.context_window,
        status=STATUSES[stands.standing],
        status_reason=stands.why,
        max_output_tokens=0 if found.max_output_tokens == NO_LIMIT else found.max_output_tokens,
        input_price=found.input_price,
        output_price=found.output_price,
        component_id=stands.serving.component_id or found.component_id,
        endpoint=endpoint(found, stands.serving),
        description=found.description,
        layers=found.layers,
        revision=found.revision,
        observed=_observations(sums) if sums.calls > _NOTHING else None,
    )


def _observations(sums: Sums) -> pb.ModelObservations:
    return pb.ModelObservations(
        requests=round(sums.calls, 3),
        error_rate=round(sums.failures / sums.calls, 4),
        latency_ms=round(sums.latency_ms / sums.timed, 1) if sums.timed else 0.0,
        input_tokens=round(sums.input_tokens / sums.calls, 1),
        output_tokens=round(sums.output_tokens / sums.calls, 1),
        cost=round(sums.cost / sums.calls, 9),
    )


def capabilities(catalogue: Sequence[CatalogueModel], known: Mapping[str, str]) -> pb.ListCapabilitiesResponse:
    """Tell what models can do: the known capabilities in their order with what they mean, then the others.

    Raises:
        TooLargeError: it is more than one reply holds.
    """
    able: dict[str, list[str]] = {}
    size = 0
    for one in catalogue:
        for capability in one.capabilities if one.enabled else ():
            able.setdefault(capability, []).append(one.model_id)
            size += len(one.model_id) + 2
    if size > limits.GRAPH_BYTES:
        raise TooLargeError(
            "the models of all capabilities are more than one reply holds; list the models of one with "
            "/api/tekton/models?capability=",
            details={"limit_bytes": limits.GRAPH_BYTES},
        )
    names = [name for name in known if name in able] + sorted(name for name in able if name not in known)
    return pb.ListCapabilitiesResponse(
        capabilities=[
            pb.Capability(id=name, description=known.get(name, ""), supported_models=able[name]) for name in names
        ]
    )


def selected(models: Sequence[CatalogueModel], request: pb.ListModelsRequest) -> Iterator[CatalogueModel]:
    """Give the models that a list is of, but for their status.

    Raises:
        ValidationError: a filter is out of bounds, or the token is none.
    """
    check_text("provider", request.provider, limits.ITEM_CHARS)
    check_text("capability", request.capability, limits.ITEM_CHARS)
    if not 0 <= request.tier <= limits.TIERS:
        sentence = f"must be between 1 and {limits.TIERS}, or 0 for any"
        raise ValidationError.of("tier", sentence, "range", limit=limits.TIERS)
    after = _place(request.page_token, models)
    return (
        one
        for one in models
        if one.place > after
        and request.provider in ("", one.provider)
        and (not request.capability or request.capability in one.offers)
        and request.tier in (0, one.tier)
    )


def token(last: CatalogueModel) -> str:
    """Give the token of the page that follows a model: any server finds its place in its own catalogue by its id."""
    return paging.token(f"{last.place} {last.model_id}")


def _place(text: str, models: Sequence[CatalogueModel]) -> int:
    if not text:
        return -1
    try:
        place, model_id = paging.place(text).split(" ")
        # Of a model that is gone meanwhile, the place where it was is the best that is known.
        return next((one.place for one in models if one.model_id == model_id), int(place[:18]))
    except ValueError:
        raise paging.no_token() from None


def task(request: pb.RouteTaskRequest) -> Task:
    """Read a task.

    Raises:
        ValidationError: naming every field that is wrong.
    """
    needs = request.requirements
    found = Task(
        task_type=request.task_type,
        complexity=chosen("complexity", request.complexity, Complexity) or Complexity.MEDIUM,
        context_length=request.context_length,
        output_tokens=request.output_tokens,
        capabilities=tuple(dict.fromkeys(needs.capabilities)),
        min_tier=needs.min_tier,
        max_cost=needs.max_cost if needs.HasField("max_cost") else None,
        providers=tuple(needs.providers),
        exclude_providers=tuple(needs.exclude_providers),
        exclude_models=tuple(needs.exclude_models),
        preferred_capabilities=tuple(dict.fromkeys(needs.preferred_capabilities)),
        preferred_providers=tuple(needs.preferred_providers),
        max_latency_ms=needs.max_latency_ms if needs.HasField("max_latency_ms") else None,
        fallback=request.fallback if request.HasField("fallback") else True,
    )
    check_task(found)
    return found


def _asked(asked: Task) -> pb.RouteTaskRequest:
    return pb.RouteTaskRequest(
        task_type=asked.task_type,
        complexity=asked.complexity.value,
        context_length=asked.context_length,
        output_tokens=asked.output_tokens,
        fallback=asked.fallback,
        requirements=pb.TaskRequirements(
            capabilities=asked.capabilities,
            min_tier=asked.min_tier,
            max_cost=asked.max_cost,
            providers=asked.providers,
            exclude_providers=asked.exclude_providers,
            exclude_models=asked.exclude_models,
            preferred_capabilities=asked.preferred_capabilities,
            preferred_providers=asked.preferred_providers,
            max_latency_ms=asked.max_latency_ms,
        ),
    )


def routed(decided: Decided) -> pb.RouteTaskResponse:
    """Convert a decision that chose a model."""
    decision = decided.decision
    first, *others = (_choice(decision, one) for one in decision.best)
    chosen, asked = decision.best[0].model, decision.task
    fallbacks = others if asked.fallback else []
    return pb.RouteTaskResponse(
        selected_model=first.model_id,
        provider=first.provider,
        endpoint=first.endpoint,
        selection_criteria=pb.SelectionCriteria(**criteria(asked, chosen)),
        fallback_models=[one.model_id for one in fallbacks],
        decision_id=decided.decision_id,
        fallbacks=fallbacks,
        choice=first,
        flagged=decision.flagged,
        tier_fallback_from=asked.tier if chosen.tier < asked.tier else 0,
    )


def _choice(decision: Decision, one: Candidate) -> pb.RouteChoice:
    found, serving, _ = one
    return pb.RouteChoice(
        model_id=found.model_id,
        provider=found.provider,
        endpoint=endpoint(found, serving),
        component_id=serving.component_id,
        tier=found.tier,
        unmet=[wish.value for wish in unmet(decision, one)],
        score=total(parts(decision.task, *one)),
        estimated_cost=found.cost(decision.task.context_length, decision.task.output_tokens),
    )


def explained(found: Explanation) -> pb.ExplainRouteResponse:
    """Convert an explanation."""
    return pb.ExplainRouteResponse(
        decision_id=found.decision_id,
        decided_at=convert.timestamp(found.decided_at),
        task=_asked(found.task),
        selected_model=found.selected,
        flagged=found.flagged,
        weights=WEIGHTS._asdict(),
        candidates=map(_candidate, found.models),
        total=found.total,
    )


def _candidate(told: Told) -> pb.RouteCandidate:
    return pb.RouteCandidate(
        model_id=told.model_id,
        provider=told.provider,
        tier=told.tier,
        rank=told.rank,
        dropped_by=told.rule.value if told.rule else "",
        reason=told.why,
        score=told.total,
        parts=told.score._asdict() if told.score else None,
        unmet=[wish.value for wish in told.unmet],
    )


def decision_id(text: str) -> str:
    """Read the id of a decision.

    Raises:
        ValidationError: it is no uuid.
    """
    if not is_uuid(text):
        raise ValidationError.of("decision_id", "must be the decision_id of the answer, a uuid in lower case", "format")
    return text


def outcome(request: pb.ReportRouteOutcomeRequest) -> Outcome:
    """Read what came of a request.

    Raises:
        ValidationError: naming every field that is wrong.
    """
    if not request.HasField("ok"):
        raise ValidationError.of("ok", "is required: true or false", "required")
    check_text("task_type", request.task_type, limits.ITEM_CHARS)
    found = Outcome(
        model_id=request.model_id,
        task_type=request.task_type,
        ok=request.ok,
        latency_ms=request.latency_ms if request.HasField("latency_ms") else None,
        input_tokens=request.input_tokens,
        output_tokens=request.output_tokens,
        cost=request.cost if request.HasField("cost") else None,
        error_class=chosen("error_class", request.error_class, ErrorClass) or ErrorClass.ERROR,
        retry_after=request.retry_after if request.HasField("retry_after") else None,
    )
    check_outcome(found)
    return found
