"""Taking error reports: who may report, and how fast."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from tekton.core.backoff import spread
from tekton.core.errors import RateLimitedError
from tekton.core.ids import Token, lookup_key
from tekton.core.view import View
from tekton_server.domain import instances
from tekton_server.domain.error_reports import ErrorReport, check_report
from tekton_server.domain.overlay import Overlay, Tombstones
from tekton_server.domain.rates import Turnstile
from tekton_server.live.freshness import surely
from tekton_server.live.lease import Clock
from tekton_server.live.standing import over_and_over
from tekton_server.storage.error_reports import ErrorReportStore

# Of one component: so many a second, and so many at once.
RATE, BURST = 10.0, 100
SWEEP_EVERY = 60.0


class ErrorReports:
    """The reports of the components of this server's view."""

    def __init__(
        self,
        view: View,
        tombstones: Tombstones,
        store: ErrorReportStore,
        confirm: Callable[[], Awaitable[None]],
        clock: Clock = time.monotonic,
    ) -> None:
        self.store = store
        self._view = view
        self._tombstones = tombstones
        self._confirm = confirm
        self._clock = clock
        self._turnstiles: dict[str, Turnstile] = {}

    async def run(self) -> None:
        """Sweep until cancelled."""
        await over_and_over(
            self._sweep, lambda: SWEEP_EVERY * spread(0.8, 1.0), "old error reports cannot be forgotten"
        )

    async def take(self, report: ErrorReport, token: Token | None) -> int:
        """Keep a report, and give its id.

        Raises:
            ValidationError: it is malformed.
            ComponentNotFoundError, RegistrationError, StaleSessionError: nobody who may say so.
            RateLimitedError: the component reports too much.
            StorageUnavailableError: it cannot be kept now.
        """
        check_report(report)
        await surely(lambda: self._check_owner(report, token), self._confirm)
        key = lookup_key(report.component_id)
        if self._turnstiles.setdefault(key, Turnstile(RATE, BURST, 0.0)).wait(self._clock()) is None:
            raise RateLimitedError(
                f"{report.component_id} reports more than {RATE:g} errors a second; leave some out",
                details={"component_id": report.component_id},
            )
        return await self.store.add(report)

    def _check_owner(self, report: ErrorReport, token: Token | None) -> None:
        view = Overlay(self._view, self._tombstones)
        instances.owned(view, report.component_id, report.instance_uuid, token)

    async def _sweep(self) -> None:
        # Components come and go; one that is there again begins anew.
        self._turnstiles = {key: one for key, one in self._turnstiles.items() if key in self._view.components}
        await self.store.sweep()
