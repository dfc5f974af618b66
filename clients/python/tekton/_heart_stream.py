"""One heartbeat stream: what is queued to be said, and a thread that hands over what is heard."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

import grpc

from tekton import __version__
from tekton._channel import Target
from tekton._errors import from_rpc
from tekton._lease import KeptLease
from tekton.core.errors import TektonError
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub

CLIENT = f"tekton-python/{__version__}"
LEASES_PER_MESSAGE = 10_000
_UNACKNOWLEDGED = 1_000
# How long a stream may be silent before its Welcome told the terms, in seconds.
_FIRST_PATIENCE = 5.0

Heard = Callable[["HeartStream", pb.ConnectResponse], None]
Ended = Callable[["HeartStream", "TektonError | None"], None]


class HeartStream:
    """A stream under way. `heard` is when the server last said something, in monotonic seconds."""

    def __init__(self, channel: grpc.Channel, target: Target, now: float, heard: Heard, ended: Ended) -> None:
        self.heard = now
        self.patience = _FIRST_PATIENCE
        self.leases: dict[int, KeptLease] = {}
        self._target = target
        self._claims: list[pb.LeaseClaim] = []
        self._batch = 0
        self._batches: dict[int, list[KeptLease]] = {}
        self._closed = False
        self._tell_heard = heard
        self._tell_ended = ended
        self._outbox: queue.SimpleQueue[pb.ConnectRequest | None] = queue.SimpleQueue()
        self._call = HeartbeatServiceStub(channel).Connect(self._messages())
        threading.Thread(target=self._read, name=f"tekton heart of {target}, reading", daemon=True).start()

    def claim(self, lease: KeptLease) -> None:
        """Claim a lease with the next `hello`; its handle comes with the Welcome."""
        claim = pb.LeaseClaim(
            component_id=lease.component_id, instance_uuid=lease.instance_uuid, fencing_token=lease.fencing_token
        )
        lease.stream, lease.handle = self, 0
        self._claims.append(claim)

    def hello(self) -> None:
        """Say which leases are claimed, if any are."""
        claims, self._claims = self._claims, []
        for start in range(0, len(claims), LEASES_PER_MESSAGE):
            part = claims[start : start + LEASES_PER_MESSAGE]
            self._outbox.put(pb.ConnectRequest(hello=pb.Hello(leases=part, client=CLIENT)))

    def beat(self, lease: KeptLease, now: float) -> None:
        """Renew a lease."""
        self._outbox.put(pb.ConnectRequest(beat=lease.beat(now)))

    def beat_batch(self, leases: list[KeptLease], now: float) -> None:
        """Renew many leases that have nothing new to say."""
        for start in range(0, len(leases), LEASES_PER_MESSAGE):
            part = leases[start : start + LEASES_PER_MESSAGE]
            self._batch += 1
            batch = pb.BeatBatch(handles=[lease.batch(now) for lease in part], sequence=self._batch)
            self._batches[self._batch] = part
            self._outbox.put(pb.ConnectRequest(beat_batch=batch))
        # A server that acknowledges other beats and never a batch must not make this grow.
        while len(self._batches) > _UNACKNOWLEDGED:
            del self._batches[next(iter(self._batches))]

    def counted(self, sequence: int) -> list[KeptLease]:
        """Take the leases that the acknowledgement of a batch is for; it covers the batches before it too."""
        covered = [batch for batch in self._batches if batch <= sequence]
        leases = {lease: None for batch in covered for lease in self._batches.pop(batch)}
        return [lease for lease in leases if lease.stream is self]

    def goodbye(self, leases: list[KeptLease]) -> None:
        """End leases on purpose."""
        handles = [lease.handle for lease in leases]
        for start in range(0, len(handles), LEASES_PER_MESSAGE):
            part = handles[start : start + LEASES_PER_MESSAGE]
            self._outbox.put(pb.ConnectRequest(goodbye=pb.Goodbye(handles=part, reason="goodbye")))
        for lease in leases:
            lease.parted = True

    def pong(self, ping: pb.Ping) -> None:
        """Answer a ping."""
        self._outbox.put(pb.ConnectRequest(pong=pb.Pong(nonce=ping.nonce)))

    def answer(self, command_id: str, refusal: str = "") -> None:
        """Say that a command is being carried out, or why it is not."""
        ack = pb.CommandAck(command_id=command_id, accepted=not refusal, message=refusal)
        self._outbox.put(pb.ConnectRequest(command_ack=ack))

    def settle(self, interval: float, timeout: float) -> None:
        """Set the patience from the terms: short enough to get to another stream before the lease runs out."""
        self.patience = min(timeout, max(1.5 * interval, timeout / 2)) if timeout else self.patience

    def close(self) -> None:
        """End the stream; nothing more is said."""
        self._closed = True
        self._outbox.put(None)
        self._call.cancel()

    def _messages(self) -> Iterator[pb.ConnectRequest]:
        return iter(self._outbox.get, None)

    def _read(self) -> None:
        error: TektonError | None = None
        try:
            for message in self._call:
                # Here and not where it is handled: a busy heart must not take its own lag for the server's silence.
                self.heard = time.monotonic()
                self._tell_heard(self, message)
        except grpc.RpcError as failure:
            error = from_rpc(self._call, self._target)
            error.__cause__ = failure
        finally:
            # The thread of gRPC that waits for the next message to send ends with it.
            self._outbox.put(None)
            if not self._closed:
                self._tell_ended(self, error)
