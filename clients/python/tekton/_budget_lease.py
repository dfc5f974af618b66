"""What one request takes of the budgets, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from tekton import _routing_requests as requests
from tekton._calls import Calls
from tekton.core.backoff import full_jitter, spread
from tekton.core.errors import (
    ResourceConstraintError,
    StaleSessionError,
    TektonError,
    TektonTimeoutError,
    UnavailableError,
)
from tekton.core.ids import new_uuid
from tekton.v1 import routing_service_pb2 as pb

log = logging.getLogger(__name__)

Behind = Callable[[Coroutine[Any, Any, None], str], None]
# How long what was taken for somebody who has gone is looked for, in seconds: the taking may still be under way.
_LOOKED_FOR = 6.0


class BudgetLease:
    """What is taken of the budgets for one request; it is returned when the block ends.

    lease_id, expires_at: once the block is entered. What was used is said with `used`; without a word, nothing was.
    """

    def __init__(self, calls: Calls, request: pb.TakeBudgetRequest, within: float, behind: Behind) -> None:
        self._calls = calls
        self._behind = behind
        self._request = request
        self._within = within
        self._used = pb.ReturnBudgetRequest()
        self.lease_id = ""
        self.expires_at = ""

    def used(self, *, input_tokens: int = 0, output_tokens: int = 0, cost: float = 0.0) -> None:
        """Say what the request has used, cost in US dollars; said several times, it adds up.

        Raises:
            ValidationError: naming the field.
        """
        known = self._used
        found = (
            requests.whole("input_tokens", known.input_tokens + requests.whole("input_tokens", input_tokens)),
            requests.whole("output_tokens", known.output_tokens + requests.whole("output_tokens", output_tokens)),
            requests.number("cost", known.cost + requests.number("cost", cost)),
        )
        # All of it or nothing.
        known.input_tokens, known.output_tokens, known.cost = found

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._within
        self._used.Clear()
        while True:
            # The same lease however often the call is repeated.
            self._request.lease_id = new_uuid()
            try:
                taken = await self._calls.ask(lambda stubs: stubs.routing.TakeBudget, self._request)
            except ResourceConstraintError as error:
                # What is returned meanwhile can be had at once, so the hint is the longest to wait.
                wait = min(error.retry_after or self._within, until - loop.time(), 1.0)
                if error.retry_after is None or wait <= 0:
                    raise
                await asyncio.sleep(wait * spread(0.5, 1.0))
            except (asyncio.CancelledError, TektonTimeoutError, UnavailableError):
                # Nobody knows whether it was taken.
                self._return_behind(pb.ReturnBudgetRequest(lease_id=self._request.lease_id))
                raise
            else:
                self.lease_id, self.expires_at = taken.lease_id, taken.expires_at.ToJsonString()
                return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._used.lease_id = self.lease_id
        try:
            await self._calls.ask(lambda stubs: stubs.routing.ReturnBudget, self._used)
        except asyncio.CancelledError:
            # Nobody knows whether it was returned. A copy, since the lease may be taken again.
            told = pb.ReturnBudgetRequest()
            told.CopyFrom(self._used)
            self._return_behind(told)
            raise
        except TektonError as failure:
            # It ends by itself, and the answer of the model is not to be lost for it.
            log.warning("the budget lease %s was not returned: %s", self.lease_id, failure)

    def _return_behind(self, request: pb.ReturnBudgetRequest) -> None:
        self._behind(self._gone(request), f"return the budget lease {request.lease_id}")

    async def _gone(self, request: pb.ReturnBudgetRequest) -> None:
        """Return what was taken, if it was, though nobody waits for it any more."""
        loop = asyncio.get_running_loop()
        until, attempt = loop.time() + _LOOKED_FOR, 0
        while True:
            try:
                await self._calls.ask(lambda stubs: stubs.routing.ReturnBudget, request)
            except StaleSessionError:
                # It was not taken so far: what was cancelled here may go on there for a moment.
                if loop.time() >= until:
                    return
                await asyncio.sleep(full_jitter(attempt, base=0.1, ceiling=1.0))
                attempt += 1
            except TektonError as failure:
                log.warning("the budget lease %s was not returned: %s", request.lease_id, failure)
                return
            else:
                return
