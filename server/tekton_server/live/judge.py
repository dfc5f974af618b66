"""The judge of leases: who has not beaten for too long is failed by a journal change, and nobody for our own outage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from tekton.core.errors import TektonError
from tekton_server.domain.commands import ExpireLease
from tekton_server.live.lease import Clock, Lease, Timing
from tekton_server.live.wheel import Wheel
from tekton_server.live.writer import Writer

log = logging.getLogger(__name__)

TICK = 0.1
# A wheel that runs this late was stopped, and so perhaps was everything: nobody is judged before a full timeout.
LATE = 2.0


class Judge:
    """Judges the leases of a table, which it reads and never changes."""

    def __init__(self, timing: Timing, leases: Mapping[str, Lease], writer: Writer, clock: Clock) -> None:
        self._timing = timing
        self._leases = leases
        self._writer = writer
        self._clock = clock
        self._wheel: Wheel[Lease] = Wheel(TICK, clock())

    def watch(self, lease: Lease) -> None:
        """Judge a lease from now on, a full timeout after its last beat."""
        self._wheel.put(lease, lease.beat_seconds + self._timing.timeout)

    async def run(self) -> None:
        """Judge until cancelled."""
        expected = self._clock() + TICK
        while True:
            await asyncio.sleep(max(0.0, expected - self._clock()))
            now = self._clock()
            if now - expected > min(LATE, self._timing.timeout / 2):
                self._grace(now, now - expected)
            expected = now + TICK
            for lease in self._wheel.due(now):
                if self._leases.get(lease.instance_uuid) is lease:
                    self._judge(lease, now)

    def _grace(self, now: float, late: float) -> None:
        log.warning("the lease wheel ran %.1f s late; every lease gets one full timeout", late)
        for lease in self._leases.values():
            lease.beat_seconds = now

    def _overdue(self, lease: Lease) -> bool:
        held = self._leases.get(lease.instance_uuid) is lease
        return held and self._clock() - lease.beat_seconds >= self._timing.timeout

    def _judge(self, lease: Lease, now: float) -> None:
        deadline = lease.beat_seconds + self._timing.timeout
        if deadline > now:
            self._wheel.put(lease, deadline)
            return
        evidence = {
            "last_heartbeat": lease.beat_at.isoformat().replace("+00:00", "Z"),
            "silent_seconds": round(now - lease.beat_seconds, 3),
            "timeout_seconds": self._timing.timeout,
            "stream": "open" if lease.session else "closed",
        }
        command = ExpireLease(instance_uuid=lease.instance_uuid, granted=lease.granted, evidence=evidence)
        try:
            # The guard is asked under the journal lock: a beat that came meanwhile wins.
            lease.judging = self._writer.submit_nowait(command, guard=lambda: self._overdue(lease))
        except TektonError:
            self._spare(lease)
            return
        lease.judging.add_done_callback(lambda future: self._judged(lease, future))

    def _judged(self, lease: Lease, future: asyncio.Future[Any]) -> None:
        lease.judging = None
        if not future.cancelled() and future.exception() is not None:
            log.warning("the expiry of %s could not be recorded: %s", lease.instance_uuid, future.exception())
            self._spare(lease)
        elif self._leases.get(lease.instance_uuid) is lease:
            self.watch(lease)

    def _spare(self, lease: Lease) -> None:
        """The expiry could not be recorded, which is not the instance's fault: one full timeout more."""
        lease.beat_seconds = self._clock()
        self.watch(lease)
