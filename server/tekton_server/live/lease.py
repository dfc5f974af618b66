"""A lease as this server knows it: whose it is, when it last beat, and what the beat said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tekton.core.view import Instance, InstanceCommand
from tekton_server.storage.state import Beat

Clock = Callable[[], float]


# Shared by all that have nothing to say; a mapping is replaced, never changed.
_NOTHING: Mapping[str, Any] = {}


class Timing(msgspec.Struct, frozen=True):
    """How often to beat, after how long a lease is lost, and which lag of an event loop is too much, in seconds."""

    interval: float = 10.0
    timeout: float = 30.0
    busy_after: float = 1.0


class Lease:
    """The liveness of one instance, as this server knows it. Times without `_at` are monotonic seconds."""

    __slots__ = (
        "beat_at", "beat_seconds", "claimed", "claims_in_flight", "component_id", "granted", "health", "instance_uuid",
        "judging", "measured", "metrics", "sequence", "session", "session_epoch", "suspect", "weighing",
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
        self.measured: Mapping[str, float] = _NOTHING
        self.health: Mapping[str, str] = _NOTHING
        self.session: LeaseHolder | None = None
        self.suspect = False
        self.judging: asyncio.Future[Any] | None = None
        self.weighing: asyncio.Future[None] | None = None

    @property
    def figures(self) -> Mapping[str, float]:
        """What the instance measures, and what its heart measures of it."""
        return {**self.metrics, **self.measured} if self.measured else self.metrics


class LeaseHolder:
    """A session that carries leases; it is told when one ends, and of the commands to its instance."""

    def lease_ended(self, lease: Lease, instance: Instance) -> None:
        """MUST return at once; the lease is no longer in the table."""
        raise NotImplementedError

    def command_changed(self, lease: Lease, command: InstanceCommand, *, over: bool) -> None:
        """MUST return at once; a command to the instance of the lease was posted, or is over."""
        raise NotImplementedError
