"""Leases: who beat when. Beats live in memory only.

Every lease gets one full timeout from the moment this server first hears of it, so a start is a grace for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from tekton.core.view import Commit, Instance, InstanceChange
from tekton_server.domain.decide import CLAIMED, EXPIRED
from tekton_server.live.beat_flush import BeatFlush
from tekton_server.live.beats import BeatEvent, BeatFeed
from tekton_server.live.judge import Judge
from tekton_server.live.lease import Clock, Lease, Timing, Wall, utc
from tekton_server.live.ownership import Ownership
from tekton_server.live.pace import BEATS_PER_SECOND, Pace
from tekton_server.live.presence import Presence, Roll
from tekton_server.live.writer import Writer
from tekton_server.storage.leases import LeaseStore
from tekton_server.storage.state import Beat


class Stamp(NamedTuple):
    """What of an instance's liveness is shown."""

    beat_at: datetime
    suspect: bool


class LeaseTable:
    """All leases, the judge of them, and the flush of beats to the database."""

    def __init__(
        self, timing: Timing, writer: Writer, store: LeaseStore, feed: BeatFeed, clock: Clock = time.monotonic,
        wall: Wall = utc, *, beats_per_second: float = BEATS_PER_SECOND,
    ) -> None:  # fmt: skip
        self._pace = Pace(timing, beats_per_second)
        self._feed = feed
        self._clock = clock
        self._wall = wall
        self._leases: dict[str, Lease] = {}
        # Last beats of instances that are still shown and hold no lease any more, and the session of each.
        self._ended: dict[str, Beat] = {}
        self.beats = BeatFlush(store, lambda *told: self.ownership.stored(*told), clock)
        self.ownership = Ownership(store.server_id, self._leases, self._ended, self.beats, self._heard, clock, wall)
        writer.recheck = self.ownership.recheck
        self.judge = Judge(self._leases, writer, self.ownership, self._pace, clock)

    def __len__(self) -> int:
        return len(self._leases)

    def __contains__(self, instance_uuid: str) -> bool:
        return instance_uuid in self._leases

    @property
    def timing(self) -> Timing:
        """The terms that clients are told now."""
        return self._pace.timing

    @property
    def suspects(self) -> int:
        """How many leases have lost their stream."""
        return sum(lease.suspect for lease in self._leases.values())

    @property
    def owned(self) -> int:
        """How many leases this server judges, and no other."""
        return self.ownership.owned

    def load(self, instances: Collection[Instance], beats: Mapping[str, Beat], *, alone: bool) -> None:
        """Begin with the leases found in the database at start; each gets one full timeout.

        Those of a server that is `alone` are all its own; otherwise the rows say whose they are.
        """
        for instance in instances:
            beat = beats.get(instance.instance_uuid)
            if instance.leased:
                self._grant(instance, beat, ours=alone)
            elif beat is not None:
                self._ended[instance.instance_uuid] = beat
        self._pace.follow(len(self._leases), self._clock())
        for lease in self._leases.values():
            lease.terms = self.timing
        known = {instance.instance_uuid for instance in instances}
        self.beats.forget(uuid for uuid in beats if uuid not in known)

    def get(self, instance_uuid: str) -> Lease | None:
        """Find a lease."""
        return self._leases.get(instance_uuid)

    def last_beat(self, instance: Instance) -> datetime:
        """Give an instance's last beat: of its lease, or what was known when that ended, or its registration."""
        lease = self._leases.get(instance.instance_uuid)
        if lease is not None:
            return lease.beat_at
        ended = self._ended.get(instance.instance_uuid)
        return instance.registered_at if ended is None else ended.last_heartbeat

    def last_epoch(self, instance_uuid: str) -> int:
        """Give the session epoch of a lease, or the last one it had before it ended; 0 where there was no session."""
        lease = self._leases.get(instance_uuid) or self._ended.get(instance_uuid)
        return 0 if lease is None else lease.session_epoch

    def stamp(self, instance: Instance) -> Stamp:
        """Give what is shown of an instance's liveness."""
        lease = self._leases.get(instance.instance_uuid)
        return Stamp(self.last_beat(instance), False) if lease is None else Stamp(lease.beat_at, lease.suspect)

    def on_commit(self, commit: Commit, ours: bool) -> None:
        """Grant and end leases as the journal says; what this server granted is its own."""
        for change in commit.changes:
            if isinstance(change, InstanceChange):
                self._follow(change, ours)

    def beat(self, lease: Lease, event: Callable[[], BeatEvent]) -> None:
        """Renew a lease. `event` makes what watchers see, if there are any."""
        lease.beat_seconds = self._clock()
        lease.beat_at = self._wall()
        lease.suspect = False
        self._heard(lease)
        self.beats.beat(lease)
        if self._feed.active:
            self._feed.publish(event())

    def _heard(self, lease: Lease) -> None:
        """A beat was heard, here or by another server, and its client is told these terms."""
        lease.terms = self._pace.timing
        if lease.session is None and lease.home is not None:
            self._roll.move(lease, lease.home, lease.beat_seconds)

    def show(self, lease: Lease, event: Callable[[Lease], BeatEvent]) -> None:
        """Show watchers a beat that another server heard."""
        if self._feed.active:
            self._feed.publish(event(lease))

    def beat_all(self, leases: Collection[Lease], event: Callable[[Lease], BeatEvent]) -> None:
        """Renew many leases at once."""
        now, at, terms = self._clock(), self._wall(), self._pace.timing
        for lease in leases:
            lease.beat_seconds = now
            lease.beat_at = at
            lease.suspect = False
            lease.terms = terms
        self.beats.beat_all(leases)
        if self._feed.active:
            for lease in leases:
                self._feed.publish(event(lease))

    def sign_of_life(self, lease: Lease) -> None:
        """Renew a lease whose client was heard, and is not answered as beats are."""
        lease.beat_seconds = self._clock()
        lease.beat_at = self._wall()
        self.beats.beat(lease)

    def carried(self, lease: Lease, presence: Presence) -> None:
        """A stream carries a lease from now on."""
        self._roll.move(lease, presence, self._clock())

    @property
    def _roll(self) -> Roll:
        return self.judge.preservation.roll

    def epoch(self, lease: Lease) -> int:
        """Start a new session epoch of a lease: it is this server's then."""
        return self.ownership.claim(lease)

    def _follow(self, change: InstanceChange, ours: bool) -> None:
        instance = change.new
        lease = self._leases.get(change.key)
        if instance is not None and instance.leased:
            if lease is None:
                ended = self._ended.pop(change.key, None)
                self._grant(instance, None, ours=ours)
                if ended is not None:
                    # It came back, and what was fenced before is so still.
                    self._leases[change.key].session_epoch = ended.session_epoch
            elif not ours and change.cause.reason == CLAIMED:
                # A claim that another server heard: here too only a change of it is news.
                lease.claimed = instance.state.value
        elif lease is not None:
            self.ownership.leave(lease)
            del self._leases[change.key]
            self._ended[change.key] = Beat(lease.session_epoch, lease.beat_at)
            record = instance or change.old
            self._roll.leave(lease, self._clock(), evicted=record is not None and record.reason == EXPIRED)
            if lease.session is not None and record is not None:
                lease.session.lease_ended(lease, record)
        if instance is None:
            self._ended.pop(change.key, None)
            self.beats.forget((change.key,))

    def _grant(self, instance: Instance, beat: Beat | None, *, ours: bool) -> None:
        lease = Lease(instance, self._clock(), beat, self.timing)
        self._leases[lease.instance_uuid] = lease
        self.ownership.enter(lease)
        self._roll.enter(lease, instance, lease.beat_seconds)
        if ours:
            self.ownership.adopt(lease)
        if ours and beat is None:
            self.beats.beat(lease)
        self.judge.watch(lease)

    def now(self) -> float:
        """Give the time on the clock of the leases, in monotonic seconds."""
        return self._clock()
