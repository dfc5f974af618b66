"""Single cases of commands that a fault or a wrong clock decides, on a paper database and in virtual time."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tekton.core.records import CommandState
from tekton.core.view import Instance, InstanceCommand
from tekton_server.domain.commands import ExpireCommands
from tekton_server.live.pulses import Pulse
from tekton_server.live.sessions import Session
from tests.support.paper_server import PaperServer
from tests.unit.stage import Stage


def stream(stage: Stage, server: PaperServer) -> tuple[Session, Instance]:
    """Open a stream with an instance."""
    instance = stage.register(server)
    return stage.session(server, instance), instance


def state(server: PaperServer, command: InstanceCommand) -> CommandState:
    """Tell what became of a command."""
    found = server.view.commands.get(command.command_id)
    assert found is not None
    return found.state


def beat(stage: Stage, session: Session) -> None:
    """Beat, and let what comes of it happen."""

    async def beaten() -> None:
        session.beat(1, Pulse())
        await asyncio.sleep(0.1)

    stage.run(beaten())


def answer(stage: Stage, session: Session, command: InstanceCommand, *, accepted: bool) -> None:
    """Answer a command on the stream."""

    async def answered() -> None:
        session.commands.acknowledge(command.command_id, accepted, "")

    stage.run(answered())


@pytest.mark.parametrize("answers", [(True,), (False,), (False, True)])
def test_an_answer_that_storage_cannot_take_is_recorded_with_a_later_beat(
    stage: Stage, server: PaperServer, answers: tuple[bool, ...]
) -> None:
    """Whichever it was; of a refusal that is taken back it is the acceptance."""
    session, instance = stream(stage, server)
    command = stage.post(server, instance)
    stage.database.stop()
    stage.wait(1.0)
    for accepted in answers:
        answer(stage, session, command, accepted=accepted)
        stage.wait(0.5)
    beat(stage, session)
    assert state(server, command) is CommandState.PENDING
    stage.database.start()
    stage.wait(2.0)
    beat(stage, session)
    assert state(server, command) is (CommandState.ACCEPTED if answers[-1] else CommandState.REFUSED)


def test_an_acceptance_after_a_refusal_that_storage_cannot_take_is_recorded_with_a_later_beat(
    stage: Stage, server: PaperServer
) -> None:
    """The refusal is recorded, so the command waits no more; what counts in the end is that it is carried out."""
    session, instance = stream(stage, server)
    command = stage.post(server, instance)
    answer(stage, session, command, accepted=False)
    stage.wait(0.5)
    assert state(server, command) is CommandState.REFUSED
    stage.database.stop()
    stage.wait(1.0)
    answer(stage, session, command, accepted=True)
    stage.wait(0.5)
    beat(stage, session)
    stage.database.start()
    stage.wait(2.0)
    beat(stage, session)
    assert state(server, command) is CommandState.ACCEPTED


def test_an_acceptance_that_comes_while_the_refusal_is_recorded_is_recorded_after_it(
    stage: Stage, server: PaperServer
) -> None:
    """It is not taken for a repetition."""
    session, instance = stream(stage, server)
    command = stage.post(server, instance)
    stage.database.held = True
    answer(stage, session, command, accepted=False)
    stage.wait(0.2)
    answer(stage, session, command, accepted=True)
    answer(stage, session, command, accepted=False)
    stage.wait(0.2)
    stage.database.held = False
    stage.wait(0.5)
    assert state(server, command) is CommandState.ACCEPTED


def test_a_command_whose_answer_cannot_be_recorded_is_over_at_its_deadline(stage: Stage, server: PaperServer) -> None:
    """And nothing goes on trying."""
    session, instance = stream(stage, server)
    command = stage.post(server, instance, seconds=5.0)
    stage.database.stop()
    stage.wait(1.0)
    answer(stage, session, command, accepted=True)
    stage.wait(6.0)
    stage.database.start()
    stage.wait(3.0)
    assert state(server, command) is CommandState.EXPIRED
    beat(stage, session)
    assert not session.commands.unrecorded


@pytest.mark.parametrize("ahead", [600.0, -600.0])
def test_the_deadline_of_a_command_is_one_of_the_databases_clock(
    stage: Stage, ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is ahead of it neither ends a command early nor asks over and over; one behind is not late."""
    server = stage.server(ahead)
    other = stage.post(server, stage.register(server), seconds=5.0)
    asked: list[float] = []
    submit = server.writer.submit

    async def submitted(command: object, **given: object) -> object:
        if isinstance(command, ExpireCommands):
            asked.append(stage.loop.time())
        return await submit(command, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(server.writer, "submit", submitted)
    stage.wait(4.5)
    assert state(server, other) is CommandState.PENDING
    stage.wait(1.5)
    assert state(server, other) is CommandState.EXPIRED
    command = stage.post(server, stage.register(server), seconds=100.0)
    stage.wait(99.0)
    assert state(server, command) is CommandState.PENDING
    stage.wait(1.5)
    assert state(server, command) is CommandState.EXPIRED
    assert len(asked) <= 6


def test_an_end_that_cannot_be_recorded_is_tried_again_in_growing_pauses(
    stage: Stage, server: PaperServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, and done soon after the database is back."""
    command = stage.post(server, stage.register(server), seconds=2.0)
    stage.database.stop()
    with caplog.at_level(logging.WARNING):
        stage.wait(60.0)
    told = [record for record in caplog.records if "not recorded yet" in record.message]
    assert len(told) == 1
    stage.database.start()
    stage.wait(4.0)
    assert state(server, command) is CommandState.EXPIRED
