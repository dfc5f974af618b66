"""Commands of Tekton reach the application once, on its own loop, and every one of them is answered."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from tekton.client import Command, TektonClient, ValidationError
from tekton.utils.tekton_client import listen_for_shutdown
from tekton.v1 import heartbeat_service_pb2 as pb
from tests.sdk.fake import HISTORY, FakeTekton, dropped, fake_tekton, order, registered


def at(seconds: float) -> Timestamp:
    """A deadline so many seconds from now."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return stamp


async def commanded(client: TektonClient) -> tuple[str, list[tuple[Command, int]]]:
    """Keep a component that takes commands; gives its instance and what it is told, with the thread."""
    told: list[tuple[Command, int]] = []
    name, uuid = await registered(client)
    client.start_heartbeat(name, on_command=lambda command: told.append((command, threading.get_ident())))
    return uuid, told


@pytest.mark.parametrize("kind", ["stop", "restart", "reload"])
async def test_a_command_reaches_on_command_once_however_often_it_is_delivered(
    faked: TektonClient, fake: FakeTekton, kind: str
) -> None:
    """On the application's loop, with its arguments; each delivery is acknowledged."""
    uuid, told = await commanded(faked)
    await fake.until(lambda: fake.all("hello"))
    arguments = Struct()
    arguments.update({"grace": 5})
    deadline = at(30)
    for _ in range(2):
        fake.command(kind, uuid, fencing_token=f"{HISTORY}.1", deadline=deadline, arguments=arguments)
    await fake.answers(("c1", True), ("c1", True))
    await asyncio.sleep(0)
    [(command, thread)] = told
    assert (command.kind, command.command_id, command.instance_uuid) == (kind, "c1", uuid)
    assert (command.arguments, command.deadline) == ({"grace": 5}, deadline.ToDatetime(tzinfo=UTC))
    assert thread == threading.get_ident()


@pytest.mark.parametrize("kind", ["stop", "restart"])
@pytest.mark.parametrize("event", [asyncio.Event, threading.Event])
async def test_listening_for_a_shutdown_sets_the_event(
    faked: TektonClient, fake: FakeTekton, kind: str, event: type[asyncio.Event | threading.Event]
) -> None:
    """As the guide prints it: a task that nobody awaits, and a loop that looks at the event."""
    name, uuid = await registered(faked)
    shutdown_event = event()
    listening = asyncio.create_task(
        listen_for_shutdown(component_id=name, instance_uuid=uuid, shutdown_event=shutdown_event)
    )
    await fake.until(lambda: fake.all("hello"))
    fake.command(kind, uuid)
    await fake.until(shutdown_event.is_set)
    assert await listening is True
    await fake.answers(("c1", True))


async def test_a_stop_that_came_before_anybody_listened_is_not_lost(faked: TektonClient, fake: FakeTekton) -> None:
    """Refused when it comes, and accepted when somebody listens before its deadline."""
    name, uuid = await registered(faked)
    faked.start_heartbeat(name)
    await fake.until(lambda: fake.all("hello"))
    fake.command("stop", uuid, deadline=at(30))
    await fake.answers(("c1", False))
    event = asyncio.Event()
    async with asyncio.timeout(5):
        assert await listen_for_shutdown(name, uuid, event) is True
    assert event.is_set()
    await fake.answers(("c1", False), ("c1", True))


async def test_a_stop_whose_deadline_has_passed_stops_nobody(faked: TektonClient, fake: FakeTekton) -> None:
    """It waits for a listener as long as it means something."""
    name, uuid = await registered(faked)
    faked.start_heartbeat(name)
    await fake.until(lambda: fake.all("hello"))
    fake.command("stop", uuid, deadline=at(0.05))
    await fake.answers(("c1", False))
    await asyncio.sleep(0.1)
    event = asyncio.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await listen_for_shutdown(name, uuid, event)
    assert not event.is_set()
    # Cancelled, it listens no more.
    fake.command("stop", uuid, "c2")
    await fake.answers(("c1", False), ("c2", False))


async def test_a_command_for_another_grant_or_instance_is_refused(faked: TektonClient, fake: FakeTekton) -> None:
    """And the application hears nothing of it."""
    uuid, told = await commanded(faked)
    await fake.until(lambda: fake.all("hello"))
    fake.command("stop", uuid, fencing_token=f"{HISTORY}.99")
    fake.command("stop", "f7b9f6a0-0000-4000-8000-000000000000", "c2")
    fake.command("unspecified", uuid, "c3")
    await fake.answers(("c1", False), ("c2", False), ("c3", False))
    assert told == []


async def test_a_reload_for_which_nobody_listens_is_refused(faked: TektonClient, fake: FakeTekton) -> None:
    """Who listens for a shutdown does not take it for one."""
    name, uuid = await registered(faked)
    event = asyncio.Event()
    listening = asyncio.create_task(faked.listen_for_shutdown(name, uuid, event))
    await fake.until(lambda: fake.all("hello"))
    fake.command("reload", uuid)
    await fake.answers(("c1", False))
    assert not event.is_set()
    listening.cancel()


async def test_a_probe_is_answered_with_a_beat_at_once() -> None:
    """Long before the next beat is due; the application has no part in it."""
    with fake_tekton(interval=30.0, timeout=90.0) as fake:
        client = TektonClient("127.0.0.1", fake.port)
        uuid, told = await commanded(client)
        await fake.until(lambda: fake.all("hello"))
        fake.command("probe", uuid)
        await fake.answers(("c1", True))
        await fake.until(lambda: fake.all("beat"), within=1.0)
        assert told == []
        await dropped(client)


async def test_a_command_in_the_answer_to_a_unary_beat_is_delivered_too(faked: TektonClient, fake: FakeTekton) -> None:
    """Once, also when the stream delivers it again."""
    name, uuid = await registered(faked)
    told: list[Command] = []
    faked.start_heartbeat(name, on_command=told.append)
    await fake.until(lambda: fake.all("hello"))
    fake.waiting = [order("stop", uuid)]
    answer = await faked.send_heartbeat(name, uuid)
    assert [one["command_id"] for one in answer["commands"]] == ["c1"]
    await fake.answers(("c1", True))
    fake.command("stop", uuid)
    await fake.answers(("c1", True), ("c1", True))
    assert len(told) == 1


async def test_listening_ends_with_the_lease(faked: TektonClient, fake: FakeTekton) -> None:
    """False: nobody asked for a shutdown."""
    name, uuid = await registered(faked)
    event = asyncio.Event()
    listening = asyncio.create_task(listen_for_shutdown(name, uuid, event))
    await fake.until(lambda: fake.all("hello"))
    fake.say(lease_lost=pb.LeaseLost(instance_uuid=uuid, reason=pb.LeaseLost.REASON_SUPERSEDED))
    assert await asyncio.wait_for(listening, 5) is False
    assert not event.is_set()


async def test_a_busy_application_still_takes_its_commands(faked: TektonClient, fake: FakeTekton) -> None:
    """The acknowledgement comes from the heart's thread, and the command has its turn when the loop does."""
    uuid, told = await commanded(faked)
    await fake.until(lambda: fake.all("hello"))
    fake.command("stop", uuid)
    end = time.monotonic() + 3
    while not fake.all("command_ack"):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert (fake.all("command_ack")[0].accepted, told) == (True, [])
    await asyncio.sleep(0)
    assert len(told) == 1


async def test_what_cannot_listen_is_refused_at_once(faked: TektonClient) -> None:
    """A coroutine function would never run, and no event could never be set."""
    name, uuid = await registered(faked)

    async def on_command(command: Command) -> None:
        raise AssertionError(command)

    with pytest.raises(ValidationError, match="not async"):
        faked.start_heartbeat(name, on_command=on_command)
    with pytest.raises(ValidationError, match=r"asyncio\.Event"):
        await faked.listen_for_shutdown(name, uuid, "event")  # type: ignore[arg-type]
    assert await listen_for_shutdown(name, "no uuid", asyncio.Event()) is False
