"""A registry on paper: records to start from, and the write path without its loop and its database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tekton.core.errors import TektonError
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Cause, Change, Commit, Definition, DefinitionChange, Instance, InstanceChange, View
from tekton_server.domain.commands import Command, ExpireLease, RegisterComponent, ReportState
from tekton_server.domain.decide import decide
from tekton_server.domain.overlay import Overlay

HISTORY = "0badcafe"
NOON = datetime(2025, 5, 15, 12, tzinfo=UTC)


def uuid_of(number: int) -> str:
    """Give an instance uuid that is easy to read."""
    return str(UUID(int=number))


def a_definition(component_id: str = "athena", **fields: Any) -> Definition:
    """A definition with nothing special about it."""
    given = {"component_name": "A", "component_type": "core", "created_at": NOON, "revision": 1} | fields
    return Definition(component_id=component_id, **given)


def an_instance(number: int = 1, component_id: str = "athena", **fields: Any) -> Instance:
    """A ready instance with nothing special about it."""
    given = {"state": ComponentState.READY, "state_since": NOON, "registered_at": NOON, "version": "1.0.0"}
    given |= {"granted": number, "revision": number} | fields
    return Instance(instance_uuid=uuid_of(number), component_id=component_id, **given)


def a_registration(component_id: str = "athena", uuid: int = 1, **fields: Any) -> RegisterComponent:
    """A registration that is accepted by an empty registry."""
    given = {"component_name": "A", "component_type": "core", "version": "1.0.0", "port": 8005} | fields
    return RegisterComponent(component_id=component_id, instance_uuid=uuid_of(uuid), **given)


def a_report(state: ComponentState, component_id: str = "athena", uuid: int = 1, **fields: Any) -> ReportState:
    """An instance says which state it is in."""
    return ReportState(component_id=component_id, instance_uuid=uuid_of(uuid), state=state, **fields)


def states_of(changes: tuple[Change, ...]) -> list[tuple[ComponentState, bool]]:
    """Give the states that changes walk through, and whether each is implied."""
    return [(c.new.state, c.cause.implied) for c in changes if isinstance(c, InstanceChange) and c.new is not None]


class Paper:
    """Decides commands, keeps the journal, folds the view. A second passes before each command."""

    def __init__(self) -> None:
        self.view = View(HISTORY)
        self.journal: list[Commit] = []
        self.now = NOON

    def batch(self, *commands: Command) -> list[Any]:
        """Decide commands in one batch, as the writer does; a refusal is answered as the error itself."""
        overlay, first = Overlay(self.view), len(self.journal)
        answers = [self._decide(overlay, command) for command in commands]
        for commit in self.journal[first:]:
            self.view.fold(commit)
        return answers

    def do(self, command: Command) -> Any:
        """Decide one command; a refusal is raised."""
        [answer] = self.batch(command)
        if isinstance(answer, TektonError):
            raise answer
        return answer

    def refuses(self, error: type[TektonError], command: Command) -> TektonError:
        """Expect a refusal of exactly this class, and that nothing changed by it."""
        before = len(self.journal)
        with pytest.raises(error) as refusal:
            self.do(command)
        assert type(refusal.value) is error
        assert len(self.journal) == before
        return refusal.value

    def changes_nothing(self, command: Command) -> Any:
        """Expect an answer for which no revision was taken."""
        before = len(self.journal)
        answer = self.do(command)
        assert len(self.journal) == before
        return answer

    def brought_to(self, state: ComponentState, uuid: int = 1) -> None:
        """Bring an instance into a state by reports."""
        if state in (ComponentState.STOPPING, ComponentState.STOPPED):
            self.do(a_report(ComponentState.STOPPING, uuid=uuid))
        self.do(a_report(state, uuid=uuid))

    def expire(self, uuid: int = 1, **evidence: Any) -> None:
        """Let the lease of an instance time out."""
        granted = self.instance(uuid).granted
        self.do(ExpireLease(instance_uuid=uuid_of(uuid), granted=granted, evidence=evidence))

    def instance(self, uuid: int = 1) -> Instance:
        """The instance as it stands."""
        return self.view.instances[uuid_of(uuid)]

    def last(self) -> tuple[Change, ...]:
        """The changes of the last commit."""
        return self.journal[-1].changes

    def _decide(self, overlay: Overlay, command: Command) -> Any:
        self.now += timedelta(seconds=1)
        try:
            decision = decide(overlay, command, self.now)
        except TektonError as error:
            return error
        if decision.changes:
            self.journal.append(Commit(overlay.revision, self.now, decision.changes))
            overlay.accept(decision.changes)
        return decision.reply


def put(record: Definition | Instance, old: Any = None) -> Change:
    """A change that puts a record."""
    kind = DefinitionChange if isinstance(record, Definition) else InstanceChange
    return kind(old, record, Cause("put"))


def forget(record: Definition | Instance) -> Change:
    """A change that removes a record."""
    kind = DefinitionChange if isinstance(record, Definition) else InstanceChange
    return kind(record, None, Cause("forgotten"))
