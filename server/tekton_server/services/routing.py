"""RoutingService: the catalogue of models, decisions and what came of them, and budgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tekton.core.errors import NoRouteError
from tekton.v1 import routing_service_pb2 as pb
from tekton.v1 import routing_service_pb2_grpc as routing_grpc
from tekton_server.domain import limits
from tekton_server.domain.routing.model import CatalogueModel, unknown
from tekton_server.domain.routing.serving import Standing
from tekton_server.domain.validation import chosen
from tekton_server.live.freshness import surely
from tekton_server.live.pulses import Claim
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.routing.shipped import shipped
from tekton_server.services import budgets, convert, models, paging, reply
from tekton_server.services.base import Context, Servicer

T = TypeVar("T")


class RoutingServicer(Servicer, routing_grpc.RoutingServiceServicer):
    """See proto/tekton/v1/routing_service.proto."""

    def __init__(self, live: LiveRegistry) -> None:
        super().__init__(live)
        self._desk = live.routing

    async def _surely(self, answer: Callable[[], T]) -> T:
        """Answer; that there is nothing is only said after asking the database."""
        return await surely(answer, self.live.confirm, NoRouteError)

    def _model(self, model_id: str) -> CatalogueModel:
        found = self._desk.catalogue.get(model_id)
        if found is None:
            raise unknown(model_id)
        return found

    def _shown(self, model: CatalogueModel) -> pb.Model:
        now = self.live.leases.now()
        return models.model(model, self._desk.standing()(model), self._desk.averages.sums(model.model_id, now))

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """List models."""
        page = self._page(request)
        if not page.models:
            await self.live.confirm()
            page = self._page(request)
        return page

    def _page(self, request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        wanted, most = chosen("status", request.status, Standing), paging.size(request.page_size) or limits.PAGE_SIZE
        stands, now, page = self._desk.standing(), self.live.leases.now(), pb.ListModelsResponse()
        size, last = 0, None
        for model in models.selected(self._desk.catalogue.models, request):
            standing = stands(model)
            if wanted is not None and standing.standing is not wanted:
                continue
            row = models.model(model, standing, self._desk.averages.sums(model.model_id, now))
            size += row.ByteSize()
            if last is not None and (len(page.models) >= most or size > limits.PAGE_BYTES):
                page.next_page_token = models.token(last)
                break
            page.models.append(row)
            last = model
        return page

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.Model:
        """Read one model."""
        return self._shown(await self._surely(lambda: self._model(models.named(request.model_id))))

    async def RegisterModel(self, request: pb.RegisterModelRequest, context: Context) -> pb.RegisterModelResponse:
        """Register a model."""
        below = self._desk.catalogue.below(models.registered_id(request))
        answer = await self.submit(models.registration(request, below), context, request)
        reply.http_status(201 if answer.created else 200)
        # An answer that is given again may be of a model that is gone.
        found = self._desk.catalogue.get(answer.model.model_id) or models.recalled(answer.model, below)
        return models.registered(answer, self._shown(found))

    async def DeregisterModel(self, request: pb.DeregisterModelRequest, context: Context) -> pb.DeregisterModelResponse:
        """Remove a registration."""
        await self.submit(models.removal(request), context, request)
        return pb.DeregisterModelResponse(success=True, message="Model deregistered successfully")

    async def ListCapabilities(
        self, request: pb.ListCapabilitiesRequest, context: Context
    ) -> pb.ListCapabilitiesResponse:
        """List what models can do."""
        return models.capabilities(self._desk.catalogue.models, shipped().capabilities)

    async def RouteTask(self, request: pb.RouteTaskRequest, context: Context) -> pb.RouteTaskResponse:
        """Choose a model."""
        task = models.task(request)
        return models.routed(await self._desk.route(task))

    async def ExplainRoute(self, request: pb.ExplainRouteRequest, context: Context) -> pb.ExplainRouteResponse:
        """Explain a decision."""
        return models.explained(await self._desk.explain(models.decision_id(request.decision_id)))

    async def ReportRouteOutcome(
        self, request: pb.ReportRouteOutcomeRequest, context: Context
    ) -> pb.ReportRouteOutcomeResponse:
        """Take what came of a request."""
        decision_id, outcome = models.decision_id(request.decision_id), models.outcome(request)
        counted = await self._surely(lambda: self._desk.report(decision_id, outcome))
        return pb.ReportRouteOutcomeResponse(success=True, counted=counted)

    async def ListBudgets(self, request: pb.ListBudgetsRequest, context: Context) -> pb.ListBudgetsResponse:
        """List budgets."""
        return pb.ListBudgetsResponse(budgets=map(budgets.shown, await self._desk.budgets.shown()))

    async def SetBudget(self, request: pb.SetBudgetRequest, context: Context) -> pb.Budget:
        """Set a budget."""
        return budgets.was_set(await self.submit(budgets.setting(request), context, request))

    async def RemoveBudget(self, request: pb.RemoveBudgetRequest, context: Context) -> pb.RemoveBudgetResponse:
        """Remove a budget."""
        await self.submit(budgets.removal(request), context, request)
        return pb.RemoveBudgetResponse(success=True, message="Budget removed successfully")

    async def TakeBudget(self, request: pb.TakeBudgetRequest, context: Context) -> pb.TakeBudgetResponse:
        """Take of the budgets."""
        want = budgets.want(request, self._desk.catalogue.get(request.model_id))
        if want.instance_uuid:
            await self.live.commands.holder(Claim(want.component_id, want.instance_uuid, None))
        until = await self._desk.budgets.take(want)
        reply.http_status(201)
        return pb.TakeBudgetResponse(
            success=True,
            lease_id=want.lease_id,
            expires_at=convert.timestamp(until),
            tokens=want.tokens,
            cost=want.cost,
        )

    async def ReturnBudget(self, request: pb.ReturnBudgetRequest, context: Context) -> pb.ReturnBudgetResponse:
        """Return what was taken."""
        tokens, cost = budgets.used(request)
        returned = await self._desk.budgets.give_back(request.lease_id, tokens, cost)
        return pb.ReturnBudgetResponse(success=True, returned=returned)
