"""What each instance of a component may use, and the judgement of one that uses more."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from tekton.core.errors import (
    ComponentNotFoundError,
    ConflictError,
    InvalidTransitionError,
    RegistrationError,
    ValidationError,
)
from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import ConstraintsChange, DefinitionChange
from tekton_server.domain.commands import ForgetInstances, JudgeBusy, JudgeUse, RemoveComponent, SetConstraints
from tests.unit.paper import Paper, a_registration, a_report, states_of, uuid_of

EVIDENCE = {"memory_limit": {"value": 600.0, "limit": 512.0, "unit": "MB"}}


def judged(over: bool, granted: int = 1) -> JudgeUse:
    """Judge instance 1."""
    return JudgeUse(instance_uuid=uuid_of(1), granted=granted, over=over, evidence=EVIDENCE)


@pytest.fixture
def athena() -> Paper:
    """A registry in which athena is ready."""
    paper = Paper()
    paper.do(a_registration())
    paper.brought_to(State.READY)
    return paper


def test_constraints_are_set_as_a_whole(athena: Paper) -> None:
    """What is not said is no limit any more; each change takes a revision, saying the same takes none."""
    first = athena.do(SetConstraints(component_id="athena", cpu_limit=1.5, memory_limit=512))
    assert (first.cpu_limit, first.memory_limit, first.gpu_limit, first.revision) == (
        1.5,
        512,
        None,
        athena.view.revision,
    )
    assert athena.changes_nothing(SetConstraints(component_id="athena", cpu_limit=1.5, memory_limit=512)) == first
    second = athena.do(SetConstraints(component_id="athena", gpu_limit=0))
    assert (second.cpu_limit, second.gpu_limit) == (None, 0) and second.updated_at > first.updated_at
    assert athena.view.constraints == {"athena": second}


def test_no_constraints_where_there_are_none_change_nothing(athena: Paper) -> None:
    """And have no revision."""
    assert athena.changes_nothing(SetConstraints(component_id="athena")).revision == 0


def test_they_are_compared_and_set(athena: Paper) -> None:
    """0 means that there are none."""
    first = athena.do(SetConstraints(component_id="athena", cpu_limit=1, expected_revision=0))
    error = athena.refuses(ConflictError, SetConstraints(component_id="athena", cpu_limit=2, expected_revision=0))
    assert error.details == {"expected_revision": 0, "revision": first.revision}
    athena.do(SetConstraints(component_id="athena", cpu_limit=2, expected_revision=first.revision))


def test_in_one_batch_they_follow_each_other(athena: Paper) -> None:
    """The second sees the first, though nothing is committed yet."""
    one, two = athena.batch(
        SetConstraints(component_id="athena", cpu_limit=1, expected_revision=0),
        SetConstraints(component_id="athena", cpu_limit=2, expected_revision=0),
    )
    assert one.cpu_limit == 1 and isinstance(two, ConflictError)


@pytest.mark.parametrize(
    "given",
    [
        {"cpu_limit": 0}, {"cpu_limit": -1}, {"cpu_limit": 4097}, {"cpu_limit": math.nan}, {"cpu_limit": math.inf},
        {"memory_limit": 0}, {"memory_limit": -0.5}, {"memory_limit": 2**24 + 1},
        {"gpu_limit": -1}, {"gpu_limit": 2**24 + 1}, {"expected_revision": -1},
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_is_named(athena: Paper, given: dict[str, Any]) -> None:
    """With what it may be."""
    error = athena.refuses(ValidationError, SetConstraints(component_id="athena", **given))
    assert error.details["violations"][0]["field"] in given


def test_every_wrong_limit_is_told_at_once(athena: Paper) -> None:
    """Nobody has to ask once per mistake."""
    error = athena.refuses(ValidationError, SetConstraints(component_id="athena", cpu_limit=0, memory_limit=-1))
    assert [one["field"] for one in error.details["violations"]] == ["cpu_limit", "memory_limit"]


def test_only_a_component_that_is_there_has_constraints(athena: Paper) -> None:
    """And no part of Tekton itself."""
    athena.refuses(ComponentNotFoundError, SetConstraints(component_id="nobody", cpu_limit=1))
    athena.refuses(RegistrationError, SetConstraints(component_id="tekton-core", cpu_limit=1))


def test_they_outlast_instances_and_go_with_the_component(athena: Paper) -> None:
    """Whether it is removed, or forgotten."""
    athena.do(SetConstraints(component_id="athena", cpu_limit=1))
    athena.brought_to(State.STOPPED)
    assert "athena" in athena.view.constraints
    later = athena.now + timedelta(days=9)
    athena.do(ForgetInstances(instance_uuids=(uuid_of(1),), before=later, last_before=later))
    assert athena.view.constraints == {} and {type(one) for one in athena.last()} >= {
        ConstraintsChange,
        DefinitionChange,
    }
    athena.do(a_registration(uuid=2))
    athena.do(SetConstraints(component_id="athena", cpu_limit=1))
    athena.do(RemoveComponent(component_id="athena"))
    assert athena.view.constraints == {}


def test_a_ready_instance_that_uses_too_much_is_degraded_with_its_evidence(athena: Paper) -> None:
    """And keeps its lease; it is ready again when it uses less."""
    athena.do(judged(True))
    assert states_of(athena.last()) == [(State.DEGRADED, False)] and athena.last()[0].cause.evidence == EVIDENCE
    assert (athena.instance().reason, athena.instance().leased) == ("resource_limit", True)
    athena.changes_nothing(judged(True))
    athena.do(judged(False))
    assert (athena.instance().state, athena.instance().reason) == (State.READY, "resource_limit_over")
    athena.changes_nothing(judged(False))
    athena.changes_nothing(judged(True, granted=7))


def test_a_beat_does_not_say_ready_over_it(athena: Paper) -> None:
    """A report, which is no beat, is the component's own word."""
    athena.do(judged(True))
    error = athena.refuses(InvalidTransitionError, a_report(State.READY, claim=True))
    assert "uses more than it may" in error.message
    athena.do(a_report(State.READY))
    assert athena.instance().state is State.READY


def test_one_judgement_does_not_end_another(athena: Paper) -> None:
    """Each is taken back by what it came from."""
    athena.do(judged(True))
    busy = JudgeBusy(instance_uuid=uuid_of(1), granted=1, busy=False)
    athena.changes_nothing(busy)
    athena.changes_nothing(JudgeBusy(instance_uuid=uuid_of(1), granted=1, busy=True))
    assert athena.instance().reason == "resource_limit"


@pytest.mark.parametrize("state", [s for s in State if s not in (State.READY, State.UNKNOWN, State.REGISTERING)])
def test_only_a_ready_instance_is_degraded_and_only_one_degraded_so_comes_back(state: State) -> None:
    """What an instance says of itself is its own to take back."""
    paper = Paper()
    paper.do(a_registration())
    paper.brought_to(state)
    paper.changes_nothing(judged(True))
    paper.changes_nothing(judged(False))
