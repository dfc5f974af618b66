"""The scene of the liveness machine: two servers on a paper database, streams, beating clients, and what they do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from tekton.core import backoff
from tekton.core.errors import StaleSessionError, TektonError
from tekton.core.ids import Token
from tekton.core.lifecycle import ComponentState
from tekton_server.domain.commands import EndInstance, ReportState
from tekton_server.domain.decide import EXPIRED
from tekton_server.domain.preservation import Word
from tekton_server.live.lease import Timing
from tests.support.paper_database import HISTORY, PaperDatabase
from tests.support.paper_server import PaperServer
from tests.support.virtual_time import VirtualLoop
from tests.unit.liveness_clients import Beater, Stream, unary
from tests.unit.liveness_model import INTERVAL, KNOWN, TIMEOUT, Known, Truth

T = TypeVar("T")

TIMING = Timing(INTERVAL, TIMEOUT)
# How long a server that is gone may be taken for one that lives: its own lease, and a renewal of the other's.
BURIED = 1.5
# How long the loop may drain the sockets after it stood still.
DRAINED = 3.5
COMPONENTS = {1: "athena", 2: "athena", 3: "engram"}
FENCES = ("none", "right", "wrong token", "old epoch")


class Scene:
    """What the rules of the machine are made of."""

    def open(self, ahead: float) -> None:
        """Begin; the second server's wall clock is `ahead` by so many seconds."""
        backoff._random = random.Random(0)  # type: ignore[assignment]
        self.loop = VirtualLoop()
        self.truth = Truth(self.loop)
        self.database = PaperDatabase(self.loop, self.truth.committed)
        self.ahead = ahead
        self.down_since = 0.0
        self.servers: list[PaperServer | None] = [None, None]
        self.streams: list[Stream] = []
        self.beaters: list[Beater] = []
        self.registered = 0

    def end(self) -> None:
        """End it."""
        self.loop.end()
        backoff._random = random.SystemRandom()

    def _kill(self, number: int) -> None:
        server = self.servers[number]
        if server is not None:
            self.run(server.kill())
            self.servers[number] = None
            # What was heard in the last moment before was not stored yet.
            waits = self.database.down or server.server_id in self.database.stuck
            since = (self.down_since if waits else self.truth.now) - 1.5
            self.truth.lost_with(server.server_id, since)
            self.truth.disturbed(BURIED)

    def _start_again(self, number: int) -> None:
        if self.servers[number] is None and not self.database.down:
            self._start(number)
            self.truth.disturbed(BURIED)

    def _stand_still(self, seconds: float) -> None:
        """The process of the servers is stopped."""
        self.loop.skip(seconds)
        self.truth.disturbed(DRAINED)

    async def _gateway(self, there: bool) -> None:
        """The gateways of all servers go, and with them every stream through them; or they are back."""
        self.truth.gateway_gone = None if there else self.truth.now
        self.truth.disturbed()
        for server in self.living:
            server.leases.judge.part("gateway", there)
        for beater in () if there else self.beaters:
            await beater.cut()

    def _say(self, word: Word) -> None:
        """An operator's word, which every server follows."""
        self.truth.evictions_stopped = word is Word.ON
        self.truth.disturbed()
        for server in self.living:
            server.leases.judge.preservation.say(word, None)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in virtual time."""
        return self.loop.run(work)

    @property
    def living(self) -> list[PaperServer]:
        """The servers that live."""
        return [server for server in self.servers if server is not None]

    @property
    def reachable(self) -> list[PaperServer]:
        """The servers that can be reached through a gateway."""
        return self.living if self.truth.gateway_gone is None else []

    @property
    def open_streams(self) -> list[Stream]:
        """The streams that are open."""
        self.streams = [stream for stream in self.streams if not stream.ended]
        return self.streams

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        # Two claims within a millisecond would have one epoch.
        await asyncio.sleep(0.003)

    def _start(self, number: int) -> None:
        server = PaperServer(self.database, TIMING, self.ahead * number)
        self.run(server.start())
        self.servers[number] = server
        if self.truth.evictions_stopped:
            server.leases.judge.preservation.say(Word.ON, None)

    def _server(self, number: int) -> PaperServer:
        """Find a server that lives; start one when there is none."""
        if not self.living:
            self.database.start()
            self._start_again(number)
        return self.servers[number] or self.living[0]

    def _stream(self, number: int) -> Stream:
        return self.open_streams[number % len(self.streams)]

    def _one(self, number: int) -> Known:
        known = list(self.truth.known.values())
        return known[number % len(known)]

    def _some(self, numbers: list[int]) -> list[Known]:
        if not self.truth.known:
            return []
        return list({one.instance_uuid: one for one in map(self._one, numbers)}.values())

    async def _submit(self, server: PaperServer, command: Any) -> None:
        # Refused, or the database is not there: what came of it the commits tell.
        with suppress(TektonError):
            await server.call(server.writer.submit(command))
        await self._wait(0.0)

    async def _beat_for_ever(self, known: Known, *, calls: bool) -> None:
        beater = Beater(self.truth, known, lambda: self.reachable, calls=calls, strict=not self.ahead)
        self.beaters.append(beater)
        await self._wait(0.01)

    async def _connect(self, server: PaperServer, right: list[int], wrong: list[int]) -> None:
        stream = Stream(self.truth, server, strict=not self.ahead)
        stream.hello(self._some(right), self._some(wrong))
        self.streams.append(stream)
        await self._wait(0.01)

    async def _beat(self, stream: Stream, handle: int, state: str, old: bool) -> None:
        lease = stream.server.leases.get(stream.had[handle].instance_uuid)
        before = None if lease is None else (lease.metrics, lease.claimed, lease.sequence)
        overtaken = old and lease is not None and lease.sequence > 1
        stream.beat(handle, state, old=old)
        await asyncio.sleep(0)
        await self._wait(0.01)
        if overtaken or handle not in stream.holds:
            assert lease is not None or before is None
            if lease is not None and lease.session is not None and overtaken:
                assert (lease.metrics, lease.claimed, lease.sequence) == before, "an old beat says nothing"

    async def _unary(self, server: PaperServer, known: Known, fence: str, state: str) -> bool | None:
        granted, epoch, valid = self._fence(server, known, fence)
        if not valid:
            return await self._refused(server, known, unary(self.truth, server, known, granted=granted, epoch=epoch))
        known.contacts += 1
        try:
            return await unary(self.truth, server, known, granted=granted, epoch=epoch, state=state)
        finally:
            self.truth.over(known)
            await self._wait(0.01)

    def _fence(self, server: PaperServer, known: Known, fence: str) -> tuple[int | None, int, bool]:
        """Give a token, an epoch, and whether they are right."""
        lease = server.leases.get(known.instance_uuid)
        if fence == "wrong token":
            return known.granted + 1, 0, False
        if fence == "old epoch" and lease is not None and lease.session_epoch > 1:
            return known.granted, lease.session_epoch - 1, False
        everywhere = self.truth.now - max(known.moved, self.truth.disturbed_until) > 2 * KNOWN
        failed = lease is None and known.reason == EXPIRED
        if fence == "old epoch" and failed and known.epoch > 1 and known.stored and everywhere:
            return known.granted, known.epoch - 1, False
        return (None if fence == "none" else known.granted), 0, True

    async def _refused(self, server: PaperServer, known: Known, call: Coroutine[Any, Any, bool | None]) -> bool | None:
        counted: list[bool | None] = []

        async def called() -> None:
            counted.append(await call)

        await self._changes_nothing(server, known, called())
        assert not counted[0], "a fenced beat was counted"
        return counted[0]

    async def _changes_nothing(self, server: PaperServer, known: Known, work: Coroutine[Any, Any, None]) -> None:
        """Do what is fenced; where no time passes meanwhile, everything is as before."""
        before, began = self._everything(server, known), self.truth.now
        await work
        if self.truth.now == began:
            assert self._everything(server, known) == before, "what is fenced changed something"
        await self._wait(0.01)

    def _everything(self, server: PaperServer, known: Known) -> Any:
        lease = server.leases.get(known.instance_uuid)
        held = None if lease is None else {name: getattr(lease, name) for name in lease.__slots__}
        return held, server.view.instance(known.instance_uuid), len(self.database.commits)

    async def _change(self, server: PaperServer, known: Known, fence: str, *, end: bool) -> None:
        """Deregister or report a state, as the services do it."""
        granted, epoch, valid = self._fence(server, known, fence)
        named = {"component_id": known.component_id, "instance_uuid": known.instance_uuid}
        fencing = None if granted is None else Token(HISTORY, granted)
        command: Any = (
            EndInstance(**named, fencing_token=fencing)
            if end
            else ReportState(**named, fencing_token=fencing, state=ComponentState.READY)
        )
        known.ends += end and valid
        revision = len(self.database.commits)
        try:
            server.pulses.check_epoch(known.instance_uuid, epoch)
            await server.call(server.writer.submit(command))
            assert valid, "what was fenced was done"
        except StaleSessionError:
            pass
        except TektonError:
            assert valid or fence == "wrong token"
        del revision
        await self._wait(0.01)

    async def _race(self, known: Known, number: int, fence: str, decided: bool) -> None:
        """Come with a beat just as a lease is judged."""
        if self.database.down or self.database.held or self.database.stuck or not self.living:
            return
        judge = await self._about_to_be_judged(known)
        if judge is None:
            return
        server, quiet = self.servers[number] or judge, self.truth.disturbed_until < self.truth.now - 1.0
        valid = fence == "hello" or (fence != "nothing" and self._fence(server, known, fence)[2])
        if decided:
            # Let it be decided, and have the answer wait.
            self.database.slow, self.database.held = True, False
            await self._wait(0.1)
        call = asyncio.ensure_future(self._come(server, known, fence))
        await self._wait(0.3)
        self.database.held = self.database.slow = False
        counted = await call
        await self._wait(0.5)
        assert valid or not known.leased or not quiet, "what is fenced gave it more time"
        assert known.leased or not counted or server is not judge, "its beat was counted, and it is failed"

    async def _about_to_be_judged(self, known: Known) -> PaperServer | None:
        """Wait until an expiry waits for the lock of the journal, at the server that this gives."""
        held = 0.0
        for _ in range(int((TIMEOUT + 4) / 0.05)):
            leases = ((server, server.leases.get(known.instance_uuid)) for server in self.living)
            mine = [(server, lease) for server, lease in leases if lease is not None and lease.mine]
            if not known.leased or known.beats or (held and self.truth.now > held + 1.0):
                break
            if any(lease.judging for _, lease in mine):
                return mine[0][0]
            if any(self.truth.now > lease.deadline + server.leases.ownership.slack - 0.1 for server, lease in mine):
                self.database.held, held = True, held or self.truth.now
            await asyncio.sleep(0.05)
        self.database.held = False
        return None

    async def _come(self, server: PaperServer, known: Known, fence: str) -> bool | None:
        if fence == "hello":
            stream = Stream(self.truth, server, strict=not self.ahead)
            stream.hello([known])
            self.streams.append(stream)
            return await stream.told(lambda: bool(stream.welcomes), 5.0)
        return None if fence == "nothing" else await self._unary(server, known, fence, "")

    async def _agree(self) -> None:
        """Look until everybody agrees: something may just be under way."""
        for _ in range(int(KNOWN / 0.1)):
            with suppress(AssertionError):
                self._agreed()
                return
            await asyncio.sleep(0.1)
        self._agreed()

    def _agreed(self) -> None:
        """All servers know the same, each lease has one judge, and one stream at most."""
        leased = {known.instance_uuid for known in self.truth.known.values() if known.leased}
        for server in self.living:
            behind = len(self.database.commits) - server.view.revision
            assert not behind, "a server has not seen every commit"
            assert set(server.leases._leases) == leased
        for uuid in leased:
            leases = [(server, server.leases.get(uuid)) for server in self.living]
            judges = [server for server, lease in leases if lease is not None and lease.mine]
            carriers = [server for server, lease in leases if lease is not None and lease.session is not None]
            assert [server.server_id for server in judges] == [self.database.leases[uuid].lease.server_id]
            assert carriers in ([], judges), "the stream and the judge of a lease are at two servers"
            epochs = {lease.session_epoch for _, lease in leases if lease is not None}
            assert len(epochs) == 1, "servers know different epochs"
