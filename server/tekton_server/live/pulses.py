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
from tekton_server.domain.commands import ReportState, ReviveInstance, StateReported
from tekton_server.domain.instances import not_found, stale
from tekton_server.live.beats import BeatEvent
from tekton_server.live.lease import Lease
from tekton_server.live.leases import LeaseTable
from tekton_server.live.writer import Writer


class Claim(msgspec.Struct, frozen=True):
    """A lease that a client says it holds."""

    component_id: str
    instance_uuid: str
    fencing_token: Token | None


class Pulse(msgspec.Struct, frozen=True):
    """What one beat says besides being there. `state` None: no claim; `sequence` 0: the order of arrival."""

    sequence: int = 0
    state: ComponentState | None = None
    metrics: Mapping[str, float] = {}
    health: Mapping[str, str] = {}


class Pulses:
    """Beats on the leases of this server."""

    def __init__(self, view: View, writer: Writer, leases: LeaseTable, confirm: Callable[[], Awaitable[None]]) -> None:
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
        (found,) = await self.find([claim], state)
        if isinstance(found, TektonError):
            raise found
        return found

    async def find(self, claims: Sequence[Claim], state: ComponentState | None = None) -> list[Lease | TektonError]:
        """Find many leases at once; each answer is the lease, or the error that `lease` raises.

        The database is asked once for all that are missing, and all that can come back do so in one commit.
        """
        await self._outlast_judgement(claims)
        missing = [claim for claim in claims if claim.instance_uuid not in self.leases]
        revived: dict[str, TektonError | None] = {}
        if missing:
            try:
                await self._confirm()
                revived = await self._revive([c for c in missing if c.instance_uuid not in self.leases], state)
            except TektonError as error:
                revived = {claim.instance_uuid: error for claim in missing}
        return [revived.get(claim.instance_uuid) or self._held(claim) for claim in claims]

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

    async def _revive(self, claims: Sequence[Claim], state: ComponentState | None) -> dict[str, TektonError | None]:
        attempts = {
            claim.instance_uuid: self.writer.submit_nowait(
                ReviveInstance(
                    component_id=claim.component_id,
                    instance_uuid=claim.instance_uuid,
                    fencing_token=claim.fencing_token,
                    state=state,
                )
            )
            for claim in claims
        }
        answers = await asyncio.gather(*attempts.values(), return_exceptions=True)
        return {uuid: _error(answer) for uuid, answer in zip(attempts, answers, strict=True)}

    def _held(self, claim: Claim) -> Lease | TektonError:
        lease = self.leases.get(claim.instance_uuid)
        if lease is None or lookup_key(lease.component_id) != lookup_key(claim.component_id):
            return not_found(claim.component_id)
        if claim.fencing_token not in (None, Token(self.view.history_id, lease.granted)):
            return self.stale(lease, "the fencing token belongs to another grant; register again")
        return lease

    def renew(self, lease: Lease, pulse: Pulse) -> asyncio.Future[StateReported] | None:
        """Count a beat. Gives a future when its state is a new claim that has to be recorded.

        Raises:
            UnavailableError: the claim cannot be recorded now; the beat was counted all the same.
        """
        late = 0 < pulse.sequence < lease.sequence
        if not late:
            lease.sequence = pulse.sequence or lease.sequence
            lease.metrics = pulse.metrics or lease.metrics
            lease.health = pulse.health or lease.health
        self.leases.beat(lease, lambda: self._event(lease))
        if late or pulse.state is None or pulse.state.value == lease.claimed:
            return None
        if pulse.state is self.recorded(lease) and not lease.claims_in_flight:
            lease.claimed = pulse.state.value
            return None
        return self._submit(lease, pulse.state)

    def renew_all(self, leases: Collection[Lease]) -> None:
        """Count a beat that says nothing more for each of many leases."""
        self.leases.beat_all(leases, self._event)

    def _submit(self, lease: Lease, state: ComponentState) -> asyncio.Future[StateReported]:
        command = ReportState(
            component_id=lease.component_id,
            instance_uuid=lease.instance_uuid,
            fencing_token=Token(self.view.history_id, lease.granted),
            state=state,
            reason="heartbeat",
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

    def stale(self, lease: Lease, why: str) -> StaleSessionError:
        """Make the error for a caller who does not hold the lease any more."""
        return stale(self.view.instances[lease.instance_uuid], why)

    def _event(self, lease: Lease) -> BeatEvent:
        return BeatEvent(lease.component_id, lease.instance_uuid, lease.beat_at, self.recorded(lease), lease.metrics)


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
