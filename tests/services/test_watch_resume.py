"""Wherever a watch is cut, what the resumed watches deliver together is what an uninterrupted one delivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from tekton.core.errors import SlowWatcherError, TektonError
from tekton.core.ids import new_uuid
from tekton.core.lifecycle import ComponentState
from tekton.core.records import CommandKind
from tekton.core.view import CommandChange
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain.commands import EndInstance, PostCommand, RemoveComponent, ReportState, UpdateComponent
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert, encodings
from tekton_server.services.selector import Selector
from tekton_server.services.watches import RegistryWatches
from tests.support.live import opened, register
from tests.support.postgres import Cluster

Message = registry_pb.WatchRegistryResponse
Event = registry_pb.RegistryEvent
State = dict[tuple[str, str], Any]

PARTS = st.integers(0, 2)
LISTS = st.sampled_from([(), ("kept",), ("kept", "other"), ("other",)])
COMMANDS = st.one_of(
    st.tuples(st.just("register"), PARTS, LISTS),
    st.tuples(st.just("update"), PARTS, LISTS),
    st.tuples(st.just("report"), PARTS, st.sampled_from([ComponentState.READY, ComponentState.FAILED])),
    st.tuples(st.just("end"), PARTS, st.none()),
    st.tuples(st.just("remove"), PARTS, st.none()),
    st.tuples(st.just("tell"), PARTS, st.none()),
)
# A step is a command, or how many messages a watch reads before it is cut.
STEPS = st.lists(st.one_of(COMMANDS, COMMANDS, COMMANDS, st.integers(0, 4)), min_size=8, max_size=40)
SELECTORS = st.sampled_from(
    [
        Selector(),
        Selector(capabilities=frozenset({"kept"})),
        Selector(keys=frozenset({"component_0", "component_9"})),
    ]
)


class Reader:
    """A client of the watch as documented: it remembers the last token, and takes what comes after it as not seen."""

    def __init__(self, live: LiveRegistry, selector: Selector) -> None:
        self._live = live
        self._selector = selector
        self._token = ""
        self._pending: list[Event] = []
        self._stream: AsyncGenerator[bytes, None] | None = None
        self.events: list[Event] = []
        self.state: State = {}
        self.resets = 0

    async def read(self, most: int, patience: float) -> None:
        """Read so many messages, or fewer where none comes for so long."""
        with suppress(TimeoutError):
            for _ in range(most):
                await asyncio.wait_for(self.one(), patience)

    async def one(self) -> Message:
        """Read one message."""
        if self._stream is None:
            watch = RegistryWatches(self._live).messages(self._selector, self._token)
            self._stream = cast("AsyncGenerator[bytes, None]", watch)
        message = Message.FromString(await anext(self._stream))
        self._take(message)
        return message

    async def until(self, revision: int) -> None:
        """Read until everything up to a revision is known, of which something passes the filter."""
        while not self._token or int(self._token.partition(".")[2]) < revision:
            with suppress(SlowWatcherError):
                await asyncio.wait_for(self.one(), 5)
                continue
            await self.cut()

    async def cut(self) -> None:
        """Lose the stream, and with it what came since the last token."""
        if self._stream is not None:
            await self._stream.aclose()
        self._stream = None
        self._pending.clear()

    def _take(self, message: Message) -> None:
        if message.phase == Message.PHASE_RESET:
            self.resets += 1
            self.state, self._pending, self._token = {}, [], ""
            return
        self._pending += message.events
        if not message.resume_token:
            return
        for event in self._pending:
            self._apply(event)
        if message.phase == Message.PHASE_LIVE:
            self.events += self._pending
        self._pending = []
        self._token = message.resume_token

    def _apply(self, event: Event) -> None:
        record = event.WhichOneof("record")
        assert record is not None
        if event.type == Event.TYPE_PUT:
            self.state[record, event.key] = getattr(event, record)
        else:
            self.state.pop((record, event.key), None)


class Registry:
    """A live registry on a loop of its own, since an example of Hypothesis is no coroutine."""

    def __init__(self, runner: asyncio.Runner, live: LiveRegistry) -> None:
        self.runner = runner
        self.live = live
        self._uuids: dict[int, str] = {}

    async def do(self, kind: str, part: int, value: Any) -> None:
        """Carry out a command; some are refused, and change nothing then."""
        component_id, uuid = f"component-{part}", self._uuids.get(part, new_uuid())
        command: Any
        if kind == "register":
            command = register(part, capabilities=value)
            self._uuids[part] = command.instance_uuid
        elif kind == "update":
            command = UpdateComponent(component_id=component_id, patch={"capabilities": list(value)})
        elif kind == "report":
            command = ReportState(component_id=component_id, instance_uuid=uuid, state=value)
        elif kind == "end":
            command = EndInstance(component_id=component_id, instance_uuid=uuid)
        elif kind == "tell":
            command = PostCommand(component_id=component_id, kind=CommandKind.PROBE, seed=new_uuid())
        else:
            command = RemoveComponent(component_id=component_id)
        with suppress(TektonError):
            await self.live.writer.submit(command)

    async def last_word(self) -> int:
        """Commit something that passes every filter, and give its revision."""
        if self.live.view.get("component-9") is None:
            await self.live.writer.submit(register(9, capabilities=("kept",)))
        patch = {"metadata": {"revision": self.live.view.revision}}
        await self.live.writer.submit(UpdateComponent(component_id="component-9", patch=patch))
        return self.live.view.revision

    async def journal(self, after: int, until: int) -> list[Event]:
        """Read the changes from the database, as a watch shows them."""
        found: list[Event] = []
        while after < until:
            for commit in await self.live.store.after(after):
                after = commit.revision
                if after <= until:
                    told = [change for change in commit.changes if not isinstance(change, CommandChange)]
                    found += [convert.registry_event(one, after, self.live.view.history_id) for one in told]
        return found


@pytest.fixture(scope="module")
def registry(cluster: Cluster) -> Iterator[Registry]:
    """A live registry on a database."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        live = runner.run(stack.enter_async_context(opened(make_url(cluster.new_database()))))
        yield Registry(runner, live)
        runner.run(stack.aclose())


@settings(
    max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip
@given(
    steps=STEPS, selector=SELECTORS, message_bytes=st.sampled_from([1, 300, 900_000]), ring=st.sampled_from([2, 10_000])
)
def test_reliable_resumed_watches_deliver_every_change_once_and_in_order(
    registry: Registry, steps: list[Any], selector: Selector, message_bytes: int, ring: int
) -> None:
    """Random commands, cut anywhere, also inside a revision; where a filter asks for a reset the state is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encodings, "MESSAGE_BYTES", message_bytes)
        patch.setattr(registry.live.hub, "_size", ring)
        registry.runner.run(compared(registry, steps, selector))


async def compared(registry: Registry, steps: list[Any], selector: Selector) -> None:
    """Run the steps beside a watch that is cut and one that is not, and compare the two."""
    whole, cut = Reader(registry.live, selector), Reader(registry.live, selector)
    start = await registry.last_word()
    await whole.until(start)
    await cut.until(start)
    whole.events, cut.events = [], []
    reading = asyncio.create_task(whole.until(start + 10**9))
    try:
        for step in steps:
            if isinstance(step, int):
                with suppress(SlowWatcherError):
                    await cut.read(step, 0.005)
                await cut.cut()
            else:
                await registry.do(*step)
                # The watch that is not cut keeps up with a ring of two.
                for _ in range(10):
                    await asyncio.sleep(0)
        end = await registry.last_word()
        await cut.until(end)
        async with asyncio.timeout(5):
            while not whole.events or whole.events[-1].revision < end:
                assert not reading.done(), reading
                await asyncio.sleep(0.001)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await whole.cut()
        await cut.cut()
    assert whole.resets == 0
    assert cut.state == whole.state
    if selector.all:
        assert cut.resets == 0 and cut.events == await registry.journal(start, end)
    if cut.resets == 0:
        assert cut.events == whole.events
