"""What this process knows of the leases of its own instances, and what it says in a beat."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

from tekton import _given
from tekton._commands import Listener, Orders
from tekton._loop_lag import LoopLag
from tekton._results import Lease
from tekton.core.backoff import full_jitter, spread
from tekton.core.ids import lookup_key
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton.v1.component_pb2 import Lease as TermsMessage
from tekton.v1.registry_service_pb2 import RegisterComponentRequest, RegisterComponentResponse

log = logging.getLogger(__name__)

_DEFAULT_TERMS = Lease(10.0, 30.0)
_SHORTEST_INTERVAL = 0.05
# A lease speaks for itself at least every so many beats, since only then it hears its recorded state.
_OWN_BEAT_EVERY = 6
InFlight = int | Callable[[], int]
# States that say nothing to a new instance: it begins in the first, and it would end in the last.
_NOT_REPEATED = frozenset({"", "unknown", "registering", "stopped"})


class Phase(Enum):
    """Where a lease stands in this process."""

    IDLE = "registered, and nobody beats for it here"
    HELD = "beaten for"
    LOST = "the server gave it up, a new instance is being registered"
    LEAVING = "goodbye is being said"
    ENDED = "over, and not to be taken up again"


class Said(NamedTuple):
    """What a beat says besides being there, as long as it does not change."""

    metrics: Mapping[str, float]
    health: Mapping[str, str]
    lag: float
    in_flight: int


class LeaseLost(NamedTuple):
    """A lease that ended without being asked to.

    reason: superseded (a newer instance took its place), fenced, taken_over (another process beats for the instance),
        refused (a new registration was refused), ended or unknown_instance (and it cannot be registered again here),
        fault (this process failed to beat for it for as long as it lasts).
    """

    component_id: str
    instance_uuid: str
    reason: str
    message: str


class Care(NamedTuple):
    """What the application wants for a lease; None leaves it as it is. `limit` is the longest interval."""

    limit: float | None = None
    on_lost: Callable[[LeaseLost], object] | None = None
    on_command: Listener | None = None
    loop: asyncio.AbstractEventLoop | None = None


class KeptLease:
    """One instance of this process. The heart's thread changes it; the others read, and ask the heart for changes.

    Registering again after a loss gives it a new uuid. The former uuids keep naming it inside this process, because the
    application may go on using the one it was given.
    """

    def __init__(self, component_id: str, instance_uuid: str, fencing_token: str = "") -> None:
        self.component_id = component_id
        self.instance_uuid = instance_uuid
        self.fencing_token = fencing_token
        self.uuids: list[str] = []
        self.request: RegisterComponentRequest | None = None
        self.terms = _DEFAULT_TERMS
        self.phase = Phase.IDLE
        self.state = ""
        # The state that the application said last.
        self.word = ""
        self.last_ack: datetime | None = None
        self.ended: Future[LeaseLost | None] = Future()
        # Those who wait for the end: the goodbye is theirs, and is given up with the last of them.
        self.leavers: set[object] = set()
        self.on_lost: Callable[[LeaseLost], object] | None = None
        self.orders = Orders()
        # What beats say, and how often at least.
        self.limit: float | None = None
        self.claim = ""
        self.metrics: Mapping[str, float] = {}
        self.health: Mapping[str, str] = {}
        self.loop: LoopLag | None = None
        self.in_flight: InFlight | None = None
        # What was said last on this stream, and how many beats ago.
        self.said: Said | None = None
        self.batched = 0
        # Where it stands on the stream: handle 0 is none, and it parted when goodbye was said.
        self.stream: object = None
        self.handle = 0
        self.parted = False
        self.sequence = 0
        self.claim_sequence = 0
        self.due = 0.0
        # Registering again: under which uuid, when to try, how often it failed, and whether a call is under way.
        self.next_uuid = ""
        self.retry_at = 0.0
        self.failures = 0
        self.asking = False
        # A fault of this process in keeping it: since when and how often in a row, and when to try again.
        self.fault: Exception | None = None
        self.faulty_since = 0.0
        self.faults = 0
        self.rests_until = 0.0

    @property
    def interval(self) -> float:
        """How often to beat in seconds: the shorter of what the server and the application want."""
        return max(_SHORTEST_INTERVAL, min(self.terms.interval, self.limit or self.terms.interval))

    def granted(self, request: RegisterComponentRequest, answer: RegisterComponentResponse) -> None:
        """Take over a grant."""
        self.request = request
        if answer.instance_uuid != self.instance_uuid:
            self.orders.regranted()
        self.instance_uuid = answer.instance_uuid
        self.fencing_token = answer.fencing_token
        if answer.created:
            self.state = "registering"
        self.agree(answer.lease)

    def agree(self, terms: TermsMessage) -> bool:
        """Take the server's terms; tell whether they are new."""
        told = Lease(terms.interval_seconds, terms.timeout_seconds)
        if told == self.terms or not terms.interval_seconds:
            return False
        self.terms = told
        return True

    def unbind(self) -> None:
        """Forget the stream."""
        self.stream, self.said = None, None
        self.handle, self.parted = 0, False

    def bind(self, handle: int, state: str, now: float) -> None:
        """Take the handle that a Welcome gave. The Hello renewed the lease, so only news are due at once."""
        self.handle = handle
        self.acknowledged(state)
        self.due = now if self.claim else now + spread(0.0, self.interval)

    def acknowledged(self, state: str) -> None:
        """Note that the server counted a sign of life."""
        self.state = state
        self.last_ack = datetime.now(UTC)

    def again(self) -> RegisterComponentRequest:
        """Make the request to register anew, to be told the state of before."""
        request = RegisterComponentRequest()
        if self.request is not None:
            request.CopyFrom(self.request)
        self.repeat()
        return request

    def repeat(self) -> None:
        """Claim the state of before with the next beat."""
        # Ready by its own word and degraded by Tekton's, for its lag: that judgement was on the instance of before.
        judged = (self.state, self.word) == ("degraded", "ready")
        if self.state not in _NOT_REPEATED:
            self.claim = self.claim or ("ready" if judged else self.state)

    def has_news(self, now: float) -> bool:
        """Whether its next beat has to be its own and cannot be one of a batch."""
        return bool(self.claim) or self.batched + 1 >= _OWN_BEAT_EVERY or self.said != self._sayings(now)

    def beat(self, now: float) -> pb.Beat:
        """Make the beat that is due, and set when the next one is: a little early, and never together with others."""
        self.sequence += 1
        self._beaten(now)
        if self.claim:
            self.claim_sequence = self.sequence
        said = self._sayings(now)
        beat = pb.Beat(
            handle=self.handle,
            sequence=self.sequence,
            state=self.claim,
            metrics=said.metrics,
            health=said.health,
            loop_lag_seconds=said.lag,
            in_flight=said.in_flight,
        )
        self.said, self.batched = said, 0
        return beat

    def batch(self, now: float) -> int:
        """Beat in a batch; gives the handle."""
        self._beaten(now)
        self.batched += 1
        return self.handle

    def _beaten(self, now: float) -> None:
        self.due = now + self.interval * spread(0.8, 1.0)

    def _sayings(self, now: float) -> Said:
        given = self.in_flight() if callable(self.in_flight) else self.in_flight or 0
        in_flight = _given.count("in_flight", given)
        return Said(self.metrics, self.health, self.lag(now), in_flight)

    def lag(self, now: float) -> float:
        """Give how late the application's event loop runs, in seconds; 0 where there is none."""
        return self.loop.seconds(now) if self.loop else 0.0

    def ack_batch(self, terms: TermsMessage) -> bool:
        """Take the acknowledgement of a batch that it beat in; tell whether the terms changed."""
        self.acknowledged(self.state)
        return self.agree(terms)

    def ack(self, ack: pb.Ack, state: str) -> bool:
        """Take an acknowledgement; tell whether the terms changed.

        A claim is made once: said again later, it could undo what was recorded since.
        """
        self.acknowledged(state)
        if ack.state_error:
            log.warning("the state of %s was not recorded: %s", self.component_id, ack.state_error)
        if self.claim_sequence and ack.sequence >= self.claim_sequence:
            self.claim, self.claim_sequence = "", 0
        return self.agree(ack.lease)

    def faulted(self, fault: Exception, now: float) -> bool:
        """Note a fault and rest a while; tell whether it lasted for as long as the lease does.

        The figures may be what is at fault, so they are dropped: being alive comes first.
        """
        self.faulty_since = self.faulty_since if self.fault else now
        self.fault = fault
        self.metrics, self.health, self.in_flight, self.said = {}, {}, None, None
        self.rests_until = now + full_jitter(self.faults, base=0.2, ceiling=self.terms.interval)
        self.faults += 1
        return now - self.faulty_since > self.terms.timeout

    def recovered(self) -> None:
        """Forget the faults."""
        self.fault, self.faults = None, 0


class KeptLeases:
    """The leases of this process by every uuid they had. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_uuid: dict[str, KeptLease] = {}
        # A dictionary for a set that keeps its order.
        self._by_component: dict[str, dict[KeptLease, None]] = {}

    def find(self, instance_uuid: str) -> KeptLease | None:
        """Find a lease by its uuid or a former one."""
        return self._by_uuid.get(instance_uuid)

    def active(self) -> list[KeptLease]:
        """List what has to be kept alive, registered again or seen off."""
        with self._lock:
            leases = [lease for same in self._by_component.values() for lease in same]
        return [lease for lease in leases if lease.asking or lease.phase not in (Phase.IDLE, Phase.ENDED)]

    def add(self, lease: KeptLease) -> KeptLease:
        """Remember a lease under its present uuid; ended ones of the same component give way."""
        with self._lock:
            known = self._by_uuid.get(lease.instance_uuid)
            if known is not None and known is not lease:
                return known
            same = self._by_component.setdefault(lookup_key(lease.component_id), {})
            for old in [old for old in same if old.phase is Phase.ENDED]:
                self._drop(old)
            self._by_component.setdefault(lookup_key(lease.component_id), same)[lease] = None
            if known is None:
                self._by_uuid[lease.instance_uuid] = lease
                lease.uuids.append(lease.instance_uuid)
        return lease

    def forget(self, lease: KeptLease) -> None:
        """Forget a lease under all its uuids."""
        with self._lock:
            self._drop(lease)

    def _drop(self, lease: KeptLease) -> None:
        key = lookup_key(lease.component_id)
        same = self._by_component.get(key, {})
        same.pop(lease, None)
        if not same:
            self._by_component.pop(key, None)
        while lease.uuids:
            self._by_uuid.pop(lease.uuids.pop(), None)
