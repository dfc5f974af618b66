"""Heartbeat sessions: the server's side of one stream, and what every beat does, streamed or unary."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tekton.core.errors import StaleSessionError, TektonError, ValidationError
from tekton.core.ids import Token, lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Instance, View
from tekton_server.domain.commands import EndInstance, ReportState, ReviveInstance, StateReported
from tekton_server.domain.decide import EXPIRED
from tekton_server.domain.instances import not_found, stale
from tekton_server.live.beats import BeatEvent
from tekton_server.live.leases import Lease, LeaseHolder, LeaseTable
from tekton_server.live.writer import Writer

OUTBOX = 1024


class Claim(msgspec.Struct, frozen=True):
    """A lease that a client says it holds."""

    component_id: str
    instance_uuid: str
    fencing_token: Token | None


class Pulse(msgspec.Struct, frozen=True):
    """What one beat says besides being there. `state` None: no claim."""

    sequence: int = 0
    state: ComponentState | None = None
    metrics: Mapping[str, float] = {}
    health: Mapping[str, str] = {}


class Granted(msgspec.Struct, frozen=True):
    """A handle for a lease."""

    instance_uuid: str
    handle: int
    state: ComponentState


class Welcome(msgspec.Struct, frozen=True):
    """The answer to a hello."""

    epoch: int
    grants: tuple[Granted, ...]


class Ack(msgspec.Struct, frozen=True):
    """The answer to a beat (handle > 0) or a batch (handle 0)."""

    sequence: int
    handle: int = 0
    state: ComponentState = ComponentState.UNKNOWN
    state_error: str = ""


class Lost(msgspec.Struct, frozen=True):
    """A lease is lost; `reason` is a name of LeaseLost.Reason without its prefix."""

    instance_uuid: str
    reason: str
    message: str


class GoAway(msgspec.Struct, frozen=True):
    """The client shall reconnect after so many seconds."""

    after: float
    reason: str


Outgoing = Welcome | Ack | Lost | GoAway | None


class Pulses:
    """What a beat does, whichever way it came."""

    def __init__(self, view: View, writer: Writer, leases: LeaseTable, confirm: Callable[[], Any]) -> None:
        self.view = view
        self.writer = writer
        self.leases = leases
        self._confirm = confirm

    async def lease(self, claim: Claim, state: ComponentState | None = None) -> Lease:
        """Find the lease a client claims, bringing back an instance that was failed by its timeout only.

        Raises:
            ComponentNotFoundError: the registry answered that it does not know the instance.
            StaleSessionError: it has ended, was superseded, or the token belongs to another grant.
            StorageUnavailableError: the registry cannot say so for sure.
        """
        lease = self.leases.get(claim.instance_uuid)
        if lease is not None and lease.judging is not None:
            # A beat that races an expiry waits for its outcome: the guard there may still see it in time.
            lease.beat_seconds = self.leases.now()
            await asyncio.wait([lease.judging])
            lease = self.leases.get(claim.instance_uuid)
        if lease is None:
            await self._confirm()
            lease = self.leases.get(claim.instance_uuid) or await self._revive(claim, state)
        if lookup_key(lease.component_id) != lookup_key(claim.component_id):
            raise not_found(claim.component_id)
        if claim.fencing_token not in (None, Token(self.view.history_id, lease.granted)):
            raise stale(
                self.view.instances[lease.instance_uuid], "the fencing token belongs to another grant; register again"
            )
        return lease

    async def _revive(self, claim: Claim, state: ComponentState | None) -> Lease:
        command = ReviveInstance(
            component_id=claim.component_id,
            instance_uuid=claim.instance_uuid,
            fencing_token=claim.fencing_token,
            state=state,
        )
        reply: StateReported = await self.writer.submit(command)
        lease = self.leases.get(claim.instance_uuid)
        if lease is None:
            raise stale(reply.instance, "this instance has ended; register a new one")
        return lease

    def renew(self, lease: Lease, pulse: Pulse) -> asyncio.Future[StateReported] | None:
        """Count a beat. Gives a future when its state is a new claim that has to be recorded first.

        Raises:
            UnavailableError: the claim cannot be recorded now; the beat was counted all the same.
        """
        late = 0 < pulse.sequence < lease.sequence
        if not late:
            lease.sequence = pulse.sequence
            lease.metrics = pulse.metrics or lease.metrics
            lease.health = pulse.health or lease.health
        self.leases.beat(lease, lambda: self._event(lease))
        if late or pulse.state is None or not self._is_new(lease, pulse.state):
            return None
        command = ReportState(
            component_id=lease.component_id,
            instance_uuid=lease.instance_uuid,
            fencing_token=Token(self.view.history_id, lease.granted),
            state=pulse.state,
            reason="heartbeat",
            claim=True,
        )
        future = self.writer.submit_nowait(command)
        lease.claimed = pulse.state.value
        future.add_done_callback(lambda done: _forget_unrecorded(lease, done))
        return future

    def recorded(self, lease: Lease) -> ComponentState:
        """Give the recorded state of a lease's instance."""
        instance = self.view.instance(lease.instance_uuid)
        return instance.state if instance else ComponentState.UNKNOWN

    def refusal(self, lease: Lease, pulse: Pulse) -> str:
        """Say why a claim that was made before is not the recorded state; empty when it is, or none was made."""
        recorded = self.recorded(lease)
        if pulse.state is None or pulse.state is recorded:
            return ""
        return f"the recorded state is {recorded}; {pulse.state} was refused or overruled before"

    def superseded_session(self, lease: Lease) -> StaleSessionError:
        """Make the error for a caller whose session is older than the lease's."""
        return stale(self.view.instances[lease.instance_uuid], "a newer session carries this lease")

    def _is_new(self, lease: Lease, state: ComponentState) -> bool:
        return lease.claimed != state.value and self.recorded(lease) is not state

    def _event(self, lease: Lease) -> BeatEvent:
        return BeatEvent(lease.component_id, lease.instance_uuid, lease.beat_at, self.recorded(lease), lease.metrics)


def _forget_unrecorded(lease: Lease, future: asyncio.Future[Any]) -> None:
    # A claim that storage could not take is submitted again with the next beat; a refused one is not.
    error = None if future.cancelled() else future.exception()
    if future.cancelled() or getattr(error, "retry_after", None):
        lease.claimed = ""


class Session(LeaseHolder):
    """One stream. `outbox` holds what the stream's writer sends; None ends it."""

    def __init__(self, pulses: Pulses) -> None:
        self._pulses = pulses
        self._handles: dict[int, Lease] = {}
        self._numbers = itertools.count(1)
        self.outbox: asyncio.Queue[Outgoing] = asyncio.Queue(OUTBOX)
        self.overflowed = False

    def send(self, message: Outgoing) -> None:
        """Queue a message; a client that does not read until the queue is full loses its stream."""
        try:
            self.outbox.put_nowait(message)
        except asyncio.QueueFull:
            self.overflowed = True

    async def hello(self, claims: list[Claim]) -> None:
        """Take leases into the session and answer with handles; a refused claim is answered LeaseLost.

        Raises:
            StorageUnavailableError: the registry cannot tell whether a claim is good.
        """
        grants, epoch = [], 0
        for claim in claims:
            try:
                lease = await self._pulses.lease(claim)
            except StaleSessionError as error:
                self.send(Lost(claim.instance_uuid, _reason(error), error.message))
                continue
            except TektonError as error:
                if error.number != 1001:
                    raise
                self.send(Lost(claim.instance_uuid, "UNKNOWN_INSTANCE", error.message))
                continue
            epoch = max(epoch, self._take(lease))
            self._pulses.renew(lease, Pulse())
            handle = next(self._numbers)
            self._handles[handle] = lease
            grants.append(Granted(lease.instance_uuid, handle, self._pulses.recorded(lease)))
        self.send(Welcome(epoch, tuple(grants)))

    def _take(self, lease: Lease) -> int:
        former = lease.session
        lease.session = self
        if isinstance(former, Session) and former is not self:
            former.send(Lost(lease.instance_uuid, "TAKEN_OVER", "a newer stream carries this lease"))
        return self._pulses.leases.epoch(lease)

    def beat(self, handle: int, pulse: Pulse) -> None:
        """Count a beat and acknowledge it, once its claim is recorded if it makes one.

        Raises:
            ValidationError: the handle was never given.
        """
        lease = self._lease(handle)
        if lease is None:
            return
        try:
            recording = self._pulses.renew(lease, pulse)
        except TektonError as error:
            self.send(Ack(pulse.sequence, handle, self._pulses.recorded(lease), error.message))
            return
        if recording is None:
            self.send(Ack(pulse.sequence, handle, self._pulses.recorded(lease)))
        else:
            recording.add_done_callback(lambda done: self._recorded(lease, handle, pulse.sequence, done))

    def _recorded(self, lease: Lease, handle: int, sequence: int, done: asyncio.Future[StateReported]) -> None:
        error = None if done.cancelled() else done.exception()
        self.send(Ack(sequence, handle, self._pulses.recorded(lease), str(error) if error else ""))

    def beat_batch(self, handles: list[int], sequence: int) -> None:
        """Count a beat for each handle.

        Raises:
            ValidationError: a handle was never given.
        """
        pulse = Pulse()
        for handle in handles:
            lease = self._lease(handle)
            if lease is not None:
                self._pulses.renew(lease, pulse)
        self.send(Ack(sequence))

    async def goodbye(self, handles: list[int], reason: str) -> None:
        """End leases on purpose; all of them when no handle is given."""
        chosen = [self._handles.pop(h) for h in handles or list(self._handles) if h in self._handles]
        for lease in chosen:
            if lease.session is self:
                lease.session = None
                await self._pulses.writer.submit(
                    EndInstance(
                        component_id=lease.component_id, instance_uuid=lease.instance_uuid, reason=reason or "goodbye"
                    )
                )
                self.send(Lost(lease.instance_uuid, "ENDED", "goodbye"))

    def lease_ended(self, lease: Lease, instance: Instance) -> None:
        """Tell the client that a lease is over."""
        reason = "SUPERSEDED" if instance.reason in ("superseded", "replaced") else "ENDED"
        self.send(Lost(lease.instance_uuid, reason, f"the instance is {instance.state}: {instance.reason}"))

    def close(self) -> None:
        """The stream is gone: evidence, not death. Its leases are suspect until they beat again or time out."""
        for lease in self._handles.values():
            if lease.session is self:
                lease.session = None
                lease.suspect = True

    def _lease(self, handle: int) -> Lease | None:
        lease = self._handles.get(handle)
        if lease is None:
            raise ValidationError.of("handle", f"{handle} was not given by a Welcome of this stream", "unknown_handle")
        # A lease that went to a newer stream, or ended: its loss was told already.
        return lease if lease.session is self and self._pulses.leases.get(lease.instance_uuid) is lease else None


def _reason(error: StaleSessionError) -> str:
    why = error.details.get("reason")
    if why in ("superseded", "replaced"):
        return "SUPERSEDED"
    return "ENDED" if error.details.get("status") in ("stopped", "failed") and why != EXPIRED else "FENCED"


class SessionRegistry:
    """The open sessions, to say go-away to all of them when the server stops."""

    def __init__(self) -> None:
        self._sessions: set[Session] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: Session) -> None:
        """Remember an open session."""
        self._sessions.add(session)

    def discard(self, session: Session) -> None:
        """Forget a closed session."""
        self._sessions.discard(session)

    def go_away(self, after: float, reason: str) -> None:
        """Ask every client to reconnect, and end the streams."""
        for session in self._sessions:
            session.send(GoAway(after, reason))
            session.send(None)
