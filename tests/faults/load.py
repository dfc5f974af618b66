"""Load with a record: callers that write and read, watchers that resume, and components that beat, all at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import asyncpg

from tekton.client import ComponentRegistration, TektonClient
from tekton.core.ids import new_uuid
from tests.faults.callers import Answer, Caller, CallFailedError, GrpcCaller, RestCaller
from tests.faults.history import Attempt, Beater, History, Outcome, Read, Row, Watch
from tests.faults.watchers import Follow, grpc_watch, sse_watch, state_watch

Call = Callable[[], Awaitable[Answer]]
_AGAIN = 0.03
BEAT = 0.4


@dataclass(frozen=True)
class Where:
    """Where a Tekton is reached: the gateway's port, and the server's own."""

    gateway: int
    direct: int

    @property
    def url(self) -> str:
        """REST."""
        return f"http://127.0.0.1:{self.gateway}"

    @property
    def callers(self) -> list[Caller]:
        """One connection of each kind."""
        direct = GrpcCaller("gRPC direct", f"127.0.0.1:{self.direct}")
        return [direct, GrpcCaller("gRPC gateway", f"127.0.0.1:{self.gateway}"), RestCaller("REST", self.url)]


class Load:
    """Everything that runs; made by `load`."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._stopping = asyncio.Event()
        self._callers: list[Caller] = []
        self._writers: list[asyncio.Task[None]] = []
        self._others: list[asyncio.Task[None]] = []

    def write(self, caller: Caller) -> None:
        """Write through a connection, one call after another, and read in between."""
        self._callers.append(caller)
        self._writers.append(asyncio.create_task(self._writing(caller)))
        self._writers.append(asyncio.create_task(self._registering(caller)))

    def watch(self, name: str, follow: Follow, *, states: bool = False) -> Watch:
        """Watch, and resume for as long as the load lasts."""
        watch = Watch(name, states=states)
        self.history.watches.append(watch)
        self._others.append(asyncio.create_task(self._watching(watch, follow)))
        return watch

    def beat(self, caller: Caller) -> None:
        """Register a component and beat for it, whatever is answered."""
        self._others.append(asyncio.create_task(self._beating(caller)))

    async def finish(self) -> None:
        """Stop writing, each once its last operation is acknowledged; then one last that every watcher is told of."""
        self._stopping.set()
        last = _mark()
        async with asyncio.timeout(20):
            await asyncio.gather(*self._writers)
            await self.done(f"register {last}", partial(self._callers[0].register, "last", last))

    async def end(self) -> None:
        """Stop writing, and see to it that every watcher saw all that was written."""
        if not self._stopping.is_set():
            await self.finish()
        last = max(one.revision for one in self.history.acknowledged)
        for watch in self.history.watches:
            await watch.reached(last)
        await self.cancel()

    async def cancel(self) -> None:
        """End at once."""
        tasks = [*self._writers, *self._others]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def done(self, operation: str, call: Call) -> Answer:
        """Make a call until it is acknowledged."""
        answer = await self.tried(operation, call)
        assert answer is not None
        return answer

    async def tried(self, operation: str, call: Call, *, once: bool = False, unless: str = "") -> Answer | None:
        """Make a call until it is acknowledged, recording each attempt.

        `once`: or until it may have happened. `unless`: or until it is refused for this reason.
        """
        while True:
            began, answer, outcome, said, reason = time.monotonic(), Answer(0), Outcome.ACKNOWLEDGED, "", ""
            try:
                answer = await call()
            except CallFailedError as error:
                outcome, said, reason = error.outcome, str(error), error.reason
                if error.surprise and reason != unless:
                    self.history.surprises.append(f"{operation} was refused: {said}")
            attempt = Attempt(operation, began, time.monotonic(), outcome, answer.revision, said)
            await self.history.attempted(attempt)
            if outcome is Outcome.ACKNOWLEDGED:
                return answer
            if (once and outcome is Outcome.UNKNOWN) or (unless and reason == unless):
                return None
            await asyncio.sleep(_AGAIN)

    async def _writing(self, caller: Caller) -> None:
        """Register a component, read it, change it, and make it ready, over and over."""
        while not self._stopping.is_set():
            part, born, changed, ready = f"part{new_uuid()[:8]}", _mark(), _mark(), _mark()
            granted = await self.done(f"register {born}", partial(caller.register, part, born))
            await self._read(caller, part)
            await self.done(f"update {changed}", partial(caller.update, part, changed))
            # Nobody beats for it: where the fault outlasted its timeout, it has ended by now, and rightly so.
            state = partial(caller.state, part, granted.instance_uuid, "ready", ready)
            await self.tried(f"state {ready}", state, unless="stale_session")

    async def _registering(self, caller: Caller) -> None:
        """Register components without a request id: who is not sure never asks again, who was refused does."""
        while not self._stopping.is_set():
            part, born = f"once{new_uuid()[:8]}", _mark()
            await self.tried(f"register {born}", partial(caller.register, part, born, once=True), once=True)

    async def _read(self, caller: Caller, component_id: str) -> None:
        began = time.monotonic()
        try:
            answer = await caller.read(component_id)
        except CallFailedError as error:
            if error.surprise:
                self.history.surprises.append(f"{caller.name}: the read of {component_id} was refused: {error}")
            return
        self.history.reads.append(Read(caller.name, began, time.monotonic(), answer.revision))

    async def _watching(self, watch: Watch, follow: Follow) -> None:
        token = ""
        while True:
            watch.connections += 1
            token = await follow(watch, token)
            await asyncio.sleep(_AGAIN)

    async def _beating(self, caller: Caller) -> None:
        component_id, born = f"heart{new_uuid()[:8]}", _mark()
        granted = await self.done(f"register {born}", partial(caller.register, component_id, born))
        beater = Beater(component_id, granted.instance_uuid)
        self.history.beaters.append(beater)
        while True:
            try:
                await caller.beat(beater.component_id, beater.instance_uuid)
                beater.beats += 1
            except CallFailedError as error:
                if error.surprise:
                    beater.told_lost.append(str(error))
            await asyncio.sleep(BEAT)


@asynccontextmanager
async def load(where: Where) -> AsyncIterator[Load]:
    """Put load on a Tekton: three callers, three watchers and three hearts. The record begins when all of it runs."""
    running = Load(History())
    async with AsyncExitStack() as stack:
        for number, caller in enumerate(callers := [*where.callers, *where.callers]):
            stack.push_async_callback(caller.close)
            (running.write if number < len(callers) / 2 else running.beat)(caller)
        stack.push_async_callback(running.cancel)
        running.watch("gRPC watch", grpc_watch(where.direct))
        running.watch("SSE watch", sse_watch(where.url))
        running.watch("state watch", state_watch(where.gateway), states=True)
        await running.history.more(30)
        async with sdk_heart(where.gateway, running.history):
            yield running


@asynccontextmanager
async def sdk_heart(port: int, history: History) -> AsyncIterator[None]:
    """Keep a component alive as the SDK does: a stream from a thread of its own."""
    component_id = f"sdk{new_uuid()[:8]}"
    async with TektonClient("127.0.0.1", port) as client:
        granted = await client.register_component(
            ComponentRegistration(component_id, component_name="Heart", component_type="ui", version="1.0.0")
        )
        client.start_heartbeat(component_id, state="ready")
        history.beaters.append(Beater(component_id, str(granted.instance_uuid)))
        yield


async def journal(dsn: str) -> Sequence[Row]:
    """Read the journal from the database itself."""
    connection = await asyncpg.connect(dsn)
    try:
        found = await connection.fetch(
            "SELECT revision, kind, key, old, new, cause FROM journal ORDER BY revision, idx"
        )
    finally:
        await connection.close()
    return [_row(*row) for row in found]


def _row(revision: int, kind: str, key: str, old: str | None, new: str | None, cause: str) -> Row:
    before, after = json.loads(old or "{}"), json.loads(new or "{}")
    operation, why = "", json.loads(cause)
    if kind == "component":
        mark = after.get("metadata", {}).get("mark", "")
        if mark and mark != before.get("metadata", {}).get("mark"):
            operation = f"update {mark}"
    elif kind == "instance" and old is None:
        operation = f"register {after['host']}"
    elif kind == "instance" and why["reason"].startswith("mark-") and not why.get("implied"):
        operation = f"state {why['reason']}"
    return Row(revision, kind, key, operation, before.get("state", ""), after.get("state", ""))


def _mark() -> str:
    return f"mark-{new_uuid()}"
