"""Clients of the liveness machine: one stream as gRPC carries it, and a component that never stops beating."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from tekton.core.errors import StaleSessionError, TektonError
from tekton.core.ids import Token
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton_server.domain.decide import EXPIRED
from tests.support.paper_database import HISTORY
from tests.support.paper_server import PaperServer
from tests.unit.liveness_model import INTERVAL, KNOWN, Known, Truth

Lost = pb.LeaseLost
# So many calls take longer than a timeout.
_CALLS = 5


class Deadline:
    """A call's context: it says how long the caller waits, and that is for ever."""

    def time_remaining(self) -> None:
        """Give no deadline."""
        return


def token(granted: int) -> str:
    """Write a fencing token."""
    return str(Token(HISTORY, granted))


def claim(known: Known, granted: int | None = None) -> pb.LeaseClaim:
    """Claim a lease, by its token or another."""
    return pb.LeaseClaim(
        component_id=known.component_id,
        instance_uuid=known.instance_uuid,
        fencing_token=token(known.granted if granted is None else granted),
    )


class Stream:
    """A heartbeat stream: what is said is handled in order, and the model is told what surely counted."""

    def __init__(self, truth: Truth, server: PaperServer, *, strict: bool) -> None:
        self.server = server
        self.holds: dict[int, Known] = {}
        self.had: dict[int, Known] = {}
        self.lost: list[tuple[str, int]] = []
        self.welcomes = 0
        self.acks = 0
        self._strict = strict
        self._truth = truth
        self._said: deque[pb.ConnectRequest] = deque()
        self._more = asyncio.Event()
        self._news = asyncio.Event()
        self._handled: dict[int, tuple[float, Sequence[int]]] = {}
        self._sequence = 0
        self._busy = False
        self._claimed: deque[tuple[float, dict[str, Known]]] = deque()
        self._contacts: list[Known] = []
        self._task = server.call(self._serve())

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return self._task.done()

    @property
    def idle(self) -> bool:
        """Whether everything that was said is handled."""
        return not self._said and not self._busy

    def hello(self, right: Sequence[Known], wrong: Sequence[Known] = ()) -> None:
        """Claim leases, some by a token that is of another grant."""
        leases = [claim(one) for one in right] + [claim(one, one.granted + 1) for one in wrong]
        for one in right:
            one.contacts += 1
            self._contacts.append(one)
        self._claimed.append((self._truth.now, {one.instance_uuid: one for one in right}))
        self._say(pb.ConnectRequest(hello=pb.Hello(leases=leases)))

    def beat(self, handle: int, state: str = "", *, old: bool = False) -> None:
        """Beat for a lease; an `old` one was overtaken by others."""
        self._sequence += 1
        sequence = 1 if old else self._sequence + 1
        if not old:
            self._handled[sequence] = self._truth.now, (handle,)
        figure = {"figure": float(sequence)}
        self._say(pb.ConnectRequest(beat=pb.Beat(handle=handle, sequence=sequence, state=state, metrics=figure)))

    def batch(self, handles: Sequence[int]) -> None:
        """Beat for many."""
        self._sequence += 1
        self._handled[self._sequence + 1] = self._truth.now, tuple(handles)
        self._say(pb.ConnectRequest(beat_batch=pb.BeatBatch(handles=handles, sequence=self._sequence + 1)))

    def goodbye(self, handles: Sequence[int]) -> None:
        """End leases on purpose."""
        for handle in handles:
            self.had[handle].ends += 1
        self._say(pb.ConnectRequest(goodbye=pb.Goodbye(handles=handles)))

    async def say_goodbye(self, handle: int) -> None:
        """Say goodbye for a lease that was lost."""
        self._say(pb.ConnectRequest(goodbye=pb.Goodbye(handles=[handle])))
        for _ in range(5):
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Break the call off."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def told(self, holds: Callable[[], bool], within: float) -> bool:
        """Wait until something holds, or the call is over."""
        try:
            async with asyncio.timeout(within):
                while not (holds() or self.ended):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        return holds() and not self.ended

    def _say(self, message: pb.ConnectRequest) -> None:
        self._said.append(message)
        self._more.set()

    async def _requests(self) -> AsyncIterator[pb.ConnectRequest]:
        while True:
            while self._said:
                message = self._said.popleft()
                self._busy = True
                yield message
                self._busy = False
                self._counted(message)
            self._more.clear()
            await self._more.wait()

    def _counted(self, message: pb.ConnectRequest) -> None:
        """A message was handled: it may have renewed what this stream carries."""
        handles: Sequence[int] = ()
        if message.HasField("beat"):
            handles = (message.beat.handle,)
        elif message.HasField("beat_batch"):
            handles = message.beat_batch.handles
        for known in (self.had[handle] for handle in handles):
            if self._carries(known):
                known.maybe = self._truth.now

    def _carries(self, known: Known) -> bool:
        """Whether a beat on this stream may count: at another server than the one the lease went to, for a moment."""
        if known.holder is None or known.holder is self:
            return True
        elsewhere = known.holder.server is not self.server
        return elsewhere and self._truth.now - max(known.moved, self._truth.disturbed_until) < KNOWN

    async def _serve(self) -> None:
        caller: Any = Deadline()
        try:
            async for message in self.server.servicer.Connect(self._requests(), caller):
                self._heard(message)
                self._news.set()
        except TektonError:
            # The answer to all of it: a claim cannot be judged now.
            pass
        except AssertionError as error:
            self._truth.wrong.append(error)
        finally:
            for known in self._contacts:
                self._truth.over(known)
            self._news.set()

    def _heard(self, message: pb.ConnectResponse) -> None:
        if message.HasField("welcome"):
            self._welcomed(message.welcome)
        elif message.HasField("lease_lost"):
            lost = message.lease_lost
            if lost.reason == Lost.REASON_FENCED:
                # A claim was refused; what the stream had before, it has.
                return
            self.lost.append((lost.instance_uuid, lost.reason))
            known = self._truth.known[lost.instance_uuid]
            if lost.reason == Lost.REASON_TAKEN_OVER:
                # The other one's Welcome may just be on its way.
                open_yet = known.contacts or self._truth.now < max(known.contested, self._truth.disturbed_until + KNOWN)
                assert known.holder is not self or open_yet, "nobody has taken it over"
            self.holds = {h: one for h, one in self.holds.items() if one.instance_uuid != lost.instance_uuid}
        elif message.HasField("ack"):
            self.acks += 1
            at, handles = self._handled.pop(message.ack.sequence, (0.0, ()))
            for handle in handles:
                # A beat for what another stream carries by now is counted until this server knows, and is no promise.
                if handle in self.holds and self.holds[handle].holder is self:
                    self._truth.hear(self.holds[handle], at, self.server.server_id)

    def _welcomed(self, welcome: pb.Welcome) -> None:
        self.welcomes += 1
        at, claimed = self._claimed.popleft()
        for grant in welcome.grants:
            assert grant.instance_uuid in claimed, "a claim with a wrong token was granted"
            known = claimed[grant.instance_uuid]
            # Since the Welcome was written it may have gone on to another stream, or ended.
            lease = self.server.leases.get(grant.instance_uuid)
            if lease is not None and grant.handle not in self.holds and lease.session is not None:
                assert not self._strict or lease.session_epoch > known.epoch, "session epochs grow"
                known.epoch = max(known.epoch, lease.session_epoch)
                former = known.holder
                rivals = former is not None and not former.ended and former.server is not self.server
                self._truth.carried(known, self, rivals)
            self.holds[grant.handle] = self.had[grant.handle] = known
            self._truth.hear(known, at, self.server.server_id)
        for known in claimed.values():
            self._truth.over(known)
            self._contacts.remove(known)


class Beater:
    """A component that lives: it beats in time on a stream, and goes to another server when that ends; or by `calls`,
    some to one server and then some to another.
    """

    def __init__(
        self, truth: Truth, known: Known, servers: Callable[[], list[PaperServer]], *, calls: bool, strict: bool
    ) -> None:
        self.known = known
        self._calls = calls
        self._truth = truth
        self._servers = servers
        self._strict = strict
        self._turn = 0
        self._stream: Stream | None = None
        known.beats = True
        self.task = asyncio.create_task(self._live())

    async def cut(self) -> None:
        """Its stream is cut off."""
        if self._stream is not None:
            await self._stream.close()

    async def _live(self) -> None:
        try:
            while self.known.beats:
                if servers := self._servers():
                    self._turn += 1
                    turn = self._turn // (_CALLS if self._calls else 1)
                    await (self._call if self._calls else self._stay)(servers[turn % len(servers)])
                await asyncio.sleep(0.05)
        finally:
            self.known.beats = False
            await self.cut()

    async def _stay(self, server: PaperServer) -> None:
        self._stream = Stream(self._truth, server, strict=self._strict)
        await self._beat_through(self._stream)
        await self.cut()

    async def _call(self, server: PaperServer) -> None:
        try:
            async with asyncio.timeout(1.0):
                counted = await unary(self._truth, server, self.known, granted=self.known.granted)
        except (TimeoutError, asyncio.CancelledError):
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            return
        if counted is False:
            assert self.known.reason != EXPIRED, "it lives and is refused"
            self.known.beats = False
        elif counted:
            await asyncio.sleep(0.9 * INTERVAL)

    async def _beat_through(self, stream: Stream) -> None:
        stream.hello([self.known])
        if not await stream.told(lambda: bool(stream.welcomes), 1.0):
            return
        while self._still_its(stream):
            acks = stream.acks
            stream.batch(list(stream.holds))
            if not await stream.told(lambda: stream.acks > acks, INTERVAL / 2):  # noqa: B023
                return
            await asyncio.sleep(0.9 * INTERVAL)
            if stream.ended:
                return

    def _still_its(self, stream: Stream) -> bool:
        reasons = {reason for _, reason in stream.lost}
        if reasons & {Lost.REASON_TAKEN_OVER, Lost.REASON_SUPERSEDED, Lost.REASON_ENDED}:
            self.known.beats = False
        else:
            assert not reasons, f"it lives and lost its lease: {reasons}"
        return self.known.beats


async def unary(
    truth: Truth,
    server: PaperServer,
    known: Known,
    *,
    granted: int | None = None,
    epoch: int = 0,
    state: str = "",
) -> bool | None:
    """Beat by a call; tells whether it was counted, None where the server could not say."""
    request = pb.SendHeartbeatRequest(
        component_id=known.component_id,
        instance_uuid=known.instance_uuid,
        fencing_token="" if granted is None else token(granted),
        session_epoch=epoch,
        state=state,
    )
    at, caller = truth.now, Deadline()
    try:
        await server.call(server.servicer.SendHeartbeat(request, caller))  # type: ignore[arg-type]
    except StaleSessionError:
        return False
    except TektonError:
        return None
    truth.hear(known, at, server.server_id)
    return True
