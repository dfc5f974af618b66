"""Commands are journal records: they outlive servers, reach streams on other servers, and end once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import URL, make_url

from tekton.core.ids import new_uuid
from tekton.core.records import CommandKind, CommandState
from tekton.core.view import CommandChange, Instance, InstanceCommand
from tekton_server.domain.commands import AcknowledgeCommand, EndInstance, PostCommand, RemoveComponent
from tekton_server.live.lease import Timing
from tekton_server.live.outbox import Ack, GoAway, Outbox, Welcome
from tekton_server.live.pulses import Claim, Pulse
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.sessions import Session
from tests.support.live import assert_whole, opened, register
from tests.support.postgres import Cluster
from tests.support.proxy import Cut, Proxy


@pytest.fixture
def url(cluster: Cluster) -> URL:
    """An empty database."""
    return make_url(cluster.new_database())


def proxied(url: URL, directory: Path) -> Proxy:
    """Put a proxy before a database."""
    return Proxy(directory, Path(str(url.query["host"])))


def through(url: URL, directory: Path) -> URL:
    """Give the address of a database through the proxy."""
    return url.update_query_dict({"host": str(directory)})


async def registered(live: LiveRegistry, number: int = 1) -> Instance:
    """Register an instance."""
    answer = await live.writer.submit(register(number))
    assert isinstance(answer.instance, Instance)
    return answer.instance


async def posted(live: LiveRegistry, instance: Instance, **fields: Any) -> InstanceCommand:
    """Give it a command."""
    given: dict[str, Any] = {"kind": CommandKind.RELOAD, "deadline_seconds": 60.0} | fields
    [command] = await live.writer.submit(
        PostCommand(component_id=instance.component_id, instance_uuid=instance.instance_uuid, seed=new_uuid(), **given)
    )
    assert isinstance(command, InstanceCommand)
    return command


@asynccontextmanager
async def session(live: LiveRegistry, instance: Instance) -> AsyncIterator[Session]:
    """Open a heartbeat session, after its welcome."""
    opened_one = Session(live.pulses, live.commands)
    await opened_one.hello([Claim(instance.component_id, instance.instance_uuid, None)])
    assert isinstance(await opened_one.outbox.next(), Welcome)
    try:
        yield opened_one
    finally:
        opened_one.close()


async def told(stream: Session) -> InstanceCommand:
    """Read until a command comes."""
    async with asyncio.timeout(5):
        while not isinstance(message := await stream.outbox.next(), InstanceCommand):
            assert message is not None
    return message


async def until_ended(live: LiveRegistry, command: InstanceCommand) -> InstanceCommand:
    """Wait until a command has ended."""
    async with asyncio.timeout(10):
        while (found := live.commands.get(command.command_id)) is None or found.pending:
            await asyncio.sleep(0.01)
    return found


async def test_a_server_that_starts_again_still_has_what_was_posted_and_answered(url: URL) -> None:
    """What waits is told on the first stream; what has ended can still be read."""
    async with opened(url) as live:
        instance = await registered(live)
        waits, done = await posted(live, instance, arguments={"why": ["so"]}), await posted(live, instance)
        answer = AcknowledgeCommand(
            component_id=instance.component_id, command_id=done.command_id, instance_uuid=instance.instance_uuid,
            accepted=False, message="no",
        )  # fmt: skip
        done = await live.writer.submit(answer)
        await assert_whole(live, 1)
    async with opened(url, migrated=True) as live:
        assert list(live.view.commands) == [waits, done]
        async with session(live, instance) as stream:
            assert await told(stream) == waits
        await assert_whole(live, 1)


async def test_a_command_posted_to_any_server_reaches_the_stream_and_its_answer_every_server(url: URL) -> None:
    """As soon as the commit is folded there."""
    async with opened(url) as one, opened(url, migrated=True) as other:
        instance = await registered(one)
        async with session(one, instance) as stream:
            command = await posted(other, instance)
            await one.confirm()
            assert await told(stream) == command
            stream.commands.acknowledge(command.command_id, True, "")
            assert (await until_ended(one, command)).state is CommandState.ACCEPTED
        await other.confirm()
        assert other.commands.get(command.command_id) == one.commands.get(command.command_id)


async def test_two_servers_expire_a_command_once(url: URL) -> None:
    """Both know the deadline; the journal has one end."""
    async with opened(url) as one, opened(url, migrated=True) as other:
        command = await posted(one, await registered(one), deadline_seconds=1.0)
        await other.confirm()
        ended = [await until_ended(live, command) for live in (one, other)]
        assert ended[0] == ended[1] and ended[0].state is CommandState.EXPIRED
        changes = [change for commit in await one.store.after(0) for change in commit.changes]
        assert sum(isinstance(change, CommandChange) for change in changes) == 2


async def test_an_answer_that_could_not_be_recorded_is_recorded_with_a_later_beat(url: URL, short_tmp: Path) -> None:
    """On the same stream: an instance that has answered is not to be told that it expired."""
    async with proxied(url, short_tmp) as proxy, opened(through(url, short_tmp)) as live:
        instance = await registered(live)
        async with session(live, instance) as stream:
            command = await posted(live, instance)
            assert await told(stream) == command
            proxy.cut = Cut.EVERYTHING
            proxy.drop()
            stream.commands.acknowledge(command.command_id, True, "")
            async with asyncio.timeout(5):
                while live.writer.down_since is None:
                    await asyncio.sleep(0.01)
            stream.beat(1, Pulse(sequence=1))
            proxy.cut = None
            async with asyncio.timeout(5):
                while live.writer.down_since is not None:
                    await asyncio.sleep(0.01)
            stream.beat(1, Pulse(sequence=2))
            assert (await until_ended(live, command)).state is CommandState.ACCEPTED


async def test_a_deadline_that_passes_while_the_database_is_away_is_recorded_afterwards(
    url: URL, short_tmp: Path
) -> None:
    """And until then nobody is told the command."""
    async with proxied(url, short_tmp) as proxy, opened(through(url, short_tmp)) as live:
        instance = await registered(live)
        command = await posted(live, instance, deadline_seconds=1.0)
        proxy.cut = Cut.EVERYTHING
        proxy.drop()
        async with asyncio.timeout(5):
            while live.commands.waiting(instance.instance_uuid, instance.granted):
                await asyncio.sleep(0.01)
        assert live.view.commands.pending(instance.instance_uuid) == [command]
        proxy.cut = None
        assert (await until_ended(live, command)).state is CommandState.EXPIRED


async def test_ended_commands_are_forgotten_an_hour_after_their_deadline(url: URL) -> None:
    """In the database as in the view."""
    async with opened(url) as live:
        instance = await registered(live)
        answered, waits = await posted(live, instance), await posted(live, instance, deadline_seconds=3600.0)
        async with session(live, instance) as stream:
            stream.commands.acknowledge(answered.command_id, True, "")
            await until_ended(live, answered)
        await live.housekeeping.sweep(datetime.now(UTC) + timedelta(minutes=60))
        assert len(live.view.commands) == 2
        await live.housekeeping.sweep(datetime.now(UTC) + timedelta(minutes=62))
        assert list(live.view.commands) == [waits]
        await assert_whole(live, 1)


async def test_the_commands_of_what_is_removed_are_gone_from_the_database(url: URL) -> None:
    """And an instance that stops takes its stream's commands with it."""
    async with opened(url) as live:
        first, second = await registered(live), await registered(live, 2)
        command = await posted(live, first)
        await posted(live, second)
        async with session(live, first) as stream:
            await live.writer.submit(EndInstance(component_id=first.component_id, instance_uuid=first.instance_uuid))
            stream.outbox.go_away(GoAway(0.0, "done"))
            said = [message async for message in said_by(stream.outbox)]
            assert not any(isinstance(message, InstanceCommand) for message in said)
        assert (await until_ended(live, command)).message == "the instance has ended"
        await live.writer.submit(RemoveComponent(component_id=second.component_id))
        assert [one.instance_uuid for one in live.view.commands] == [first.instance_uuid]
        await assert_whole(live, 1)


async def said_by(outbox: Outbox) -> AsyncIterator[Any]:
    """Read an outbox to its end."""
    while (message := await outbox.next()) is not None:
        yield message


async def test_a_command_whose_deadline_has_passed_is_not_sent(url: URL) -> None:
    """Also where the stream was slow to take it."""
    async with opened(url) as live:
        command = await posted(live, await registered(live))
    outbox = Outbox(lambda one: one.deadline <= datetime.now(UTC))
    outbox.command(msgspec.structs.replace(command, deadline=datetime.now(UTC)))
    ack = Ack(1, Timing())
    outbox.ack(ack)
    assert await outbox.next() == ack


async def test_nothing_is_told_of_an_instance_before_its_welcome(url: URL) -> None:
    """Also where a second hello waits until the answer to the first was taken."""
    async with opened(url) as live:
        first, second = await registered(live), await registered(live, 2)
        stream = Session(live.pulses, live.commands)
        await stream.hello([Claim(first.component_id, first.instance_uuid, None)])
        again = asyncio.create_task(stream.hello([Claim(second.component_id, second.instance_uuid, None)]))
        while live.leases.get(second.instance_uuid).session is not stream:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        command = await posted(live, second)
        said = [await stream.outbox.next() for _ in range(3)]
        assert [type(message) for message in said] == [Welcome, Welcome, InstanceCommand] and said[2] == command
        await again
        stream.close()


async def test_a_command_is_for_one_grant_only(url: URL) -> None:
    """Whoever holds the instance under another grant has nothing waiting."""
    async with opened(url) as live:
        instance = await registered(live)
        command = await posted(live, instance)
        assert live.commands.waiting(instance.instance_uuid, instance.granted) == [command]
        assert live.commands.waiting(instance.instance_uuid, instance.granted + 1) == []
        other = msgspec.structs.replace(instance, granted=instance.granted + 1)
        with live.commands.watch(other) as watcher:
            await posted(live, instance)
            assert await watcher.next(0.05) == []
