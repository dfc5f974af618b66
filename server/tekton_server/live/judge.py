"""The judge of leases: who has not beaten for too long is failed by a journal change, and nobody for our own outage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from tekton.core.backoff import spread
from tekton.core.errors import TektonError
from tekton_server.domain.commands import ExpireLease
from tekton_server.live import grace
from tekton_server.live.evictions import Evictions
from tekton_server.live.lease import Clock, Lease, Timing
from tekton_server.live.outages import DATABASE, GATEWAY, LOOP, Outages, Over, matters
from tekton_server.live.ownership import Ownership
from tekton_server.live.pace import Pace
from tekton_server.live.preservation import SelfPreservation
from tekton_server.live.ticks import ticks
from tekton_server.live.wheel import Wheel
from tekton_server.live.writer import Writer

log = logging.getLogger(__name__)

TICK = 0.1
# How often sessions are counted.
LOOK_EVERY = 1.0
# How late a tick may be before the sockets are drained first: so many seconds, or this part of a timeout.
SLOW, SLOW_SHARE = 0.5, 1 / 10
# For how long: what waits on the sockets is read within a few turns of the loop, and handled in its time.
DRAIN, DRAIN_SHARE = 1.0, 1 / 10
# A loop that is always late is not waited for for ever.
DRAINS = 5
# What the supervised parts are called that stand between us and whoever beats.
BEATS_COME_THROUGH = {"gateway": GATEWAY, "api": "the listener"}
# When an expiry that could not be recorded is tried again, in seconds or in parts of a timeout, give or take a half.
RETRY, RETRY_SHARE = 1.0, 1 / 10


class Judge:
    """Judges the leases of a table, which it reads and never changes."""

    def __init__(
        self, leases: Mapping[str, Lease], writer: Writer, ownership: Ownership, pace: Pace, clock: Clock
    ) -> None:
        self._leases = leases
        self._writer = writer
        self._ownership = ownership
        self._pace = pace
        self.preservation = SelfPreservation(pace, clock, lambda: len(self.evictions))
        self._clock = clock
        self._wheel: Wheel[Lease] = Wheel(TICK, clock())
        self.outages = Outages()
        self.evictions = Evictions()
        self._draining = False
        self._tick_at = clock() + TICK
        self._look_at = 0.0

    def watch(self, lease: Lease) -> None:
        """Judge a lease from now on, a full timeout after its last beat."""
        self._wheel.put(lease, lease.counted_from + lease.terms.silence)

    def retime(self, timing: Timing) -> None:
        """Take other terms. A lease on a stream is judged by the former ones until its client is told these.

        All others get one full timeout of the new ones from now.
        """
        now, overdue = self._clock(), self.evictions.waiting
        self._pace.configure(timing)
        self._pace.follow(len(self._leases), now)
        self._wheel = Wheel(TICK, now)
        for lease in self._leases.values():
            if lease.session is None:
                lease.terms = self._pace.timing
                lease.pardoned, lease.proved = now, 0.0
            if lease.judging is None and lease.instance_uuid not in overdue:
                # No later than the new terms want it, though it may be early for the former ones.
                soonest = now + self._pace.timing.silence
                self._wheel.put(lease, min(soonest, lease.counted_from + lease.terms.silence))

    def part(self, part: str, up: bool) -> None:
        """A part through which beats come went down, or is up again."""
        if part not in BEATS_COME_THROUGH:
            return
        if up:
            self.outages.ended(BEATS_COME_THROUGH[part], self._clock())
        else:
            self.outages.began(BEATS_COME_THROUGH[part], self._clock())

    def begin(self) -> None:
        """The server can be called from now on: every lease that was loaded gets one full timeout."""
        now = self._clock()
        for lease in self._leases.values():
            grace.pardon(lease, now)

    async def run(self) -> None:
        """Judge until cancelled."""
        self._tick_at = self._clock() + TICK
        async for late in ticks(self._clock, lambda: TICK):
            if late > self._part(SLOW, SLOW_SHARE):
                self.outages.lasted(LOOP, late)
                await self._drain()
            self.tick()

    async def _drain(self) -> None:
        """Let the loop take what waits on the sockets, until it is in time again."""
        self._draining = True
        pause = self._part(DRAIN, DRAIN_SHARE)
        for _ in range(DRAINS):
            began = self._clock()
            await asyncio.sleep(pause)
            late = self._clock() - began - pause
            self.outages.lasted(LOOP, late)
            if late <= self._part(SLOW, SLOW_SHARE):
                break
        self._draining = False

    def tick(self) -> None:
        """Look at the outages, at the leases whose time it is, and evict."""
        now = self._clock()
        self._tick_at = now + TICK
        self._follow_database(now)
        over = self.outages.due(matters(self._pace.timing))
        if over is not None:
            self._pardon(over, now)
        for lease in self._wheel.due(now):
            if self._leases.get(lease.instance_uuid) is lease:
                self._judge(lease, now)
        if now >= self._look_at:
            self._look_at = now + min(LOOK_EVERY, self._pace.timing.timeout / 20)
            self._look(now)
        self._evict_some(now)

    def _evict_some(self, now: float) -> None:
        if not self._held:
            for lease in self.evictions.next(now, len(self._leases)):
                self._evict(lease, now)

    def _follow_database(self, now: float) -> None:
        since = self._writer.down_since
        if since is not None:
            self.outages.began(DATABASE, since)
        else:
            self.outages.ended(DATABASE, now)

    def _pardon(self, over: Over, now: float) -> None:
        before = over.heard_before + self._left_over
        cut_off = [lease for lease in self._leases.values() if lease.beat_seconds <= before]
        pardoned = sum(grace.pardon(lease, now) for lease in cut_off)
        count = len(self._leases)
        log.warning("%s; %d of %d leases get one full timeout before they are judged", over.what, pardoned, count)

    def _look(self, now: float) -> None:
        """Count who is missing, and take back those that have beaten since their time was over."""
        self._pace.follow(len(self._leases), now)
        if not self.outages.everybodys:
            self.preservation.look(now)
        for lease in self.evictions.returned(now):
            if self._leases.get(lease.instance_uuid) is lease:
                self.watch(lease)

    @property
    def trouble(self) -> str | None:
        """Why nobody may be judged now, in words; None where nothing of ours is ill."""
        # What is wrong with the database is asked as of now: an outage may have begun since the last tick.
        if self._writer.down_since is not None:
            return "the database does not answer"
        if self.outages.everybodys:
            return "something between Tekton and its components is down"
        if self._draining or self._clock() - self._tick_at > self._part(SLOW, SLOW_SHARE):
            return "this server runs late"
        return "self-preservation is on" if self.preservation.active else None

    @property
    def _held(self) -> bool:
        return self.trouble is not None

    def _cut_off(self, lease: Lease) -> bool:
        """Whether the way by which a lease beats may be down: who comes another way is judged all the same."""
        return self.outages.cut_off(lease.beat_seconds - self._left_over)

    @property
    def _left_over(self) -> float:
        """For how long what came before the gateway went may wait on the sockets, or be known to other servers only."""
        return self._part(DRAIN, DRAIN_SHARE) + self._ownership.slack

    def _holds(self, lease: Lease) -> bool:
        return self._held or self._cut_off(lease)

    def _part(self, seconds: float, share: float) -> float:
        return min(seconds, self._pace.timing.timeout * share)

    def _judge(self, lease: Lease, now: float) -> None:
        # What another server heard is known here that much later.
        silent_at = lease.counted_from + lease.terms.silence + self._ownership.slack
        if now < silent_at:
            grace.prove(lease)
            self._wheel.put(lease, silent_at)
            return
        grace.relapse(lease)
        cut_off = self._cut_off(lease)
        if not cut_off:
            self.preservation.roll.fell_silent(lease, now)
        deadline = lease.deadline + self._ownership.slack
        if now < deadline:
            self._wheel.put(lease, deadline)
        elif lease.mine and not cut_off:
            self.evictions.add(lease)
        else:
            # Another server judges it, or nobody can now; it is kept in the wheel for the day that this one does.
            self._wheel.put(lease, now + lease.terms.silence)

    def _may_evict(self, lease: Lease) -> bool:
        held = self._leases.get(lease.instance_uuid) is lease
        # Until when all is known, and not now: another server may have heard a beat that it has not stored yet.
        # Who was kept beyond its time may have come back to another server while it was.
        until = max(lease.deadline, self.preservation.ended)
        return held and self._ownership.certain_until(lease) >= until and not self._holds(lease)

    def _evict(self, lease: Lease, now: float) -> None:
        if self._leases.get(lease.instance_uuid) is not lease:
            return
        if now < lease.deadline or not lease.mine or self._cut_off(lease):
            self.watch(lease)
            return
        evidence = {
            "last_heartbeat": lease.beat_at.isoformat().replace("+00:00", "Z"),
            "silent_seconds": round(now - lease.beat_seconds, 3),
            "timeout_seconds": lease.terms.timeout,
            "stream": "open" if lease.session else "closed",
        }
        command = ExpireLease(instance_uuid=lease.instance_uuid, granted=lease.granted, evidence=evidence)
        try:
            # The guard is asked under the journal lock: a beat, or an outage of ours, that came meanwhile wins.
            lease.judging = self._writer.submit_nowait(command, guard=lambda: self._may_evict(lease))
        except TektonError:
            self._again(lease)
            return
        self.evictions.under_way += 1
        lease.judging.add_done_callback(lambda future: self._judged(lease, future))

    def _judged(self, lease: Lease, future: asyncio.Future[Any]) -> None:
        lease.judging = None
        self.evictions.under_way -= 1
        failed = not future.cancelled() and future.exception() is not None
        if self._leases.get(lease.instance_uuid) is not lease:
            self.evictions.done += 1
        elif failed:
            log.warning("the expiry of %s could not be recorded: %s", lease.instance_uuid, future.exception())
            self._again(lease)
        elif self._clock() >= lease.deadline and not self._holds(lease):
            # Another server may know better, and has not stored it yet.
            self._again(lease)
        else:
            self.watch(lease)
        if self.evictions and not self.evictions.under_way:
            self._evict_some(self._clock())

    def _again(self, lease: Lease) -> None:
        """The expiry could not be recorded: soon again, and not with all the others."""
        self._wheel.put(lease, self._clock() + self._part(RETRY, RETRY_SHARE) * spread(0.5, 1.5))
