"""Taking of budgets: those who wait are served together, in one transaction, each on its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from tekton.core.errors import RateLimitedError, RequestMismatchError, StaleSessionError, TektonError
from tekton.core.ids import lookup_key
from tekton.core.model_records import BudgetTerms
from tekton.core.view import View
from tekton_server.domain.routing.budgets import Held, Want, concerning, effective, shortage
from tekton_server.live.standing import over_and_over
from tekton_server.storage.budgets import BudgetStore, Ledger, Taken
from tekton_server.storage.errors import StorageUnavailableError

log = logging.getLogger(__name__)

MOST_WAITING, AT_ONCE = 10_000, 256
# How long one transaction may take, and how often what no longer counts is swept up, in seconds.
WITHIN, SWEEP_EVERY = 5.0, 5.0

Waiting = tuple[Want, "asyncio.Future[datetime]"]


class Shown(NamedTuple):
    """A budget, where it is from, and what is taken of it."""

    terms: BudgetTerms
    configured: bool
    revision: int
    held: Held


class BudgetDesk:
    """The budgets of all servers: what is taken is in the database alone. `refused` counts what did not fit."""

    def __init__(self, view: View, configured: Mapping[str, BudgetTerms], engine: AsyncEngine) -> None:
        self._view = view
        self._configured = configured
        self._store = BudgetStore(engine)
        self._waiting: deque[Waiting] = deque()
        self._serving: asyncio.Task[None] | None = None
        self.refused = 0

    def terms(self) -> Mapping[str, BudgetTerms]:
        """Give the budgets that count, by their keys."""
        return effective(self._configured, self._view.routing.budgets)

    async def take(self, want: Want) -> datetime:
        """Take a lease; gives when it ends at the latest. The same lease taken again is the same.

        Raises:
            ResourceConstraintError: it does not fit into a budget; with a hint when to try again where that can help.
            RateLimitedError: too many wait.
            StaleSessionError, RequestMismatchError: the lease has ended, or was taken for something else.
            StorageUnavailableError: the database cannot be asked.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise RateLimitedError("too many wait for their budget; try again")
        future: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()
        self._waiting.append((want, future))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name="budgets")
        return await future

    async def give_back(self, lease_id: str, tokens: int, cost: float) -> bool:
        """End a lease and count what was used of it; False where that was done before.

        Raises:
            StaleSessionError: there is no such lease, or it ended more than an hour ago.
            StorageUnavailableError: the database cannot be asked.
        """
        settled = await self._store.settle(lease_id, tokens, cost)
        if settled is None:
            raise _ended(lease_id, "is none that was taken within the last hour")
        return settled

    async def shown(self) -> list[Shown]:
        """Give all budgets with what is taken of them.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        terms, later = self.terms(), self._view.routing.budgets
        held = await self._store.held(list(terms.values())) if terms else []
        return [
            Shown(one, key not in later, later[key].revision if key in later else 0, taken)
            for (key, one), taken in zip(terms.items(), held, strict=True)
        ]

    async def run(self) -> None:
        """Sweep until cancelled."""
        try:
            await over_and_over(self._store.sweep, lambda: SWEEP_EVERY, "ended leases of budgets cannot be swept up")
        finally:
            if self._serving is not None:
                self._serving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._serving

    async def _serve(self) -> None:
        batch: list[Waiting] = []
        try:
            while self._waiting:
                # Whoever is on the way comes along: a turn of the loop costs nothing, and a transaction a millisecond.
                await asyncio.sleep(0)
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
                # Whoever went away wants nothing any more.
                batch = [one for one in batch if not one[1].done()]
                await self._answer(batch)
        except BaseException:
            self._tell([*batch, *self._waiting], StorageUnavailableError("the server is shutting down; try again"))
            self._waiting.clear()
            raise

    async def _answer(self, batch: Sequence[Waiting]) -> None:
        try:
            async with asyncio.timeout(WITHIN):
                answers = await self._taken([want for want, _ in batch])
        except TimeoutError:
            self._tell(batch, StorageUnavailableError("the database does not answer; try again"))
        except TektonError as error:
            self._tell(batch, error)
        except Exception:
            log.exception("taking %d budget leases failed", len(batch))
            self._tell(batch, TektonError("the server failed to take this; its log says why"))
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, TektonError):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    async def _taken(self, wants: Sequence[Want]) -> list[datetime | TektonError]:
        budgets = self.terms()
        asked = {want.lease_id: concerning(budgets, want) for want in wants}
        distinct = {budget.key: budget for some in asked.values() for budget in some}
        async with self._store.locked(distinct.values()) as ledger:
            known = await ledger.known(asked)
            held = dict(zip(distinct, await ledger.held(list(distinct.values())) if distinct else (), strict=True))
            return await self._decided(wants, asked, known, held, ledger)

    async def _decided(
        self,
        wants: Sequence[Want],
        asked: Mapping[str, Sequence[BudgetTerms]],
        known: Mapping[str, Taken],
        held: dict[str, Held],
        ledger: Ledger,
    ) -> list[datetime | TektonError]:
        """Decide each on what those before it have taken, then store them together."""
        refused: dict[str, TektonError] = {}
        fresh: dict[str, Want] = {}
        for want in wants:
            if want.lease_id in known or want.lease_id in fresh:
                continue
            errors = (shortage(budget, held[budget.key], want) for budget in asked[want.lease_id])
            error = next((one for one in errors if one is not None), None)
            if error is not None:
                refused[want.lease_id] = error
                self.refused += 1
                continue
            fresh[want.lease_id] = want
            for budget in asked[want.lease_id]:
                held[budget.key] = held[budget.key].plus(want)
        until = await ledger.take(list(fresh.values()))
        # The same lease was taken on another server at once, of other budgets or of none.
        clashed = fresh.keys() - until.keys()
        known = {**known, **(await ledger.known(clashed))} if clashed else known
        return [
            refused.get(want.lease_id) or until.get(want.lease_id) or _again(want, known[want.lease_id])
            for want in wants
        ]

    @staticmethod
    def _tell(batch: Sequence[Waiting], error: TektonError) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)


def _again(want: Want, taken: Taken) -> datetime | TektonError:
    """Answer who takes a lease once more."""
    same = (lookup_key(want.component_id), want.model_id, want.tokens)
    if same != (taken.component, taken.model_id, taken.tokens):
        return RequestMismatchError(
            f"lease {want.lease_id} was taken for something else; use a new lease_id",
            details={"lease_id": want.lease_id},
        )
    return taken.expires_at if taken.open else _ended(want.lease_id, "has ended; take a new one")


def _ended(lease_id: str, why: str) -> StaleSessionError:
    return StaleSessionError(f"the budget lease {lease_id} {why}", details={"lease_id": lease_id})
