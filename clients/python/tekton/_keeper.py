"""What the heart does on its thread: claim leases, beat for them, and register again what was lost.

Nothing here waits or locks. Streams and calls live on other threads; what they report comes back through `post`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial

from tekton import _convert
from tekton._beating import beat, look
from tekton._channel import Target
from tekton._connection import Connection
from tekton._courier import Courier
from tekton._heart_stream import HeartStream
from tekton._lease import Care, InFlight, KeptLease, KeptLeases, LeaseLost, Phase
from tekton._loop_lag import LoopLags
from tekton._reregister import Reregistration
from tekton.core.backoff import full_jitter, spread
from tekton.core.errors import TektonError, ValidationError
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton.v1.component_pb2 import Lease as Terms

log = logging.getLogger(__name__)

# Timers are looked at this often at most, in seconds: with thousands of leases their beats go out in small groups.
_TICK = 0.05
_REGISTER_CEILING = 10.0
_FINAL = {
    pb.LeaseLost.REASON_SUPERSEDED: "superseded",
    pb.LeaseLost.REASON_FENCED: "fenced",
    pb.LeaseLost.REASON_TAKEN_OVER: "taken_over",
    # Somebody ended it on purpose, so it does not come back by itself.
    pb.LeaseLost.REASON_ENDED: "ended",
}
_GONE = {pb.LeaseLost.REASON_EXPIRED: "expired", pb.LeaseLost.REASON_UNKNOWN_INSTANCE: "unknown_instance"}


class Keeper:
    """The leases of a process on one stream. `tick_at` is when `tick` wants to be called, in monotonic seconds."""

    def __init__(self, target: Target, leases: KeptLeases, post: Callable[[Callable[[], None]], None]) -> None:
        self.tick_at = 0.0
        self._ticked_at = 0.0
        self._target = target
        self._leases = leases
        self._post = post
        self._lags = LoopLags()
        self._unsettled = False
        self._connection = Connection(
            target,
            leases,
            heard=lambda stream, message: post(partial(self._heard, stream, message)),
            ended=lambda stream, error: post(partial(self._stream_ended, stream, error)),
        )

        self.courier = Courier(leases, self._connection, self._soon)

    @property
    def _stream(self) -> HeartStream | None:
        return self._connection.stream

    def close(self) -> None:
        """Close stream and channel; both come back when they are needed."""
        self._connection.close()

    def excuse(self, late: float) -> None:
        """No thread of this process had its turn for so long, so it may be us who did not listen to the server."""
        if self._stream is not None:
            self._stream.heard += late

    def _soon(self) -> None:
        """Look at the timers as soon as the pace allows."""
        self.tick_at = min(self.tick_at, self._ticked_at + _TICK)

    def keep(self, lease: KeptLease, care: Care) -> None:
        """Begin to beat for a lease; one that ended is not taken up again."""
        lease.limit = care.limit or lease.limit
        lease.on_lost = care.on_lost or lease.on_lost
        if care.loop is not None:
            lease.loop = self._lags.of(care.loop)
        if care.on_command is not None:
            self.courier.listen(lease, care.on_command)
        if lease.phase is Phase.IDLE:
            lease.phase = Phase.HELD
            lease.unbind()
        self._soon()

    def report(
        self,
        lease: KeptLease,
        state: str,
        metrics: Mapping[str, float] | None,
        health: Mapping[str, str] | None,
        in_flight: InFlight | None,
    ) -> None:
        """Set what the next beats say; a state goes out at once."""
        lease.metrics = lease.metrics if metrics is None else metrics
        lease.health = lease.health if health is None else health
        lease.in_flight = lease.in_flight if in_flight is None else in_flight
        if state:
            lease.word = state
            lease.claim, lease.claim_sequence, lease.due = state, 0, 0.0
            self._soon()

    def release(self, lease: KeptLease) -> None:
        """Stop beating for a lease without a word."""
        if lease.phase is not Phase.ENDED:
            lease.phase = Phase.IDLE
        self._unbind(lease)
        self._soon()

    def leave(self, lease: KeptLease) -> None:
        """Say goodbye for a lease, on the next stream where there is none now; again where none was confirmed."""
        released = lease.phase is Phase.IDLE and self._leases.find(lease.instance_uuid) is lease
        if lease.phase is Phase.HELD or lease.asking or released:
            lease.phase = Phase.LEAVING
        elif lease.phase is not Phase.LEAVING:
            self._end(lease, None)
        self._soon()

    def _unbind(self, lease: KeptLease) -> None:
        if self._stream is not None:
            self._stream.leases.pop(lease.handle, None)
        lease.unbind()

    def _end(self, lease: KeptLease, lost: LeaseLost | None) -> None:
        self._unbind(lease)
        lease.phase = Phase.ENDED
        lease.orders.over()
        if not lease.ended.done():
            lease.ended.set_result(lost)
        if lost is None:
            self._leases.forget(lease)
            return
        log.error(
            "the lease of %s (%s) is over: %s: %s", lost.component_id, lost.instance_uuid, lost.reason, lost.message
        )
        if lease.on_lost is not None:
            try:
                lease.on_lost(lost)
            except Exception:
                log.exception("on_lease_lost of %s failed, or its event loop is closed", lost.component_id)

    def _alone(self, lease: KeptLease, work: Callable[..., object], *arguments: object) -> None:
        """Do something for one lease: a fault in it is that lease's, and the others go on.

        The lease rests and is tried again; one that is at fault for as long as it lasts is given up.
        """
        try:
            work(*arguments)
        except Exception as fault:
            given_up = lease.faulted(fault, time.monotonic())
            log.log(
                logging.ERROR if lease.faults == 1 or given_up else logging.DEBUG,
                "a fault in keeping the lease of %s (%s); the others go on",
                lease.component_id,
                lease.instance_uuid,
                exc_info=fault,
            )
            if given_up:
                what = f"this process could not beat for it: {type(fault).__name__}: {fault}"
                lost = LeaseLost(lease.component_id, lease.instance_uuid, "fault", what)
                self._end(lease, None if lease.phase is Phase.LEAVING else lost)

    def tick(self, now: float) -> None:
        """Do what is due."""
        # Stands if a fault cuts this short, so that the fault is not repeated in a tight loop.
        self.tick_at, self._ticked_at = now + 1.0, now
        active = self._leases.active()
        awake = [lease for lease in active if lease.rests_until <= now]
        for lease in awake:
            if lease.phase is Phase.LOST and not lease.asking and now >= lease.retry_at:
                self._alone(lease, self._register_again, lease)
        if self._connection.silent(now):
            log.warning("the heartbeat stream to %s is silent, opening another", self._target)
            self._disconnect(hang_up=True)
        look(self._lags, active, now)
        self._converse([lease for lease in awake if lease.phase in (Phase.HELD, Phase.LEAVING)], now)
        self.tick_at = max(now + _TICK, self._next_timer(active, now))

    def _converse(self, leases: list[KeptLease], now: float) -> None:
        if leases:
            self._connection.connect(now)
        stream = self._stream
        if stream is None:
            return
        for lease in leases:
            if lease.stream is not stream:
                self._alone(lease, stream.claim, lease)
        stream.hello()
        if self._unsettled:
            self._settle(stream)
        beat(stream, [lease for lease in leases if lease.handle and lease.phase is Phase.HELD], now, self._alone)
        leaving = [lease for lease in leases if lease.handle and lease.phase is Phase.LEAVING and not lease.parted]
        if leaving:
            stream.goodbye(leaving)

    def _next_timer(self, active: list[KeptLease], now: float) -> float:
        timers = [now + 60.0, self._lags.next_at()]
        if self._stream is not None:
            timers.append(self._stream.heard + self._stream.patience)
            timers += [
                max(lease.due, lease.rests_until) for lease in active if lease.handle and lease.phase is Phase.HELD
            ]
            timers += [lease.rests_until for lease in active if lease.rests_until > now]
        else:
            timers.append(self._connection.connect_at)
        lost = [lease for lease in active if lease.phase is Phase.LOST and not lease.asking]
        timers += [max(lease.retry_at, lease.rests_until) for lease in lost]
        return min(timers)

    def _disconnect(self, after: float | None = None, *, hang_up: bool = False) -> None:
        self._connection.disconnect(after, hang_up=hang_up)

    def _stream_ended(self, stream: HeartStream, error: TektonError | None) -> None:
        if stream is not self._stream:
            return
        # Said once for a series of failures.
        level = logging.WARNING if self._connection.attempt <= 1 else logging.DEBUG
        log.log(
            level, "the heartbeat stream to %s ended, reconnecting: %s", self._target, error or "closed by the server"
        )
        if isinstance(error, ValidationError):
            self._drop_reports()
        self._disconnect()
        self._soon()

    def _drop_reports(self) -> None:
        """A beat that the server takes for malformed must not cost the leases a second time."""
        for lease in self._leases.active():
            lease.claim, lease.metrics, lease.health, lease.in_flight = "", {}, {}, None

    def _heard(self, stream: HeartStream, message: pb.ConnectResponse) -> None:
        if stream is not self._stream:
            return
        match message.WhichOneof("message"):
            case "welcome":
                self._welcomed(stream, message.welcome)
            case "ack":
                self._acked(stream, message.ack)
            case "lease_lost":
                self._lost(message.lease_lost)
            case "go_away":
                # Everybody is told at the same moment and must not come back at the same moment.
                after = message.go_away.reconnect_after_seconds * spread(1.0, 1.5)
                self._disconnect(after, hang_up=message.go_away.reason == "silent")
                self._soon()
            case "ping":
                stream.pong(message.ping)
            case "command":
                self.courier.deliver(stream, message.command)

    def _welcomed(self, stream: HeartStream, welcome: pb.Welcome) -> None:
        now = time.monotonic()
        for grant in welcome.grants:
            lease = self._leases.find(grant.instance_uuid)
            if lease is None or lease.stream is not stream:
                continue
            self._alone(lease, self._bind, stream, lease, grant, welcome.lease, now)
        self._unsettled = True
        self._soon()

    def _bind(self, stream: HeartStream, lease: KeptLease, grant: pb.Grant, terms: Terms, now: float) -> None:
        stream.leases[grant.handle] = lease
        lease.agree(terms)
        lease.bind(grant.handle, _convert.state_name(grant.state), now)

    def _acked(self, stream: HeartStream, ack: pb.Ack) -> None:
        self._connection.attempt = 0
        if not ack.handle:
            for one in stream.counted(ack.sequence):
                self._alone(one, self._counted, one, partial(one.ack_batch, ack.lease))
            return
        lease = stream.leases.get(ack.handle)
        if lease is not None:
            self._alone(lease, self._counted, lease, partial(lease.ack, ack, _convert.state_name(ack.state)))

    def _counted(self, lease: KeptLease, take: Callable[[], bool]) -> None:
        if take():
            lease.due = min(lease.due, time.monotonic() + spread(0.0, lease.interval))
            self._unsettled = True
            self._soon()
        lease.recovered()

    def _settle(self, stream: HeartStream) -> None:
        self._unsettled = False
        bound = stream.leases.values()
        if bound:
            stream.settle(min(lease.interval for lease in bound), min(lease.terms.timeout for lease in bound))

    # Losing a lease.

    def _lost(self, lost: pb.LeaseLost) -> None:
        lease = self._leases.find(lost.instance_uuid)
        if lease is None or lease.phase in (Phase.IDLE, Phase.ENDED) or lease.instance_uuid != lost.instance_uuid:
            return
        if lost.reason == pb.LeaseLost.REASON_EXPIRED and lease.phase is Phase.HELD and lease.handle:
            # It comes back by being claimed, unless another has taken its place: only the server knows, so it is asked
            # first. A new registration would push that one out.
            log.warning("the lease of %s ran out, claiming it again: %s", lease.component_id, lost.message)
            self._unbind(lease)
            lease.repeat()
        else:
            self._alone(lease, self._given_up, lease, lost)
        self._soon()

    def _given_up(self, lease: KeptLease, lost: pb.LeaseLost) -> None:
        self._unbind(lease)
        final = _FINAL.get(lost.reason)
        if lease.phase is Phase.LEAVING:
            self._end(lease, None)
        elif final is not None or lease.request is None:
            reason = final or _GONE.get(lost.reason, "lost")
            self._end(lease, LeaseLost(lease.component_id, lost.instance_uuid, reason, lost.message))
        else:
            log.warning("the lease of %s is lost, registering again: %s", lease.component_id, lost.message)
            lease.phase, lease.retry_at, lease.failures = Phase.LOST, 0.0, 0

    def _register_again(self, lease: KeptLease) -> None:
        Reregistration(
            self._connection.channel(),
            self._target,
            lease,
            lambda done: self._post(partial(self._alone, lease, self._registered, lease, done)),
        )
        # Its end is told on this thread, so never before this.
        lease.asking = True

    def _registered(self, lease: KeptLease, done: Reregistration) -> None:
        lease.asking = False
        answer, error = done.answer, done.error
        if answer is not None:
            lease.granted(done.request, answer)
            self._leases.add(lease)
            # Released meanwhile: the new instance is nobody's and is seen off at once.
            lease.phase = Phase.HELD if lease.phase is Phase.LOST else Phase.LEAVING
            log.info("%s is registered again as %s", lease.component_id, lease.instance_uuid)
        elif lease.phase is Phase.LEAVING:
            self._end(lease, None)
        elif error is not None and done.final and lease.phase is Phase.LOST:
            self._end(lease, LeaseLost(lease.component_id, lease.instance_uuid, "refused", error.message))
        else:
            lease.failures += 1
            lease.retry_at = time.monotonic() + full_jitter(lease.failures, base=0.2, ceiling=_REGISTER_CEILING)
        self._soon()
