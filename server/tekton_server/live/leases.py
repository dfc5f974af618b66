"""Leases: who beat when, and who has not for too long. Beats live in memory only; expiry is a journal change.

Every lease gets one full timeout from the moment this server first hears of it, so a start is a grace for all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from tekton.core.errors import TektonError
from tekton.core.view import Commit, Instance, InstanceChange
from tekton_server.domain.commands import ExpireLease
from tekton_server.live.beats import BeatEvent, BeatFeed
from tekton_server.live.wheel import Wheel
from tekton_server.live.writer import Writer
from tekton_server.storage.leases import FlushedBeat, LeaseStore
from tekton_server.storage.state import Beat

log = logging.getLogger(__name__)

TICK = 0.1
FLUSH_INTERVAL = 0.5
# How many beats go into one statement.
FLUSH_PART = 2000
# A wheel that runs this late was stopped, and so perhaps was everything: nobody is judged before a full timeout.
LATE = 2.0

Clock = Callable[[], float]


# Shared by all that have nothing to say; a mapping is replaced, never changed.
_NOTHING: Mapping[str, Any] = {}


class Timing(msgspec.Struct, frozen=True):
    """How often to beat and after how long a lease is lost, in seconds."""

    interval: float = 10.0
    timeout: float = 30.0


class Lease:
    """The liveness of one instance, as this server knows it. Times without `_at` are monotonic seconds."""

    __slots__ = (
        "beat_at", "beat_seconds", "claimed", "claims_in_flight", "component_id", "granted", "health", "instance_uuid",
        "judging", "metrics", "sequence", "session", "session_epoch", "suspect",
    )  # fmt: skip

    def __init__(self, instance: Instance, now: float, beat: Beat | None) -> None:
        self.instance_uuid = instance.instance_uuid
        self.component_id = instance.component_id
        self.granted = instance.granted
        self.beat_seconds = now
        self.beat_at = beat.last_heartbeat if beat else instance.registered_at
        self.session_epoch = beat.session_epoch if beat else 0
        self.sequence = 0
        self.claimed = ""
        self.claims_in_flight = 0
        self.metrics: Mapping[str, float] = _NOTHING
        self.health: Mapping[str, str] = _NOTHING
        self.session: LeaseHolder | None = None
        self.suspect = False
        self.judging: asyncio.Future[Any] | None = None


class LeaseHolder:
    """A session that carries leases; it is told when one ends."""

    def lease_ended(self, lease: Lease, instance: Instance) -> None:
        """MUST return at once; the lease is no longer in the table."""
        raise NotImplementedError


class LeaseTable:
    """All leases, the wheel that judges them, and the flush of beats to the database."""

    def __init__(
        self, timing: Timing, writer: Writer, store: LeaseStore, feed: BeatFeed, clock: Clock = time.monotonic
    ) -> None:
        self.timing = timing
        self._writer = writer
        self._store = store
        self._feed = feed
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        self._wheel: Wheel[Lease] = Wheel(TICK, clock())
        self._dirty: dict[str, Lease] = {}
        self._ended: dict[str, None] = {}
        # Last beats of instances that are still shown and hold no lease any more.
        self._last_beats: dict[str, datetime] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def __contains__(self, instance_uuid: str) -> bool:
        return instance_uuid in self._leases

    @property
    def suspects(self) -> int:
        """How many leases have lost their stream."""
        return sum(lease.suspect for lease in self._leases.values())

    def load(self, instances: Collection[Instance], beats: Mapping[str, Beat]) -> None:
        """Take over the leases found in the database at start; each gets one full timeout."""
        for instance in instances:
            beat = beats.get(instance.instance_uuid)
            if instance.leased:
                self._grant(instance, beat)
            elif beat is not None:
                self._last_beats[instance.instance_uuid] = beat.last_heartbeat
        known = {instance.instance_uuid for instance in instances}
        self._ended.update((uuid, None) for uuid in beats if uuid not in known)

    def get(self, instance_uuid: str) -> Lease | None:
        """Find a lease."""
        return self._leases.get(instance_uuid)

    def last_beat(self, instance: Instance) -> datetime:
        """Give an instance's last beat: of its lease, or what was known when that ended, or its registration."""
        lease = self._leases.get(instance.instance_uuid)
        if lease is not None:
            return lease.beat_at
        return self._last_beats.get(instance.instance_uuid, instance.registered_at)

    def on_commit(self, commit: Commit) -> None:
        """Grant and end leases as the journal says."""
        for change in commit.changes:
            if isinstance(change, InstanceChange):
                self._follow(change)

    def beat(self, lease: Lease, event: Callable[[], BeatEvent]) -> None:
        """Renew a lease. `event` makes what watchers see, if there are any."""
        lease.beat_seconds = self._clock()
        lease.beat_at = datetime.now(UTC)
        lease.suspect = False
        self._dirty[lease.instance_uuid] = lease
        if self._feed.active:
            self._feed.publish(event())

    def beat_all(self, leases: Collection[Lease], event: Callable[[Lease], BeatEvent]) -> None:
        """Renew many leases at once."""
        now, at, dirty = self._clock(), datetime.now(UTC), self._dirty
        for lease in leases:
            lease.beat_seconds = now
            lease.beat_at = at
            lease.suspect = False
            dirty[lease.instance_uuid] = lease
        if self._feed.active:
            for lease in leases:
                self._feed.publish(event(lease))

    def epoch(self, lease: Lease) -> int:
        """Start a new session epoch of a lease: it grows over restarts too, since it follows the time in ms."""
        lease.session_epoch = max(lease.session_epoch + 1, time.time_ns() // 1_000_000)
        self._dirty[lease.instance_uuid] = lease
        return lease.session_epoch

    async def run_wheel(self) -> None:
        """Judge leases until cancelled."""
        expected = self._clock() + TICK
        while True:
            await asyncio.sleep(max(0.0, expected - self._clock()))
            now = self._clock()
            if now - expected > min(LATE, self.timing.timeout / 2):
                self._grace(now, now - expected)
            expected = now + TICK
            for lease in self._wheel.due(now):
                if self._leases.get(lease.instance_uuid) is lease:
                    self._judge(lease, now)

    async def run_flush(self) -> None:
        """Store beats until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(FLUSH_INTERVAL)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Store every beat since the last flush; what could not be stored stays for the next.

        In parts, between which others have their turn: a hundred thousand beats at once would hold up every call.
        """
        dirty, self._dirty = self._dirty, {}
        ended, self._ended = self._ended, {}
        try:
            while dirty:
                part = list(islice(dirty.values(), FLUSH_PART))
                await self._store.flush(
                    [FlushedBeat(lease.instance_uuid, lease.session_epoch, lease.beat_at) for lease in part]
                )
                for lease in part:
                    del dirty[lease.instance_uuid]
            while ended:
                gone = list(islice(ended, FLUSH_PART))
                await self._store.forget(gone)
                for instance_uuid in gone:
                    del ended[instance_uuid]
        except BaseException as error:
            self._dirty = dirty | self._dirty
            self._ended = ended | self._ended
            if not isinstance(error, TektonError):
                raise
            log.warning("beats could not be stored, they are kept for the next flush: %s", error)

    def _follow(self, change: InstanceChange) -> None:
        instance = change.new
        lease = self._leases.get(change.key)
        if instance is not None and instance.leased:
            if lease is None:
                self._last_beats.pop(change.key, None)
                self._grant(instance, None)
        elif lease is not None:
            del self._leases[change.key]
            self._last_beats[change.key] = lease.beat_at
            record = instance or change.old
            if lease.session is not None and record is not None:
                lease.session.lease_ended(lease, record)
        if instance is None:
            self._last_beats.pop(change.key, None)
            self._dirty.pop(change.key, None)
            self._ended[change.key] = None

    def _grant(self, instance: Instance, beat: Beat | None) -> None:
        lease = Lease(instance, self._clock(), beat)
        self._leases[lease.instance_uuid] = lease
        if beat is None:
            self._dirty[lease.instance_uuid] = lease
        self._wheel.put(lease, lease.beat_seconds + self.timing.timeout)

    def _grace(self, now: float, late: float) -> None:
        log.warning("the lease wheel ran %.1f s late; every lease gets one full timeout", late)
        for lease in self._leases.values():
            lease.beat_seconds = now

    def _overdue(self, lease: Lease) -> bool:
        held = self._leases.get(lease.instance_uuid) is lease
        return held and self._clock() - lease.beat_seconds >= self.timing.timeout

    def _judge(self, lease: Lease, now: float) -> None:
        deadline = lease.beat_seconds + self.timing.timeout
        if deadline > now:
            self._wheel.put(lease, deadline)
            return
        evidence = {
            "last_heartbeat": lease.beat_at.isoformat().replace("+00:00", "Z"),
            "silent_seconds": round(now - lease.beat_seconds, 3),
            "timeout_seconds": self.timing.timeout,
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
            self._wheel.put(lease, lease.beat_seconds + self.timing.timeout)

    def _spare(self, lease: Lease) -> None:
        """The expiry could not be recorded, which is not the instance's fault: one full timeout more."""
        lease.beat_seconds = self._clock()
        self._wheel.put(lease, lease.beat_seconds + self.timing.timeout)

    def now(self) -> float:
        """Give the time on the clock of the leases, in monotonic seconds."""
        return self._clock()
