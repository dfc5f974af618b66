"""Whose a lease is: every server keeps every lease, and each is judged by the one that its stored row names.

The row is the authority. A Hello takes a lease at once, with an epoch greater than any before, and the flush of beats
records it; every row that is read later is either what this server thinks already, or it is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from tekton_server.live import grace
from tekton_server.live.beat_flush import BeatFlush
from tekton_server.live.lease import Clock, Lease, Wall
from tekton_server.storage.journal import JournalSession
from tekton_server.storage.leases import FlushedBeat, StoredLease
from tekton_server.storage.state import Beat

_figures = msgspec.json.Decoder(dict[str, float]).decode
_NEVER = float("-inf")
# So long a claim that is not stored yet stands against a greater epoch: that is a clock ahead, or two claims at once.
# Not for ever: a server that was stopped in between does not know who has claimed since.
_CLAIM_STANDS = 2.0


class Ownership:
    """The leases of a table by owner.

    `heard` is called with each that another server has heard, and `shown` where that is a newer beat to be seen.
    `ended` holds the last beats of those that are over.
    """

    def __init__(
        self,
        server_id: UUID,
        leases: Mapping[str, Lease],
        ended: dict[str, Beat],
        beats: BeatFlush,
        heard: Callable[[Lease], None],
        clock: Clock,
        wall: Wall,
    ) -> None:
        self.server_id = server_id
        self.others: frozenset[UUID] = frozenset()
        """The other servers that live."""
        self.slack = 0.0
        """How much later than in a timeout leases are judged, so that the others have stored what they heard."""
        self.shown: Callable[[Lease], None] = lambda lease: None
        self._heard = heard
        self._leases = leases
        self._ended = ended
        self._beats = beats
        self._clock = clock
        self._wall = wall
        self._ids = {server_id: server_id}
        # How many leases each server owns, so that nobody has to walk over all of them to know.
        self._owners: Counter[UUID | None] = Counter()
        self._confirmed: tuple[frozenset[str], float] = (frozenset(), _NEVER)

    def claim(self, lease: Lease) -> int:
        """Take a lease for a new stream: the epoch grows over servers and restarts too, since it follows the time."""
        lease.session_epoch = max(lease.session_epoch + 1, int(self._wall().timestamp() * 1000))
        self._own(lease, self.server_id)
        lease.claimed_seconds = self._clock()
        self._beats.beat(lease)
        return lease.session_epoch

    def adopt(self, lease: Lease) -> None:
        """Judge a lease from now on. It gets one full timeout here: how long it was silent elsewhere is not known."""
        self._own(lease, self.server_id)
        lease.adopted = self._clock()

    def pardon(self) -> None:
        """Give a full timeout to leases without a stream: a server is gone, and with it what it had not stored yet."""
        now = self._clock()
        for lease in self._leases.values():
            if lease.mine and lease.session is None:
                grace.pardon(lease, now)

    def disown(self) -> None:
        """This server was given up meanwhile: whose its leases are is what their rows say, once those are read."""
        for lease in self._leases.values():
            self._own(lease, None)
            lease.version = 0

    def orphans(self, patience: float) -> list[Lease]:
        """Find the leases that nobody seems to have stored, `patience` seconds after their grant."""
        if not self._owners[None]:
            return []
        before = self._clock() - patience
        return [lease for lease in self._leases.values() if lease.owner is None and lease.beat_seconds < before]

    @property
    def unowned(self) -> bool:
        """Whether a lease belongs to a server that does not live."""
        return not self._owners.keys() <= {self.server_id, None, *self.others}

    @property
    def owned(self) -> int:
        """How many leases this server judges."""
        return self._owners[self.server_id]

    def enter(self, lease: Lease) -> None:
        """Count a lease that has just come into the table."""
        self._owners[lease.owner] += 1

    def leave(self, lease: Lease) -> None:
        """Count one that is about to leave it no more."""
        self._owners[lease.owner] -= 1
        if not self._owners[lease.owner]:
            del self._owners[lease.owner]

    def _own(self, lease: Lease, owner: UUID | None) -> None:
        counted = self._leases.get(lease.instance_uuid) is lease
        if counted:
            self.leave(lease)
        lease.mine, lease.owner = owner == self.server_id, owner
        if counted:
            self.enter(lease)

    def stored(self, leases: Sequence[Lease], beats: Sequence[FlushedBeat], foreign: Sequence[StoredLease]) -> None:
        """These beats of the leases are stored, and the rows that another server owns are those."""
        if foreign:
            self.learn(foreign)
        theirs = {row.instance_uuid for row in foreign}
        for lease, beat in zip(leases, beats, strict=True):
            if lease.instance_uuid not in theirs:
                if beat.session_epoch == lease.session_epoch:
                    lease.claimed_seconds = _NEVER
                if not lease.mine:
                    self.adopt(lease)

    def learn(self, rows: Iterable[StoredLease], *, taken: bool = False) -> None:
        """Follow rows that were read; one that is older than what is known says nothing.

        Unless this server has just `taken` it over: then a failover has lost the one that was known.
        """
        for row in rows:
            lease = self._leases.get(row.instance_uuid)
            if lease is None:
                self._remember(row)
            elif taken or row.version >= lease.version:
                if row.version > lease.version and row.written_by != self.server_id:
                    self._hear(lease, row)
                lease.version = row.version
                self._follow(lease, row)

    def _remember(self, row: StoredLease) -> None:
        """A lease that is over had its last session elsewhere: what that fenced is fenced here too."""
        ended = self._ended.get(row.instance_uuid)
        if ended is not None and row.session_epoch > ended.session_epoch:
            self._ended[row.instance_uuid] = ended._replace(session_epoch=row.session_epoch)

    def _hear(self, lease: Lease, row: StoredLease) -> None:
        """Another server wrote the row, so it has heard a beat; when, the clocks of two machines cannot tell."""
        lease.beat_seconds = self._clock()
        self._heard(lease)
        if row.metrics is not None:
            lease.metrics, lease.measured = _figures(row.metrics), {}
        if row.last_heartbeat > lease.beat_at:
            lease.beat_at = row.last_heartbeat
            if lease.session is None:
                lease.suspect = False
            self.shown(lease)

    def _follow(self, lease: Lease, row: StoredLease) -> None:
        if row.session_epoch < lease.session_epoch and (lease.mine or lease.session is not None):
            # A claim of this server is on its way there, or was when the others gave it up.
            if not lease.mine:
                self.claim(lease)
            return
        newer = row.session_epoch > lease.session_epoch and not self._is_claiming(lease)
        lease.session_epoch = row.session_epoch
        if row.server_id == self.server_id:
            if not lease.mine:
                self.adopt(lease)
        elif lease.session is not None and not newer:
            # Taken for an orphan, or by a stream before this one: its stream is here.
            self.claim(lease)
        else:
            self._give_up(lease, row.server_id)

    def _is_claiming(self, lease: Lease) -> bool:
        return lease.mine and lease.session is not None and self._clock() - lease.claimed_seconds < _CLAIM_STANDS

    def _give_up(self, lease: Lease, owner: UUID) -> None:
        self._own(lease, self._ids.setdefault(owner, owner))
        lease.suspect = False
        holder, lease.session = lease.session, None
        if holder is not None:
            holder.taken_over(lease)

    async def recheck(self, session: JournalSession, instance_uuids: Sequence[str]) -> None:
        """Read under the journal lock what is stored of leases that are to expire; `certain_until` then tells."""
        asked = self._clock()
        found = await session.judged(instance_uuids, self.server_id)
        self.learn(found.rows)
        confirmed = [row.instance_uuid for row in found.rows if found.member and row.server_id == self.server_id]
        self._confirmed = frozenset(confirmed), asked - found.behind
        for uuid in {*instance_uuids}.difference(row.instance_uuid for row in found.rows):
            if (lease := self._leases.get(uuid)) is not None:
                # It has to be stored first.
                self._beats.beat(lease)

    def certain_until(self, lease: Lease) -> float:
        """Give until when all beats of a lease are known, as of the last `recheck`; never where it is not ours."""
        confirmed, until = self._confirmed
        return until if lease.mine and lease.instance_uuid in confirmed else _NEVER
