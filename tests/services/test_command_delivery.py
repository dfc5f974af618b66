"""Commands reach their instance over its stream, its watch and its beats, at least once, until it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tekton.core.ids import new_uuid
from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.services import watching
from tests.services.test_heartbeat_service import Granted, beat, connected, heard, hello, unary
from tests.support.client import Stubs, refused, registration

State = pb.CommandState


async def post(api: Stubs, granted: Granted, kind: str = "reload", **fields: Any) -> pb.CommandStatus:
    """Give a command to one instance."""
    given = {"component_id": granted.component_id, "instance_uuid": granted.instance_uuid, "kind": kind} | fields
    reply = await api.lifecycle.PostCommand(lifecycle_pb.PostCommandRequest(**given))
    assert reply.success and len(reply.commands) == 1
    return reply.commands[0]


async def outcome(api: Stubs, command: pb.CommandStatus) -> pb.CommandStatus:
    """Read what became of a command."""
    asked = lifecycle_pb.GetCommandRequest(component_id=command.component_id, command_id=command.command_id)
    return await api.lifecycle.GetCommand(asked)


async def ended(api: Stubs, command: pb.CommandStatus) -> pb.CommandStatus:
    """Wait until a command has ended."""
    async with asyncio.timeout(5):
        while (found := await outcome(api, command)).state == State.pending:
            await asyncio.sleep(0.02)
    return found


def answer(command: Any, accepted: bool = True, message: str = "") -> heartbeat_pb.ConnectRequest:
    """Acknowledge on the stream."""
    ack = heartbeat_pb.CommandAck(command_id=command.command_id, accepted=accepted, message=message)
    return heartbeat_pb.ConnectRequest(command_ack=ack)


def acknowledgement(command: Any, granted: Granted, **fields: Any) -> heartbeat_pb.AcknowledgeCommandRequest:
    """Acknowledge without a stream."""
    given: dict[str, Any] = {"instance_uuid": granted.instance_uuid, "accepted": True} | fields
    return heartbeat_pb.AcknowledgeCommandRequest(
        component_id=granted.component_id, command_id=command.command_id, **given
    )


async def nothing_more(stream: Any, handle: int) -> None:
    """A beat is acknowledged, and no command came before."""
    await stream.write(beat(handle, sequence=99))
    message = await asyncio.wait_for(stream.read(), 5)
    assert message.WhichOneof("message") == "ack", message


async def test_a_posted_command_is_on_the_stream_at_once_and_its_answer_is_the_posters(api: Stubs) -> None:
    """With its kind, its deadline, its arguments, and the grant that it is for."""
    granted = await api.register()
    async with connected(api, granted) as (stream, _):
        posted = await post(api, granted, "stop", arguments={"grace": 2.5}, deadline_seconds=60)
        assert (posted.state, posted.kind, posted.message) == (State.pending, pb.Command.stop, "")
        assert posted.deadline.ToDatetime().timestamp() - posted.issued_at.ToDatetime().timestamp() == 60
        told = await heard(stream, "command")
        assert told == pb.Command(
            command_id=posted.command_id,
            kind=pb.Command.KIND_STOP,
            instance_uuid=granted.instance_uuid,
            fencing_token=granted.fencing_token,
            deadline=posted.deadline,
            arguments={"grace": 2.5},
        )
        await stream.write(answer(told, accepted=False, message="busy"))
        found = await ended(api, posted)
        assert (found.state, found.message) == (State.refused, "busy")
        assert found.revision > posted.revision


async def test_what_was_posted_before_the_stream_comes_right_after_its_welcome(api: Stubs) -> None:
    """In the order in which it was posted."""
    granted = await api.register()
    posted = [await post(api, granted, kind) for kind in ("probe", "reload", "stop")]
    async with connected(api, granted) as (stream, _):
        assert [(await heard(stream, "command")).command_id for _ in posted] == [one.command_id for one in posted]


async def test_a_command_comes_again_on_every_stream_until_it_is_answered(api: Stubs) -> None:
    """At least once: the same id each time, so that the instance knows it."""
    granted = await api.register()
    posted = await post(api, granted)
    for _ in range(2):
        async with connected(api, granted) as (stream, _):
            assert (await heard(stream, "command")).command_id == posted.command_id
    async with connected(api, granted) as (stream, _):
        await stream.write(answer(await heard(stream, "command")))
        assert (await ended(api, posted)).state == State.accepted
    async with connected(api, granted) as (stream, welcome):
        await nothing_more(stream, welcome.grants[0].handle)


async def test_each_lease_of_a_stream_is_told_its_own(api: Stubs) -> None:
    """And a lease that is added later, what waits for it."""
    one, two = await api.register(), await api.register()
    async with connected(api, one) as (stream, _):
        second, first = await post(api, two), await post(api, one)
        assert (await heard(stream, "command")).command_id == first.command_id
        await stream.write(hello(two))
        assert (await heard(stream, "command")).command_id == second.command_id


async def test_an_answer_given_twice_or_to_no_command_of_the_stream_changes_nothing(api: Stubs) -> None:
    """Nor does it end the stream."""
    granted, stranger = await api.register(), await api.register()
    async with connected(api, granted) as (stream, welcome):
        posted, foreign = await post(api, granted), await post(api, stranger)
        told = await heard(stream, "command")
        for message in (
            answer(told),
            answer(told, accepted=False),
            answer(foreign),
            answer(pb.Command(command_id="?")),
        ):
            await stream.write(message)
        first = await ended(api, posted)
        await stream.write(answer(told, accepted=False))
        await nothing_more(stream, welcome.grants[0].handle)
        assert first.state == State.accepted and await outcome(api, posted) == first
        assert (await outcome(api, foreign)).state == State.pending


async def test_a_command_to_the_old_instance_is_not_told_to_the_new_one(api: Stubs) -> None:
    """It is fenced by the grant, and over as soon as the old one has ended."""
    request = registration()
    old = await api.registry.RegisterComponent(request)
    posted = await post(api, old, deadline_seconds=600)
    new = await api.registry.RegisterComponent(request)
    async with connected(api, new) as (stream, welcome):
        await nothing_more(stream, welcome.grants[0].handle)
    found = await ended(api, posted)
    assert (found.state, found.message) == (State.expired, "the instance has ended")
    with refused("stale_session"):
        await post(api, old)


async def test_a_command_that_nobody_answers_expires_at_its_deadline(api: Stubs) -> None:
    """Its poster is told so, and nobody is told the command any more."""
    granted = await api.register()
    posted = await post(api, granted, deadline_seconds=1)
    found = await ended(api, posted)
    assert (found.state, found.message) == (State.expired, "the deadline has passed")
    assert not (await api.heartbeat.SendHeartbeat(unary(granted))).commands
    late = await api.heartbeat.AcknowledgeCommand(acknowledgement(posted, granted))
    assert late.command == found


async def test_every_unary_beat_is_answered_with_the_commands_until_they_are_acknowledged(api: Stubs) -> None:
    """The way of those who have no stream."""
    granted = await api.register()
    posted = await post(api, granted, "probe")
    for _ in range(2):
        reply = await api.heartbeat.SendHeartbeat(unary(granted))
        assert [command.command_id for command in reply.commands] == [posted.command_id]
    reply = await api.heartbeat.AcknowledgeCommand(acknowledgement(posted, granted, message="here"))
    assert (reply.command.state, reply.command.message) == (State.accepted, "here")
    assert not (await api.heartbeat.SendHeartbeat(unary(granted))).commands


async def test_only_the_holder_of_the_grant_acknowledges(api: Stubs) -> None:
    """Another instance has no such command; another token is stale."""
    granted, stranger = await api.register(), await api.register()
    posted = await post(api, granted)
    with refused("component_not_found"):
        await api.heartbeat.AcknowledgeCommand(acknowledgement(posted, granted, instance_uuid=stranger.instance_uuid))
    with refused("stale_session"):
        await api.heartbeat.AcknowledgeCommand(acknowledgement(posted, granted, fencing_token=stranger.fencing_token))
    with refused("validation_error"):
        await api.heartbeat.AcknowledgeCommand(acknowledgement(posted, granted, message="x" * 513))
    unsaid = acknowledgement(posted, granted)
    unsaid.ClearField("accepted")
    with refused("validation_error"):
        await api.heartbeat.AcknowledgeCommand(unsaid)


async def test_a_watch_tells_what_waits_then_each_command_and_ends_with_the_lease(api: Stubs) -> None:
    """And tells all that still wait once more to whoever connects again."""
    granted = await api.register()
    first = await post(api, granted)
    asked = heartbeat_pb.WatchCommandsRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, fencing_token=granted.fencing_token
    )
    watch = api.heartbeat.WatchCommands(asked)
    event = await watch.read()
    assert (event.event, event.component_id, event.command.command_id) == (
        "command",
        granted.component_id,
        first.command_id,
    )
    second = await post(api, granted, "probe")
    assert (await watch.read()).command.command_id == second.command_id
    again = api.heartbeat.WatchCommands(asked)
    assert [(await again.read()).command.command_id for _ in range(2)] == [first.command_id, second.command_id]
    again.cancel()
    leave = registry_pb.DeregisterComponentRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid
    )
    await api.registry.DeregisterComponent(leave)
    with refused("stale_session"):
        await watch.read()
    with refused("stale_session"):
        await api.heartbeat.WatchCommands(asked).read()


async def test_a_watch_is_for_a_leased_instance_and_its_own_grant(api: Stubs) -> None:
    """As a beat is."""
    granted, stranger = await api.register(), await api.register()

    async def watched(**fields: str) -> None:
        given = {"component_id": granted.component_id, "instance_uuid": granted.instance_uuid} | fields
        await api.heartbeat.WatchCommands(heartbeat_pb.WatchCommandsRequest(**given)).read()

    with refused("validation_error"):
        await watched(instance_uuid="")
    with refused("component_not_found"):
        await watched(instance_uuid=new_uuid())
    with refused("component_not_found"):
        await watched(component_id=stranger.component_id)
    with refused("registration_invalid"):
        await watched(component_id="tekton_core", instance_uuid=new_uuid())
    with refused("stale_session"):
        await watched(fencing_token=stranger.fencing_token)


async def test_many_posters_at_once_all_reach_every_instance_once(direct: Stubs) -> None:
    """Thirty posts to two instances on one stream: no command is lost, and on one stream none comes twice."""
    request = registration()
    granted = [await direct.register(request.component_id) for _ in range(2)]
    call = lifecycle_pb.PostCommandRequest(component_id=request.component_id, kind="probe")
    async with connected(direct, *granted) as (stream, welcome):
        replies = await asyncio.gather(*(direct.lifecycle.PostCommand(call) for _ in range(15)))
        posted = {command.command_id for reply in replies for command in reply.commands}
        assert len(posted) == 30
        told = [await heard(stream, "command") for _ in range(30)]
        assert {command.command_id for command in told} == posted
        await nothing_more(stream, welcome.grants[0].handle)


async def test_too_many_waiting_commands_are_refused(direct: Stubs) -> None:
    """Sixteen wait for one instance; the seventeenth can be tried again."""
    granted = await direct.register()
    for _ in range(16):
        await post(direct, granted)
    with refused("rate_limited") as failure:
        await post(direct, granted)
    assert granted.instance_uuid in failure.message


async def test_a_post_with_a_request_id_is_done_once(direct: Stubs) -> None:
    """The same ids come back; another body is a mismatch."""
    granted = await direct.register()
    request_id = new_uuid()
    first = await post(direct, granted, request_id=request_id)
    again = await post(direct, granted, request_id=request_id)
    assert again == first
    with refused("request_mismatch"):
        await post(direct, granted, "stop", request_id=request_id)
    assert len((await direct.heartbeat.SendHeartbeat(unary(granted))).commands) == 1


@pytest.mark.parametrize(
    "fields",
    [{"kind": ""}, {"kind": "explode"}, {"kind": "KIND_STOP"}, {"instance_uuid": "x"}, {"deadline_seconds": -1}],
)
async def test_a_command_of_the_wrong_shape_is_refused(direct: Stubs, fields: dict[str, Any]) -> None:
    """Naming the field."""
    granted = await direct.register()
    with refused("validation_error") as failure:
        await post(direct, granted, **({"kind": "stop"} | fields))
    assert next(iter(fields)) in failure.message


async def test_a_command_that_there_is_not_is_not_found(direct: Stubs) -> None:
    """Under another component, or under no id."""
    granted, stranger = await direct.register(), await direct.register()
    posted = await post(direct, granted)
    with refused("component_not_found"):
        await outcome(direct, pb.CommandStatus(component_id=stranger.component_id, command_id=posted.command_id))
    with refused("component_not_found"):
        await outcome(direct, pb.CommandStatus(component_id=granted.component_id, command_id=new_uuid()))
    with refused("validation_error"):
        await outcome(direct, pb.CommandStatus(component_id=granted.component_id, command_id="first"))


async def test_a_watcher_of_the_registry_hears_nothing_of_commands_and_resumes_over_them(direct: Stubs) -> None:
    """Commands are no watched kind. Their revisions are gone through without a gap, live and from a token."""
    granted = await direct.register()
    watch = direct.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=[granted.component_id]))
    while not (message := await watch.read()).resume_token:
        continue
    token = message.resume_token
    everything = direct.registry.WatchRegistry(registry_pb.WatchRegistryRequest(after_revision=token))
    posted = [(await post(direct, granted)).revision for _ in range(3)]
    state = lifecycle_pb.UpdateComponentStateRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, state="ready"
    )
    changed = await direct.lifecycle.UpdateComponentState(state)
    assert message.revision < posted[0] < posted[1] < posted[2] < changed.revision
    live = await watch.read()
    assert {event.revision for event in live.events} == {changed.revision}
    assert {event.instance.instance_uuid for event in live.events} == {granted.instance_uuid}
    assert int(live.resume_token.partition(".")[2]) >= changed.revision
    for after in (token, f"{live.history_id}.{posted[0]}", f"{live.history_id}.{posted[2]}"):
        asked = registry_pb.WatchRegistryRequest(component_ids=[granted.component_id], after_revision=after)
        resumed = direct.registry.WatchRegistry(asked)
        assert (await resumed.read()).events == live.events
        resumed.cancel()
    # Other instances come and go meanwhile.
    while (message := await everything.read()).revision < changed.revision:
        assert not {event.revision for event in message.events} & set(posted)
    watch.cancel()
    everything.cancel()


async def test_a_revision_of_commands_alone_is_told_by_the_next_bookmark(
    direct: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whoever resumes after it misses nothing, and asks for nothing twice."""
    monkeypatch.setattr(watching, "BOOKMARK_AFTER", 0.1)
    granted = await direct.register()
    watch = direct.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=[granted.component_id]))
    while not (message := await watch.read()).resume_token:
        continue
    posted = await post(direct, granted)
    async with asyncio.timeout(5):
        while (message := await watch.read()).revision < posted.revision:
            assert message.phase == registry_pb.WatchRegistryResponse.PHASE_BOOKMARK
    assert message.phase == registry_pb.WatchRegistryResponse.PHASE_BOOKMARK and not message.events
    assert int(message.resume_token.partition(".")[2]) >= posted.revision
    watch.cancel()
