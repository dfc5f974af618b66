"""Commands to instances: who gets one, whose answer counts, and when one is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tekton.core.errors import (
    ComponentNotFoundError,
    RateLimitedError,
    RegistrationError,
    StaleSessionError,
    TektonError,
    ValidationError,
)
from tekton.core.ids import Token, new_uuid
from tekton.core.lifecycle import ComponentState
from tekton.core.records import CommandKind, CommandState
from tekton.core.view import CommandChange, DefinitionChange, InstanceChange, InstanceCommand
from tekton_server.domain import limits
from tekton_server.domain.commands import (
    AcknowledgeCommand,
    Command,
    EndInstance,
    ExpireCommands,
    ForgetCommands,
    ForgetInstances,
    PostCommand,
    RemoveComponent,
    ReviveInstance,
    decode_reply,
    encode_reply,
)
from tests.unit.paper import HISTORY, Paper, a_registration, uuid_of


def a_command(uuid: int | None = 1, component_id: str = "athena", **fields: Any) -> PostCommand:
    """Tell an instance to reload; None: every one."""
    given: dict[str, Any] = {"kind": CommandKind.RELOAD, "seed": new_uuid()} | fields
    instance_uuid = "" if uuid is None else uuid_of(uuid)
    return PostCommand(component_id=component_id, instance_uuid=instance_uuid, **given)


def an_answer(command: InstanceCommand, **fields: Any) -> AcknowledgeCommand:
    """The instance answers."""
    given: dict[str, Any] = {"accepted": True, "instance_uuid": command.instance_uuid} | fields
    given = {"component_id": command.component_id, "command_id": command.command_id} | given
    return AcknowledgeCommand(**given)


def posted(paper: Paper, **fields: Any) -> InstanceCommand:
    """Post one command to the first instance."""
    [command] = paper.do(a_command(**fields))
    assert isinstance(command, InstanceCommand)
    return command


@pytest.fixture
def three(athena: Paper) -> Paper:
    """Three instances of one component, each with an address of its own."""
    for number in (2, 3):
        athena.do(a_registration(uuid=number, port=8005 + number))
    return athena


def test_a_command_waits_for_one_instance_under_its_grant_until_its_deadline(athena: Paper) -> None:
    """And it changes no state: what an instance does is its own report."""
    before = athena.instance()
    command = posted(athena, kind=CommandKind.STOP, arguments={"grace": 5}, deadline_seconds=60)
    assert command == InstanceCommand(
        command_id=command.command_id,
        component_id="athena",
        instance_uuid=uuid_of(1),
        granted=before.granted,
        kind=CommandKind.STOP,
        arguments={"grace": 5},
        issued_at=athena.now,
        deadline=athena.now + timedelta(seconds=60),
        revision=2,
    )
    assert athena.instance() == before
    assert athena.view.commands.pending(uuid_of(1)) == [command]


def test_without_an_instance_every_leased_one_gets_it_in_one_revision(three: Paper) -> None:
    """Each its own, with an id of its own; one that was failed by its timeout gets none."""
    three.expire(uuid=2)
    commands = three.do(a_command(None))
    assert [one.instance_uuid for one in commands] == [uuid_of(1), uuid_of(3)]
    assert len({one.command_id for one in commands}) == 2 and len({one.revision for one in commands}) == 1
    assert len(three.last()) == 2


def test_the_reply_can_be_remembered_for_a_request_that_is_sent_again(three: Paper) -> None:
    """As a poster with a request_id is answered twice."""
    command = a_command(None, arguments={"levels": [1, {"deep": True}]})
    reply = three.do(command)
    assert decode_reply(command, encode_reply(reply)) == reply


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (a_command(component_id="nobody"), ComponentNotFoundError),
        (a_command(None, component_id="nobody"), ComponentNotFoundError),
        (a_command(9), ComponentNotFoundError),
        (a_command(component_id="tekton_core"), RegistrationError),
        (a_command(None, component_id="hermes"), RegistrationError),
        (a_command(deadline_seconds=0.5), ValidationError),
        (a_command(deadline_seconds=3601), ValidationError),
        (a_command(deadline_seconds=float("nan")), ValidationError),
        (a_command(arguments={"x": "y" * 4096}), ValidationError),
    ],
    ids=[
        "no component", "no component to tell all of", "no instance", "a part of tekton", "every part of tekton",
        "too short", "too long", "no number", "large arguments",
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_given_is_refused(athena: Paper, command: Command, error: type[TektonError]) -> None:
    """With the documented error, and nothing changed."""
    athena.refuses(error, command)


def test_an_instance_without_a_lease_is_told_nothing(athena: Paper) -> None:
    """After its timeout, after its end, and after it is forgotten."""
    athena.expire()
    athena.refuses(StaleSessionError, a_command())
    athena.refuses(StaleSessionError, a_command(None))
    athena.do(EndInstance(component_id="athena", instance_uuid=uuid_of(1)))
    athena.refuses(StaleSessionError, a_command())


def test_only_so_many_commands_wait_for_one_instance(three: Paper) -> None:
    """One more is refused for all that it is for; an answer, or a deadline that passes, makes room."""
    waiting = [posted(three, deadline_seconds=600) for _ in range(limits.COMMANDS_WAITING)]
    refusal = three.refuses(RateLimitedError, a_command(None))
    assert refusal.details["instance_uuid"] == uuid_of(1)
    assert len(three.do(a_command(2))) == 1
    three.do(an_answer(waiting[0]))
    posted(three)
    three.refuses(RateLimitedError, a_command())
    three.now += timedelta(seconds=601)
    posted(three)


def test_one_batch_cannot_give_more_than_may_wait(athena: Paper) -> None:
    """Each command is decided on what those before it in the batch have posted."""
    answers = athena.batch(*(a_command() for _ in range(limits.COMMANDS_WAITING + 1)))
    assert [isinstance(answer, RateLimitedError) for answer in answers].index(True) == limits.COMMANDS_WAITING


def test_only_so_many_commands_of_one_instance_are_remembered(athena: Paper) -> None:
    """The oldest that has ended goes as one more is posted; what waits stays."""
    waits = posted(athena, deadline_seconds=3600)
    for _ in range(limits.COMMANDS_KEPT + 5):
        last = posted(athena)
        athena.do(an_answer(last))
    known = athena.view.commands.of(uuid_of(1))
    assert len(known) == limits.COMMANDS_KEPT
    assert known[0] == waits and known[-1].command_id == last.command_id


def test_a_component_with_too_many_instances_is_told_one_by_one(monkeypatch: pytest.MonkeyPatch, three: Paper) -> None:
    """One call reaches a thousand."""
    monkeypatch.setattr(limits, "COMMAND_TARGETS", 2)
    three.refuses(ValidationError, a_command(None))
    three.do(a_command(3))


@pytest.mark.parametrize(("accepted", "state"), [(True, CommandState.ACCEPTED), (False, CommandState.REFUSED)])
def test_the_first_answer_counts_and_every_later_one_is_told_it(
    athena: Paper, accepted: bool, state: CommandState
) -> None:
    """At least once means that an instance may well answer twice."""
    command = posted(athena)
    answered = athena.do(an_answer(command, accepted=accepted, message="so it is"))
    assert (answered.state, answered.message, answered.revision) == (state, "so it is", 3)
    assert athena.changes_nothing(an_answer(command, accepted=False)) == answered
    assert athena.view.commands.pending(uuid_of(1)) == []


def test_an_acceptance_counts_after_a_refusal_until_the_deadline(athena: Paper) -> None:
    """Whoever takes commands may begin to listen after one came; nothing is refused any more once it is accepted."""
    command = posted(athena, deadline_seconds=10)
    athena.do(an_answer(command, accepted=False, message="nobody listens"))
    accepted = athena.do(an_answer(command, accepted=True))
    assert (accepted.state, accepted.message) == (CommandState.ACCEPTED, "")
    assert athena.changes_nothing(an_answer(command, accepted=False)) == accepted
    late = posted(athena, deadline_seconds=10)
    refused = athena.do(an_answer(late, accepted=False))
    athena.now += timedelta(seconds=10)
    assert athena.changes_nothing(an_answer(late, accepted=True)) == refused


def test_only_the_instance_itself_answers_under_the_grant_of_the_command(three: Paper) -> None:
    """Nobody else, and no other token."""
    command = posted(three)
    three.refuses(ComponentNotFoundError, an_answer(command, instance_uuid=uuid_of(2)))
    three.refuses(ComponentNotFoundError, an_answer(command, component_id="apollo"))
    three.refuses(ComponentNotFoundError, an_answer(command, command_id=new_uuid()))
    three.refuses(StaleSessionError, an_answer(command, fencing_token=Token(HISTORY, command.granted + 1)))
    three.refuses(StaleSessionError, an_answer(command, fencing_token=Token("00000000", command.granted)))
    three.refuses(ValidationError, an_answer(command, message="x" * 513))
    assert three.do(an_answer(command, fencing_token=Token(HISTORY, command.granted))).state is CommandState.ACCEPTED


def test_a_command_expires_at_its_deadline_and_not_before(athena: Paper) -> None:
    """By the time of the journal, whoever says so earlier."""
    command = posted(athena, deadline_seconds=10)
    athena.changes_nothing(ExpireCommands(command_ids=(command.command_id, new_uuid())))
    athena.now += timedelta(seconds=10)
    athena.do(ExpireCommands(command_ids=(command.command_id,)))
    [expired] = athena.view.commands.of(uuid_of(1))
    assert (expired.state, expired.message) == (CommandState.EXPIRED, "the deadline has passed")
    athena.changes_nothing(ExpireCommands(command_ids=(command.command_id,)))
    assert athena.changes_nothing(an_answer(command)) == expired


def test_a_command_to_an_instance_that_has_ended_is_over(athena: Paper) -> None:
    """One that was failed by its timeout may come back under the same grant, and is still to be told."""
    command = posted(athena, deadline_seconds=600)
    athena.expire()
    athena.changes_nothing(ExpireCommands(command_ids=(command.command_id,)))
    athena.do(ReviveInstance(component_id="athena", instance_uuid=uuid_of(1)))
    assert athena.instance().granted == command.granted
    athena.do(EndInstance(component_id="athena", instance_uuid=uuid_of(1)))
    assert athena.instance().state is ComponentState.STOPPED
    athena.do(ExpireCommands(command_ids=(command.command_id,)))
    [over] = athena.view.commands.of(uuid_of(1))
    assert (over.state, over.message) == (CommandState.EXPIRED, "the instance has ended")


def test_an_ended_command_is_forgotten_after_a_while_and_one_that_waits_is_not(athena: Paper) -> None:
    """A while after its deadline, whenever it was answered."""
    ended, waits = posted(athena, deadline_seconds=10), posted(athena, deadline_seconds=10)
    athena.do(an_answer(ended))
    both = (ended.command_id, waits.command_id)
    athena.changes_nothing(ForgetCommands(command_ids=both, before=ended.deadline))
    athena.do(ForgetCommands(command_ids=both, before=waits.deadline + timedelta(hours=1)))
    assert list(athena.view.commands) == [waits]


def test_the_commands_of_an_instance_go_with_it(three: Paper) -> None:
    """When it is forgotten, and when its component is removed."""
    three.do(a_command(None))
    three.do(EndInstance(component_id="athena", instance_uuid=uuid_of(1)))
    later = three.now + timedelta(hours=2)
    three.do(ForgetInstances(instance_uuids=(uuid_of(1),), before=later, last_before=later))
    assert [type(change) for change in three.last()] == [CommandChange, InstanceChange]
    three.do(RemoveComponent(component_id="athena"))
    kinds = [type(change) for change in three.last() if change.new is None]
    assert kinds == [CommandChange, InstanceChange, CommandChange, InstanceChange, DefinitionChange]
    assert list(three.view.commands) == []
