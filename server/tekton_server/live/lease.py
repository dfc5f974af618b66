"""A lease as this server knows it: whose it is, when it last beat, and what the beat said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tekton.core.view import Instance, InstanceCommand
from tekton_server.storage.state import Beat

if TYPE_CHECKING:
    from tekton_server.live.presence import Presence

Clock = Callable[[], float]
# The time of day, for what is shown, and for what has to grow over restarts.
Wall = Callable[[], datetime]


def utc() -> datetime:
    """Give the time of day."""
    return datetime.now(UTC)


# Shared by all that have nothing to say; a mapping is replaced, never changed.
_NOTHING: Mapping[str, Any] = {}


class Timing(msgspec.Struct, frozen=True):
    """How often to beat, after how long a lease is lost, and which lag of an event loop is too much, in seconds."""

    interval: float = 10.0
    timeout: float = 30.0
    busy_after: float = 1.0

    @property
    def silence(self) -> float:
        """After how long a lease that beats in time cannot merely be between two beats."""
        return min(self.timeout, max(1.5 * self.interval, self.timeout / 2))


class Lease:
    """The liveness of one instance, as this server knows it. Times without `_at` are monotonic seconds."""

    __slots__ = (
        "adopted", "beat_at", "beat_seconds", "claimed", "claimed_seconds", "claims_in_flight", "component_id",
        "granted", "health", "home", "instance_uuid", "judging", "measured", "metrics", "mine", "owner", "pardoned",
        "presence", "proved", "sequence", "session", "session_epoch", "suspect", "terms", "version", "weighing",
    )  # fmt: skip

    def __init__(self, instance: Instance, now: float, beat: Beat | None, terms: Timing) -> None:
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
        self.measured: Mapping[str, float] = _NOTHING
        self.health: Mapping[str, str] = _NOTHING
        self.session: LeaseHolder | None = None
        self.suspect = False
        self.judging: asyncio.Future[Any] | None = None
        self.weighing: asyncio.Future[None] | None = None
        # The terms that its client was told last: it is judged by those.
        self.terms = terms
        # When it became this server's to judge, which does not know for how long it was silent elsewhere.
        self.adopted = 0.0
        # See live.grace. Zero: it may have a pardon; it has not beaten since its pardon.
        self.pardoned = 0.0
        self.proved = 0.0
        # The session it beats through, and the one of its host, for when no stream carries it.
        self.presence: Presence | None = None
        self.home: Presence | None = None
        # Whether this server judges it; if not, which one does, as far as known; and the row that says so.
        self.mine = False
        self.owner = beat.server_id if beat else None
        self.version = beat.version if beat else 0
        # When this server took it for a stream, until that is stored.
        self.claimed_seconds = float("-inf")

    @property
    def figures(self) -> Mapping[str, float]:
        """What the instance measures, and what its heart measures of it."""
        return {**self.metrics, **self.measured} if self.measured else self.metrics

    @property
    def counted_from(self) -> float:
        """Since when it has been silent, as far as it can be held against it."""
        return max(self.beat_seconds, self.adopted, self.pardoned)

    @property
    def deadline(self) -> float:
        """When its time is over."""
        return self.counted_from + self.terms.timeout


class LeaseHolder:
    """A session that carries leases; it is told when one ends, and of the commands to its instance."""

    def lease_ended(self, lease: Lease, instance: Instance) -> None:
        """MUST return at once; the lease is no longer in the table."""
        raise NotImplementedError

    def command_changed(self, lease: Lease, command: InstanceCommand, *, over: bool) -> None:
        """MUST return at once; a command to the instance of the lease was posted, or is over."""
        raise NotImplementedError

    def taken_over(self, lease: Lease) -> None:
        """MUST return at once; a newer stream, here or at another server, carries the lease."""
        raise NotImplementedError
