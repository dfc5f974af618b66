"""The terms of leases now: as configured, or longer where there are very many."""

from __future__ import annotations

import logging

from msgspec import structs

from tekton_server.domain.pace import next_step, stretched
from tekton_server.live.lease import Timing

log = logging.getLogger(__name__)

BEATS_PER_SECOND = 10_000.0


class Pace:
    """Gives the terms that clients are told."""

    def __init__(self, configured: Timing, ceiling: float = BEATS_PER_SECOND) -> None:
        self._configured = configured
        self._ceiling = ceiling
        self._step = 0
        self._lowered_at = float("-inf")
        self.timing = configured

    def configure(self, configured: Timing) -> None:
        """Take other terms; how much longer they have to be is seen by the next `follow`."""
        self._configured = self.timing = configured
        self._step = 0

    def follow(self, leases: int, now: float) -> None:
        """Look at how many leases there are: up at once, down by one step in a timeout at most."""
        step = next_step(self._step, leases, self._configured.interval, self._ceiling)
        if step == self._step or (step < self._step and now - self._lowered_at < self.timing.timeout):
            return
        self._lowered_at = now if step < self._step else self._lowered_at
        self._step, factor = step, stretched(step)
        interval, timeout = self._configured.interval * factor, self._configured.timeout * factor
        longer = structs.replace(self._configured, interval=interval, timeout=timeout)
        self.timing = longer if step else self._configured
        log.info("with %d leases each is to beat every %.4g s and is lost after %.4g s", leases, interval, timeout)
