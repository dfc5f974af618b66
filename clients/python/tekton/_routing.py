"""Models, routes and budgets: what a client asks of the routing service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

from tekton import _convert, _given
from tekton import _routing_requests as requests
from tekton._budget_lease import BudgetLease
from tekton._calls import Calls
from tekton._lease import KeptLease
from tekton._routes import Route
from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key, new_uuid
from tekton.v1 import routing_service_pb2 as pb

log = logging.getLogger(__name__)

# Reports on their way; what is over is dropped, since the newest outcomes say the most.
_REPORTS = 1000


class RoutingCalls:
    """The routing half of a client."""

    _calls: Calls
    _registered: dict[str, KeptLease]

    def __init__(self) -> None:
        self._reports: set[asyncio.Task[None]] = set()

    async def route_task(
        self,
        task_type: str,
        complexity: str = "medium",
        context_length: int = 0,
        *,
        output_tokens: int = 0,
        requirements: Mapping[str, Any] | None = None,
        fallback: bool = True,
    ) -> Route:
        """Choose the model for a task.

        complexity: low, medium or high; it calls for tier 1, 2 or 3.
        context_length, output_tokens: how many tokens are sent, and are to come back.
        requirements: as documented, {"capabilities": [...], "min_tier": 2}, and max_cost (US dollars), providers,
            exclude_providers, exclude_models; as wishes preferred_capabilities, preferred_providers, max_latency_ms.
        fallback: whether others than the best fit will do.

        Gives the documented answer as a dictionary; `async with route.attempt() as attempt` tells what came of it.

        Raises:
            NoRouteError: no model fits. ModelUnavailableError: those that fit cannot be had now.
            ValidationError: naming the field.
        """
        request = requests.task(task_type, complexity, context_length, output_tokens, requirements, fallback)
        answer = await self._calls.ask(lambda stubs: stubs.routing.RouteTask, request)
        return Route(_convert.plain(answer), task_type, self._tell)

    async def list_models(
        self, *, provider: str = "", capability: str = "", status: str = "", tier: int = 0
    ) -> list[dict[str, Any]]:
        """List the models of the catalogue that are so, all pages of them, each as the documents print it and more."""
        request = pb.ListModelsRequest(
            provider=_given.text("provider", provider),
            capability=_given.text("capability", capability),
            status=_given.text("status", status),
            tier=requests.whole("tier", tier),
        )
        found: list[dict[str, Any]] = []
        while True:
            page = await self._calls.ask(lambda stubs: stubs.routing.ListModels, request)
            found += map(_convert.plain, page.models)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def get_model(self, model_id: str) -> dict[str, Any]:
        """Read a model.

        Raises:
            NoRouteError: there is none.
        """
        request = pb.GetModelRequest(model_id=_given.text("model_id", model_id))
        answer = await self._calls.ask(lambda stubs: stubs.routing.GetModel, request)
        return _convert.plain(answer)

    async def list_capabilities(self) -> list[dict[str, Any]]:
        """List what models can do: {id, description, supported_models} of each."""
        answer = await self._calls.ask(lambda stubs: stubs.routing.ListCapabilities, pb.ListCapabilitiesRequest())
        return [_convert.plain(one) for one in answer.capabilities]

    async def register_model(
        self,
        model_id: str,
        *,
        provider: str | None = None,
        capabilities: Iterable[str] | None = None,
        tier: int | None = None,
        context_window: int | None = None,
        max_output_tokens: int | None = None,
        input_price: float | None = None,
        output_price: float | None = None,
        component_id: str | None = None,
        endpoint: str | None = None,
        path: str | None = None,
        enabled: bool | None = None,
        description: str | None = None,
        expected_revision: int | None = None,
    ) -> dict[str, Any]:
        """Register a model, or say something else of one; what is None is taken from the layers below.

        component_id: who serves it. endpoint: a URL of its own instead of the component's `path`. Prices are in US
        dollars for a million tokens. expected_revision: a compare-and-set, 0 for "nobody has registered it".

        Gives the model as it then is.

        Raises:
            RegistrationError, ValidationError: naming the field. ConflictError: the compare-and-set lost.
        """
        facts = {
            "provider": provider, "capabilities": capabilities, "tier": tier, "context_window": context_window,
            "max_output_tokens": max_output_tokens, "input_price": input_price, "output_price": output_price,
            "component_id": component_id, "endpoint": endpoint, "path": path, "enabled": enabled,
            "description": description,
        }  # fmt: skip
        request = requests.model(model_id, facts, expected_revision)
        request.request_id = new_uuid()
        answer = await self._calls.ask(lambda stubs: stubs.routing.RegisterModel, request)
        return _convert.plain(answer.model)

    async def deregister_model(self, model_id: str, *, expected_revision: int | None = None) -> None:
        """Remove what was registered of a model.

        Raises:
            NoRouteError: nobody has registered it. ConflictError: the compare-and-set lost.
        """
        request = pb.DeregisterModelRequest(model_id=_given.text("model_id", model_id), request_id=new_uuid())
        if expected_revision is not None:
            request.expected_revision = _given.revision(expected_revision) or 0
        await self._calls.ask(lambda stubs: stubs.routing.DeregisterModel, request)

    async def explain_route(self, decision_id: str) -> dict[str, Any]:
        """Read a decision in full: every model with its rank and score, or the rule that dropped it.

        Raises:
            NoRouteError: there is no such decision, or none any more.
        """
        request = pb.ExplainRouteRequest(decision_id=_given.text("decision_id", decision_id))
        answer = await self._calls.ask(lambda stubs: stubs.routing.ExplainRoute, request)
        return _convert.plain(answer)

    async def report_route_outcome(
        self,
        decision_id: str,
        ok: bool,
        *,
        model_id: str = "",
        task_type: str = "",
        latency_ms: float | None = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost: float | None = None,
        error_class: str = "",
        retry_after: float | None = None,
    ) -> bool:
        """Tell what came of a request; `route.attempt()` does so by itself. False where that was told before.

        Raises:
            NoRouteError: neither the decision nor the model is known. ValidationError: naming the field.
        """
        request = requests.outcome(
            decision_id, ok, model_id=model_id, task_type=task_type, latency_ms=latency_ms, input_tokens=input_tokens,
            output_tokens=output_tokens, cost=cost, error_class=error_class, retry_after=retry_after,
        )  # fmt: skip
        return (await self._calls.ask(lambda stubs: stubs.routing.ReportRouteOutcome, request)).counted

    def budget(
        self,
        model_id: str,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost: float | None = None,
        component_id: str = "",
        instance_uuid: str = "",
        ttl: float = 300.0,
        within: float = 0.0,
    ) -> BudgetLease:
        """Take of the budgets what one request needs, for as long as an `async with` block lasts.

        component_id, instance_uuid: who takes it; of a component that this client registered the instance is known.
            What it holds is there for others as soon as its end is known.
        cost: in US dollars; from the model's prices where it is None.
        ttl: how long it is held at most, in seconds, 1 to 3,600.
        within: so many seconds are waited for others to return theirs.

        Entering the block raises ResourceConstraintError where it does not fit, with `retry_after` where waiting helps.
        """
        component = _given.text("component_id", component_id)
        instance = _given.text("instance_uuid", instance_uuid)
        if component and not instance:
            kept = self._registered.get(lookup_key(component))
            instance = kept.instance_uuid if kept is not None else ""
        request = pb.TakeBudgetRequest(
            model_id=_given.text("model_id", model_id),
            component_id=component,
            instance_uuid=instance,
            input_tokens=requests.whole("input_tokens", input_tokens),
            output_tokens=requests.whole("output_tokens", output_tokens),
            cost=requests.optional_number("cost", cost),
            ttl_seconds=_given.seconds("ttl", ttl),
        )
        return BudgetLease(self._calls, request, requests.number("within", within), self._behind)

    async def list_budgets(self) -> list[dict[str, Any]]:
        """List the budgets with what is taken of each."""
        answer = await self._calls.ask(lambda stubs: stubs.routing.ListBudgets, pb.ListBudgetsRequest())
        return [_convert.plain(one) for one in answer.budgets]

    async def set_budget(
        self,
        *,
        component_id: str = "",
        model_id: str = "",
        tokens_per_minute: int | None = None,
        max_in_flight: int | None = None,
        cost_limit: float | None = None,
        cost_period: str = "day",
    ) -> dict[str, Any]:
        """Set what a component may take of a model; an empty id is all of them together.

        cost_limit: in US dollars, within an hour, a day or a month by the calendar in UTC (cost_period).

        Raises:
            RegistrationError, ValidationError: naming the field.
        """
        limits = {"tokens_per_minute": tokens_per_minute, "max_in_flight": max_in_flight, "cost_limit": cost_limit}
        request = requests.budget(component_id, model_id, limits, cost_period)
        request.request_id = new_uuid()
        answer = await self._calls.ask(lambda stubs: stubs.routing.SetBudget, request)
        return _convert.plain(answer)

    async def remove_budget(self, *, component_id: str = "", model_id: str = "") -> None:
        """Remove a budget that was set.

        Raises:
            NoRouteError: none was set for these.
        """
        request = pb.RemoveBudgetRequest(
            component_id=_given.text("component_id", component_id),
            model_id=_given.text("model_id", model_id),
            request_id=new_uuid(),
        )
        await self._calls.ask(lambda stubs: stubs.routing.RemoveBudget, request)

    def _tell(self, report: pb.ReportRouteOutcomeRequest) -> None:
        """Send a report; who made the request does not wait for it."""
        self._behind(self._told(report), f"tell the outcome of a request to {report.model_id}")

    def _behind(self, told: Coroutine[Any, Any, None], what: str) -> None:
        """Have something told that nobody waits for."""
        if len(self._reports) >= _REPORTS:
            told.close()
            log.warning("not done: %s; %d others wait", what, _REPORTS)
            return
        task = asyncio.create_task(told, name=f"tekton: {what}")
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _told(self, report: pb.ReportRouteOutcomeRequest) -> None:
        try:
            await self._calls.ask(lambda stubs: stubs.routing.ReportRouteOutcome, report)
        except TektonError as error:
            log.warning("the outcome of a request to %s was not told: %s", report.model_id, error)

    async def _tell_rest(self) -> None:
        """Wait for the reports on their way, no longer than a call may take; the rest is dropped."""
        if self._reports:
            _, late = await asyncio.wait(self._reports, timeout=self._calls.timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
