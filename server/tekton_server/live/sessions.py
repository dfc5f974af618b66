"""Heartbeat sessions: the server's side of one stream, and the leases that it carries."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence

from tekton.core.errors import ComponentNotFoundError, StaleSessionError, TektonError, ValidationError
from tekton.core.ids import Token
from tekton.core.view import Instance, InstanceCommand
from tekton_server.domain.commands import EndInstance
from tekton_server.domain.decide import EXPIRED
from tekton_server.live.command_telling import CommandTelling
from tekton_server.live.commands import CommandDesk
from tekton_server.live.lease import Lease, LeaseHolder
from tekton_server.live.outbox import Ack, GoAway, Granted, Lost, Outbox, Ping, Welcome
from tekton_server.live.presence import Presence
from tekton_server.live.pulses import Claim, Pulse, Pulses, Recording

# How a client is told why a lease ended, by the reason in the journal; any other reason is the end its owner asked for.
_ENDED_BY = {"superseded": "SUPERSEDED", "replaced": "SUPERSEDED", EXPIRED: "EXPIRED"}


class Session(LeaseHolder):
    """One stream. `outbox` holds what the stream's writer sends."""

    def __init__(self, pulses: Pulses, desk: CommandDesk) -> None:
        self._pulses = pulses
        self._leases: dict[int, Lease] = {}
        self._handles: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._highest = 0
        self._pings = itertools.count(1)
        self._presence = Presence()
        self.outbox = Outbox(desk.is_late)
        self.commands = CommandTelling(desk, self.outbox, self._held)
        self.terms = pulses.leases.timing
        """What the client was told last."""
        self.heard_at = pulses.leases.now()
        """When the client last said something, in monotonic seconds."""
        self.pinged = False
        self.given_up = False
        self._closed = False

    def heard(self) -> None:
        """The client said something, whatever it was."""
        self.heard_at = self._pulses.leases.now()
        self.pinged = False

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.pinged = True
        self.outbox.ping(Ping(next(self._pings)))

    def cut(self, after: float) -> None:
        """Give a silent stream up: what still reads is told to connect anew, and its leases are suspect at once."""
        self.given_up = True
        self.close()
        self.outbox.go_away(GoAway(after, "silent"))

    async def hello(self, claims: Sequence[Claim], malformed: Sequence[Lost] = ()) -> None:
        """Take leases into the session and answer with handles; a refused or malformed claim is answered LeaseLost.

        Raises:
            StorageUnavailableError: the registry cannot tell whether a claim is good.
        """
        grants: dict[str, Granted] = {}
        epoch = 0
        for lost in malformed:
            self.outbox.lost(lost)
        answers = await self._pulses.find(claims)
        if self._closed:
            # Whoever asked is gone, and a stream that is gone carries nothing.
            return
        for claim, found in zip(claims, answers, strict=True):
            if isinstance(found, TektonError):
                self.outbox.lost(_refused(claim, found))
                continue
            epoch = max(epoch, self._take(found))
            found.sequence = 0
            self._pulses.renew(found, Pulse())
            grants[found.instance_uuid] = Granted(
                found.instance_uuid, self._handle(found), self._pulses.recorded(found)
            )
        self.terms = self._pulses.leases.timing
        await self.outbox.welcome(Welcome(epoch, tuple(grants.values()), self.terms))
        for instance_uuid in grants:
            self.commands.begin(instance_uuid)

    def _held(self, instance_uuid: str) -> Lease | None:
        return self._leases.get(self._handles.get(instance_uuid, 0))

    def command_changed(self, lease: Lease, command: InstanceCommand, *, over: bool) -> None:
        """Tell a command that was posted; tell it no more when it is over."""
        self.commands.changed(lease, command, over=over)

    def _take(self, lease: Lease) -> int:
        former = lease.session
        if former is self:
            return lease.session_epoch
        lease.session = self
        self._pulses.leases.carried(lease, self._presence)
        if isinstance(former, Session):
            former.taken_over(lease)
        return self._pulses.leases.epoch(lease)

    def _handle(self, lease: Lease) -> int:
        handle = self._handles.get(lease.instance_uuid)
        if handle is None or self._leases.get(handle) is not lease:
            handle = self._highest = next(self._numbers)
            self._handles[lease.instance_uuid] = handle
            self._leases[handle] = lease
        return handle

    def beat(self, handle: int, pulse: Pulse) -> None:
        """Count a beat and acknowledge it, once its claim is recorded if it makes one.

        Raises:
            ValidationError: the handle was never given.
        """
        lease = self._lease(handle)
        if lease is None:
            return
        self.commands.repeat()
        try:
            recording = self._pulses.renew(lease, pulse)
        except TektonError as error:
            self._ack(lease, handle, pulse.sequence, error.message)
            return
        if recording is None:
            self._ack(lease, handle, pulse.sequence, self._pulses.refusal(lease, pulse))
        else:
            recording.add_done_callback(lambda done: self._recorded(lease, handle, pulse, done))

    def _recorded(self, lease: Lease, handle: int, pulse: Pulse, done: Recording) -> None:
        error = None if done.cancelled() else done.exception()
        claimed = done.cancelled() or error is not None or done.result() is not None
        refusal = "" if claimed else self._pulses.refusal(lease, pulse)
        self._ack(lease, handle, pulse.sequence, str(error) if error else refusal)

    def _ack(self, lease: Lease, handle: int, sequence: int, error: str) -> None:
        self.terms = lease.terms
        self.outbox.ack(Ack(sequence, lease.terms, handle, self._pulses.recorded(lease), error))

    def beat_batch(self, handles: Sequence[int], sequence: int) -> None:
        """Count a beat for each handle.

        Raises:
            ValidationError: a handle was never given.
        """
        known = self._leases
        self.commands.repeat()
        self._pulses.renew_all(
            [lease for handle in handles if (lease := known.get(handle) or self._lease(handle)) is not None]
        )
        self.terms = self._pulses.leases.timing
        self.outbox.ack(Ack(sequence, self.terms))

    async def goodbye(self, handles: Sequence[int], reason: str) -> None:
        """End leases on purpose, in one commit; all of the stream's when no handle is given. The client hears of each.

        Raises:
            UnavailableError: some could not be ended; they are still this session's.
        """
        chosen = [lease for handle in handles or list(self._leases) if (lease := self._lease(handle)) is not None]
        ends = [
            self._pulses.writer.submit_nowait(
                EndInstance(
                    component_id=lease.component_id,
                    instance_uuid=lease.instance_uuid,
                    fencing_token=Token(self._pulses.view.history_id, lease.granted),
                    reason=reason or "goodbye",
                )
            )
            for lease in chosen
        ]
        for answer in await asyncio.gather(*ends, return_exceptions=True):
            # What has ended meanwhile by another hand was told already; that is all a goodbye asks for.
            if isinstance(answer, BaseException) and not isinstance(
                answer, (StaleSessionError, ComponentNotFoundError)
            ):
                raise answer

    def lease_ended(self, lease: Lease, instance: Instance) -> None:
        """Tell the client that a lease is over."""
        reason = _ENDED_BY.get(instance.reason, "ENDED")
        self._drop(lease, Lost(lease.instance_uuid, reason, f"the instance is {instance.state}: {instance.reason}"))

    def taken_over(self, lease: Lease) -> None:
        """Tell the client that another stream carries a lease now."""
        self._drop(lease, Lost(lease.instance_uuid, "TAKEN_OVER", "a newer stream carries this lease"))

    def _drop(self, lease: Lease, lost: Lost) -> None:
        handle = self._handles.get(lease.instance_uuid)
        if handle is not None and self._leases.get(handle) is lease:
            del self._handles[lease.instance_uuid], self._leases[handle]
            self.commands.end(lease)
        self.outbox.lost(lost)

    def close(self) -> None:
        """The stream is gone: evidence, not death. Its leases are suspect until they beat again or time out."""
        self._closed = True
        for lease in self._leases.values():
            if lease.session is self:
                lease.session = None
                lease.suspect = True

    def _lease(self, handle: int) -> Lease | None:
        lease = self._leases.get(handle)
        if lease is None and not 0 < handle <= self._highest:
            raise ValidationError.of("handle", f"{handle} was not given by a Welcome of this stream", "unknown_handle")
        # None: the lease ended or went to a newer stream, which its holder was told.
        return lease


def _refused(claim: Claim, error: TektonError) -> Lost:
    """Say why a claim was refused.

    Raises:
        TektonError: it was not refused, it cannot be judged now.
    """
    # 1002: it claims a part of Tekton itself.
    if error.number in (1001, 1002):
        return Lost(claim.instance_uuid, "UNKNOWN_INSTANCE", error.message)
    if not isinstance(error, StaleSessionError):
        raise error
    if error.details.get("status") not in ("stopped", "failed"):
        return Lost(claim.instance_uuid, "FENCED", error.message)
    return Lost(claim.instance_uuid, _ENDED_BY.get(str(error.details.get("reason")), "ENDED"), error.message)


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

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions))

    def go_away(self, after: float, reason: str) -> None:
        """Ask every client to reconnect, and end the streams."""
        for session in self._sessions:
            session.outbox.go_away(GoAway(after, reason))
