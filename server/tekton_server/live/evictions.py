"""Evictions: leases whose time is over wait for their turn, so that many at once hold up nobody else."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tekton_server.domain.rates import Bucket
from tekton_server.live.lease import Lease

# So many a second: a share of all leases as of when the queue began, within bounds.
SHARE, LEAST, MOST = 0.1, 500, 1000
# How many seconds' worth may go at once.
DEPTH = 0.2
# How many go into one batch of the journal: for as long as one is decided and folded nobody else has a turn.
MOST_UNDER_WAY = 16


class Evictions:
    """The queue of the overdue. `under_way` wait for the journal; `done` were evicted, `spared` came back in time."""

    def __init__(self) -> None:
        self._overdue: deque[Lease] = deque()
        self._bucket = Bucket(DEPTH)
        self._fleet = 0
        self.under_way = 0
        self.done = 0
        self.spared = 0

    def __len__(self) -> int:
        return len(self._overdue)

    @property
    def waiting(self) -> frozenset[str]:
        """Whose turn has not come yet, by their uuids."""
        return frozenset(lease.instance_uuid for lease in self._overdue)

    def add(self, lease: Lease) -> None:
        """The time of a lease is over; it is not in the queue yet."""
        self._overdue.append(lease)

    def next(self, now: float, leases: int) -> Iterator[Lease]:
        """Take out those whose turn it is; whoever takes one looks whether it is still overdue."""
        self._fleet = max(self._fleet, leases) if self._overdue else leases
        if self._overdue and not self.under_way:
            for _ in range(self._bucket.take(now, self.rate, min(len(self._overdue), MOST_UNDER_WAY))):
                yield self._overdue.popleft()

    @property
    def rate(self) -> float:
        """How many may go a second."""
        return min(MOST, max(LEAST, SHARE * self._fleet))

    def returned(self, now: float) -> list[Lease]:
        """Take out those that have beaten, or were pardoned, since they came here."""
        back = [lease for lease in self._overdue if now < lease.deadline]
        if back:
            self._overdue = deque(lease for lease in self._overdue if now >= lease.deadline)
            self.spared += len(back)
        return back
