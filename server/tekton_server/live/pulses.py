"""What a beat does, whichever way it came: find the lease it speaks for, renew it, and record the state it claims."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from tekton.core.errors import StaleSessionError, TektonError
from tekton.core.ids import Token, lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import View
from tekton_server.domain import judged
from tekton_server.domain.commands import ReportState, ReviveInstance, StateReported
from tekton_server.domain.decide import CLAIMED, revivable
from tekton_server.domain.instances import not_found, stale
from tekton_server.domain.overlay import Overlay, Tombstones
from tekton_server.live.beats import BeatEvent
from tekton_server.live.lease import Lease
from tekton_server.live.leases import LeaseTable
from tekton_server.live.weighing import Scales
from tekton_server.live.writer import Writer

# What a beat has yet to have recorded: a claim, or that it has become busy or is busy no more.
Recording = asyncio.Future[StateReported] | asyncio.Future[None]
# How many Hellos may ask the database at once; the others wait, and those whose leases are in memory need not.
LOOKUPS = 32
# How many claims are looked at before others have their turn.
_IN_A_ROW = 500


class Claim(msgspec.Struct, frozen=True):
    """A lease that a client says it holds."""

    component_id: str
    instance_uuid: str
    fencing_token: Token | None
    session_epoch: int = 0
    """Of the session it speaks through; 0 where it has none."""


class Pulse(msgspec.Struct, frozen=True):
    """What one beat says besides being there. `state` None: no claim; `sequence` 0: the order of arrival.

    `lag` is how late the event loop runs in seconds; None says nothing about it, which is not the same as none.
    """

    sequence: int = 0
    state: ComponentState | None = None
    metrics: Mapping[str, float] = {}
    health: Mapping[str, str] = {}
    lag: float | None = None
    in_flight: int = 0


class Pulses:
    """Beats on the leases of this server."""

    def __init__(
        self,
        view: View,
        writer: Writer,
        leases: LeaseTable,
        tombstones: Tombstones,
        confirm: Callable[[], Awaitable[None]],
    ) -> None:
        self.view = view
        self.writer = writer
        self.leases = leases
        self._tombstones = tombstones
        self._confirm = confirm
        self._scales = Scales(view, writer, leases.timing.busy_after)
        self._lookups = asyncio.Semaphore(LOOKUPS)
        leases.ownership.shown = lambda lease: leases.show(lease, self._event)

    async def lease(self, claim: Claim, state: ComponentState | None = None) -> Lease:
        """Find the lease a client claims, bringing back an instance that was failed by its timeout only.

        Raises:
            ComponentNotFoundError: the registry answered that it does not know the instance.
            StaleSessionError: it has ended, was superseded, or the token belongs to another grant.
            StorageUnavailableError: the registry cannot say so for sure.
        """
        (found,) = await self.find([claim], state)
        if isinstance(found, TektonError):
            raise found
        return found

    async def find(self, claims: Sequence[Claim], state: ComponentState | None = None) -> list[Lease | TektonError]:
        """Find many leases at once; each answer is the lease, or the error that `lease` raises.

        The database is asked once for all that are missing, and all that can come back do so in one commit.
        """
        await self._outlast_judgement(claims)
        missing = {at: claim for at, claim in enumerate(claims) if claim.instance_uuid not in self.leases}
        refused: dict[int, TektonError] = {}
        if missing:
            try:
                async with self._lookups:
                    await self._confirm()
                    refused = await self._revive(missing, state)
            except TektonError as error:
                refused = dict.fromkeys(missing, error)
        return [refused.get(at) or self._held(claim) for at, claim in enumerate(claims)]

    def heard(self, claims: Sequence[Claim]) -> None:
        """Count a Hello that is sent away for now as a sign of life: it must not cost the leases."""
        for claim in claims:
            found = self._held(claim) if claim.instance_uuid in self.leases else None
            if isinstance(found, Lease):
                self.leases.sign_of_life(found)

    async def _outlast_judgement(self, claims: Sequence[Claim]) -> None:
        """A beat that races an expiry waits for its outcome; the guard there may still see that it came in time."""
        judging = []
        for claim in claims:
            lease = self.leases.get(claim.instance_uuid)
            if lease is not None and lease.judging is not None and not isinstance(self._held(claim), TektonError):
                lease.beat_seconds = self.leases.now()
                judging.append(lease.judging)
        if judging:
            await asyncio.wait(judging)

    async def _revive(self, claims: Mapping[int, Claim], state: ComponentState | None) -> dict[int, TektonError]:
        """Bring back what can come back; gives why the others are refused, as the view that was confirmed has it."""
        refused: dict[int, TektonError] = {}
        attempts: dict[int, asyncio.Future[Any]] = {}
        for number, (at, claim) in enumerate(claims.items(), 1):
            try:
                attempts |= {at: one} if (one := self._revival(claim, state)) is not None else {}
            except TektonError as error:
                refused[at] = error
            if not number % _IN_A_ROW:
                await asyncio.sleep(0)
        answers = await asyncio.gather(*attempts.values(), return_exceptions=True)
        errors = {at: _error(answer) for at, answer in zip(attempts, answers, strict=True)}
        return refused | {at: error for at, error in errors.items() if error is not None}

    def _revival(self, claim: Claim, state: ComponentState | None) -> asyncio.Future[Any] | None:
        """Ask for the return of one instance; None where it holds a lease.

        Raises:
            TektonError: it does not return, or that cannot be written now.
        """
        view = Overlay(self.view, self._tombstones)
        instance = revivable(view, claim.component_id, claim.instance_uuid, claim.fencing_token)
        self.check_epoch(claim.instance_uuid, claim.session_epoch)
        if instance.leased:
            return None
        return self.writer.submit_nowait(
            ReviveInstance(
                component_id=claim.component_id,
                instance_uuid=claim.instance_uuid,
                fencing_token=claim.fencing_token,
                state=state,
            )
        )

    def _held(self, claim: Claim) -> Lease | TektonError:
        lease = self.leases.get(claim.instance_uuid)
        if lease is None or lookup_key(lease.component_id) != lookup_key(claim.component_id):
            return not_found(claim.component_id)
        if claim.fencing_token not in (None, Token(self.view.history_id, lease.granted)):
            return self._stale(lease.instance_uuid, "the fencing token belongs to another grant; register again")
        try:
            self.check_epoch(lease.instance_uuid, claim.session_epoch)
        except StaleSessionError as error:
            return error
        return lease

    def renew(self, lease: Lease, pulse: Pulse) -> Recording | None:
        """Count a beat. Gives a future when what it says has to be recorded: a new claim, or else a change of being
        busy, whose future gives None and never fails.

        Raises:
            UnavailableError: the claim cannot be recorded now; the beat was counted all the same.
        """
        late = 0 < pulse.sequence < lease.sequence
        if not late:
            lease.sequence = pulse.sequence or lease.sequence
            lease.metrics = pulse.metrics or lease.metrics
            lease.health = pulse.health or lease.health
            lease.measured = _measured(lease, pulse)
        self.leases.beat(lease, lambda: self._event(lease))
        if late:
            return None
        # The claim first: one of being ready is judged by the lag that comes with it.
        recording = self._claim(lease, pulse.state)
        weighing = None if pulse.lag is None else self._scales.weigh(lease, pulse.lag, pulse.state)
        return recording or weighing

    def _claim(self, lease: Lease, state: ComponentState | None) -> asyncio.Future[StateReported] | None:
        if state is None or state.value == lease.claimed:
            return None
        instance = self.view.instance(lease.instance_uuid)
        recorded = instance is not None and instance.state is state and not judged.degraded(instance)
        if recorded and not lease.claims_in_flight:
            lease.claimed = state.value
            return None
        return self._submit(lease, state)

    def renew_all(self, leases: Collection[Lease]) -> None:
        """Count a beat that says nothing more for each of many leases."""
        self.leases.beat_all(leases, self._event)

    def _submit(self, lease: Lease, state: ComponentState) -> asyncio.Future[StateReported]:
        command = ReportState(
            component_id=lease.component_id,
            instance_uuid=lease.instance_uuid,
            fencing_token=Token(self.view.history_id, lease.granted),
            state=state,
            reason=CLAIMED,
            claim=True,
        )
        future = self.writer.submit_nowait(command)
        lease.claimed = state.value
        lease.claims_in_flight += 1
        future.add_done_callback(lambda done: _settled(lease, state, done))
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

    def check_epoch(self, instance_uuid: str, epoch: int) -> None:
        """Refuse a caller whose session is older than the last that carried the lease; 0 is a caller without one.

        Raises:
            StaleSessionError: it is.
        """
        if 0 < epoch < self.leases.last_epoch(instance_uuid):
            raise self._stale(instance_uuid, "a newer session carries this lease, or carried it last")

    def _stale(self, instance_uuid: str, why: str) -> StaleSessionError:
        return stale(self.view.instances[instance_uuid], why)

    def _event(self, lease: Lease) -> BeatEvent:
        return BeatEvent(lease.component_id, lease.instance_uuid, lease.beat_at, self.recorded(lease), lease.figures)


def _measured(lease: Lease, pulse: Pulse) -> Mapping[str, float]:
    """Give the figures that are no metrics of the instance's own: a lag while there is one, work in hand once told."""
    measured: dict[str, float] = {}
    if pulse.lag:
        measured["loop_lag_seconds"] = pulse.lag
    if pulse.in_flight or "in_flight" in lease.measured:
        measured["in_flight"] = pulse.in_flight
    return measured


def _error(answer: Any) -> TektonError | None:
    if isinstance(answer, BaseException) and not isinstance(answer, TektonError):
        raise answer
    return answer if isinstance(answer, TektonError) else None


def _settled(lease: Lease, state: ComponentState, future: asyncio.Future[Any]) -> None:
    lease.claims_in_flight -= 1
    error = None if future.cancelled() else future.exception()
    # A claim that storage could not take is made again by the next beat; a refused one is not.
    if (future.cancelled() or getattr(error, "retry_after", None)) and lease.claimed == state.value:
        lease.claimed = ""
