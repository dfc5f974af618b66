"""Routing as the servicer uses it: the catalogue as it stands, decisions, and what came of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton.core.breaker import Permit
from tekton.core.errors import NoRouteError
from tekton.core.ids import new_uuid
from tekton.core.view import Commit, Instance, View
from tekton_server.domain.routing import averages
from tekton_server.domain.routing.averages import Averages
from tekton_server.domain.routing.decision import Decision, Facts, decide
from tekton_server.domain.routing.explanation import Explanation, refusal
from tekton_server.domain.routing.model import CatalogueModel, unknown
from tekton_server.domain.routing.outcomes import Outcome
from tekton_server.domain.routing.serving import Out, Serving, Standing
from tekton_server.domain.routing.task import Task
from tekton_server.live.lease import Clock
from tekton_server.live.routing.budgets import BudgetDesk
from tekton_server.live.routing.catalogue import Catalogue
from tekton_server.live.routing.cooldowns import Cooldowns
from tekton_server.live.routing.decisions import Decided, Decisions, Followed
from tekton_server.live.routing.learning import Learning
from tekton_server.live.routing.servers import Servers
from tekton_server.live.routing.terms import RoutingTerms

_explanation = msgspec.json.Decoder(Explanation).decode


class Stands(NamedTuple):
    """How a model stands now."""

    standing: Standing
    serving: Serving
    why: str


class Figures:
    """What is counted, since the server started."""

    def __init__(self) -> None:
        self.chosen = self.flagged = self.refused = self.succeeded = self.failed = 0


class RoutingDesk:
    """Decisions are made from memory at once; only `explain` may ask the database, for what another server decided."""

    def __init__(
        self,
        view: View,
        terms: RoutingTerms,
        engine: AsyncEngine,
        clock: Clock,
        *,
        suspect: Callable[[Instance], bool],
        several: Callable[[], bool],
        confirm: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._confirm = confirm
        self.catalogue = Catalogue(view, terms)
        self.servers = Servers(view, suspect)
        self.averages = Averages(terms.half_life, clock())
        self.cooldowns = Cooldowns(terms, clock)
        self.decisions = Decisions(terms.explain_retention, clock)
        self.learning = Learning(self.averages, self.decisions, engine, terms, clock, several)
        self.budgets = BudgetDesk(view, terms.budgets, engine)
        self.figures = Figures()

    def on_commit(self, commit: Commit) -> None:
        """Follow a commit that the view holds already."""
        self.catalogue.on_commit(commit)
        self.servers.on_commit(commit)

    async def route(self, task: Task) -> Decided:
        """Decide, and keep the decision. That there is no model for a task is only said after asking the database.

        Raises:
            NoRouteError: no model fits the task.
            ModelUnavailableError: none of those that fit can be had now. `details.decision_id` can be explained.
            StorageUnavailableError: neither can be known now.
        """
        decision, permit = self._decide(task)
        if decision.chosen is None:
            await self._confirm()
            decision, permit = self._decide(task)
        if decision.chosen is None:
            self.figures.refused += 1
            # Who was refused wants to know why more than anybody.
            error = refusal(decision)
            error.details["decision_id"] = self._keep(decision, None).decision_id
            raise error
        self.figures.chosen += 1
        self.figures.flagged += decision.flagged
        return self._keep(decision, permit)

    def _keep(self, decision: Decision, permit: Permit | None) -> Decided:
        decided = Decided(new_uuid(), decision, permit, self._clock(), datetime.now(UTC))
        self.decisions.add(decided)
        self.learning.decided(decided)
        return decided

    def _decide(self, task: Task) -> tuple[Decision, Permit | None]:
        """Decide; what is chosen and was out until now is tried by so many at once, and the others go elsewhere."""
        self.decisions.sweep()
        out, observed = self.cooldowns.out(), self.averages.observed(task.task_type)
        serves, models = self.servers.lookup(), self.catalogue.models
        while True:
            decision = decide(task, Facts(models, serves, out, observed))
            chosen = decision.chosen
            if chosen is None or decision.flagged or not self.cooldowns.trying(chosen.model.model_id):
                return decision, None
            permit = self.cooldowns.probe(chosen.model.model_id)
            if not isinstance(permit, Out):
                return decision, permit
            # One model fewer each time, so that this ends.
            out = {**out, chosen.model.model_id: permit}

    def standing(self) -> Callable[[CatalogueModel], Stands]:
        """Make what tells how a model stands now."""
        out, serves = self.cooldowns.out(), self.servers.lookup()

        def found(model: CatalogueModel) -> Stands:
            serving = serves(model)
            if not model.enabled:
                return Stands(Standing.DISABLED, serving, "it is disabled")
            if serving.standing is Standing.UNAVAILABLE:
                return Stands(Standing.UNAVAILABLE, serving, serving.why)
            if model.model_id in out and not out[model.model_id].probing:
                return Stands(Standing.COOLING_DOWN, serving, out[model.model_id].why)
            if self.cooldowns.trying(model.model_id):
                return Stands(Standing.DEGRADED, serving, "it was out, and is being tried again")
            standing = Standing.DEGRADED if serving.suspect else serving.standing
            return Stands(standing, serving, serving.why)

        return found

    def report(self, decision_id: str, outcome: Outcome) -> bool:
        """Count what came of a decision; False where it was told before. The model is the chosen one if none is named.

        A decision that this server does not know, or no longer, is no hindrance where the model is named.

        Raises:
            NoRouteError: neither decision nor model are known.
        """
        followed = self.decisions.followed(decision_id)
        if followed is None and not outcome.model_id:
            raise no_decision(decision_id, "; name the model that was used, and the outcome counts all the same")
        model_id = outcome.model_id or (followed.model_id if followed else "")
        model = self.catalogue.get(model_id)
        if model is None:
            raise unknown(model_id)
        if followed is not None and not followed.report(model_id):
            return False
        cost = outcome.cost if outcome.cost is not None else model.cost(outcome.input_tokens, outcome.output_tokens)
        task_type = followed.task_type if followed else outcome.task_type
        self._count(msgspec.structs.replace(outcome, model_id=model_id, task_type=task_type, cost=cost), followed)
        return True

    def _count(self, outcome: Outcome, followed: Followed | None) -> None:
        chosen = followed is not None and followed.model_id == outcome.model_id
        permit = followed.permit if followed is not None and chosen else None
        flagged = followed is not None and chosen and followed.flagged
        if permit is not None and permit.settled:
            permit = None
        self.cooldowns.count(outcome, permit, flagged=flagged)
        self.figures.succeeded += outcome.ok
        self.figures.failed += outcome.failed
        if averages.counts(outcome):
            self.averages.add(outcome, self._clock())

    async def explain(self, decision_id: str) -> Explanation:
        """Explain a decision.

        Raises:
            NoRouteError: there is none of this id, or none any more.
            StorageUnavailableError: it is none of this server's, and the others cannot be asked.
        """
        decided = self.decisions.get(decision_id)
        if decided is not None:
            return decided.explanation()
        found = await self.learning.explanations.find(decision_id)
        if found is None:
            raise no_decision(decision_id)
        return _explanation(found)


def no_decision(decision_id: str, more: str = "") -> NoRouteError:
    """Say that there is no such decision."""
    shown = decision_id[:64]
    return NoRouteError(f"there is no decision {shown}, or none any more{more}", details={"decision_id": shown})
