"""State reports: how an instance moves, who may move it, and what the journal says of it."""

from __future__ import annotations

import math

import pytest

from tekton.core.errors import (
    ComponentNotFoundError,
    InvalidTransitionError,
    StaleSessionError,
    TektonError,
    ValidationError,
)
from tekton.core.ids import Token
from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import Cause, InstanceChange
from tekton_server.domain import startup
from tekton_server.domain.commands import Command, EndInstance, ReviveInstance
from tekton_server.domain.startup import EXTENDED
from tests.unit.paper import HISTORY, Paper, a_registration, a_report, states_of, uuid_of


def test_a_report_of_a_later_state_implies_the_earlier_ones(athena: Paper) -> None:
    """Every hop is recorded in one revision; only the last one was asked for."""
    answer = athena.do(a_report(State.READY))
    assert states_of(athena.last()) == [(State.INITIALIZING, True), (State.STARTING, True), (State.READY, False)]
    assert athena.view.revision == 2
    assert (answer.previous, answer.instance) == (State.REGISTERING, athena.instance())
    instance = athena.instance()
    assert (instance.revision, instance.granted, instance.state_since) == (2, 1, athena.now)


def test_every_hop_starts_where_the_one_before_ended(athena: Paper) -> None:
    """A history row has its old and its new state."""
    before = athena.instance()
    athena.do(a_report(State.READY))
    for change in athena.last():
        assert isinstance(change, InstanceChange)
        assert change.old == before
        assert change.new is not None
        before = change.new


def test_a_report_of_the_recorded_state_changes_nothing(athena: Paper) -> None:
    """Quiet: no revision, whatever reason comes with it."""
    athena.do(a_report(State.READY))
    answer = athena.changes_nothing(a_report(State.READY, reason="again", metadata={"x": 1}))
    assert answer.previous is answer.instance.state is State.READY


def test_the_reason_and_its_evidence_are_kept_with_every_hop(athena: Paper) -> None:
    athena.do(a_report(State.READY, reason="warmed_up", metadata={"models": 3}))
    assert {c.cause.reason for c in athena.last()} == {"warmed_up"}
    assert all(c.cause.evidence == {"models": 3} for c in athena.last())
    assert athena.instance().reason == "warmed_up"


@pytest.mark.parametrize("reason", ["reported", ""])
def test_a_report_without_a_reason_says_that_it_was_reported(athena: Paper, reason: str) -> None:
    athena.do(a_report(State.READY, reason=reason))
    assert athena.instance().reason == "reported"


def test_the_start_up_time_is_that_of_the_first_ready(athena: Paper) -> None:
    """Also when it was degraded at first, and through later ups and downs."""
    athena.do(a_report(State.DEGRADED))
    assert athena.instance().ready_at is None
    athena.do(a_report(State.READY))
    first = athena.now
    for state in (State.FAILED, State.READY, State.DEGRADED, State.READY):
        athena.do(a_report(state))
    assert athena.instance().ready_at == first


@pytest.mark.parametrize("state", [State.REGISTERING, State.INITIALIZING, State.STARTING])
@pytest.mark.parametrize("reason", ["reported", ""])
def test_a_stop_during_start_up_says_stop_requested(athena: Paper, state: State, reason: str) -> None:
    """It passes through failed, implied, so that nothing is healed or alarmed."""
    athena.brought_to(state)
    athena.do(a_report(State.STOPPING, reason=reason))
    assert states_of(athena.last()) == [(State.FAILED, True), (State.STOPPING, False)]
    assert {c.cause.reason for c in athena.last()} == {"stop_requested"}
    assert athena.instance().leased is True


def test_a_stop_during_start_up_keeps_the_reason_that_was_given(athena: Paper) -> None:
    athena.do(a_report(State.STOPPING, reason="rolling_update"))
    assert athena.instance().reason == "rolling_update"


def test_a_stop_of_a_failed_instance_is_an_ordinary_step(athena: Paper) -> None:
    athena.brought_to(State.FAILED)
    athena.do(a_report(State.STOPPING))
    assert states_of(athena.last()) == [(State.STOPPING, False)]
    assert athena.instance().reason == "reported"


def test_a_stopped_instance_has_ended(athena: Paper) -> None:
    """It gives its lease and its address back."""
    athena.brought_to(State.STOPPED)
    instance = athena.instance()
    assert (instance.leased, instance.ended_at) == (False, athena.now)
    assert athena.view.leased_at(("localhost", 8005)) is None


@pytest.mark.parametrize(
    ("current", "target", "allowed"),
    [
        (State.READY, State.STOPPED, ["degraded", "failed", "stopping"]),
        (State.READY, State.STARTING, ["degraded", "failed", "stopping"]),
        (State.FAILED, State.REGISTERING, ["initializing", "starting", "ready", "degraded", "stopping"]),
        (State.STOPPING, State.READY, ["failed", "stopped"]),
        (State.STARTING, State.UNKNOWN, ["ready", "degraded", "failed", "stopping"]),
    ],
)
def test_an_illegal_report_is_answered_with_what_is_allowed(
    athena: Paper, current: State, target: State, allowed: list[str]
) -> None:
    """1012 with from, to and allowed."""
    athena.brought_to(current)
    error = athena.refuses(InvalidTransitionError, a_report(target))
    assert error.details == {"from": current.value, "to": target.value, "allowed": allowed}


def test_nothing_comes_back_from_stopped(athena: Paper) -> None:
    """The instance has ended: stale_session, which tells its component to register a new one."""
    athena.brought_to(State.STOPPED)
    for state in State:
        if state is not State.STOPPED:
            athena.refuses(StaleSessionError, a_report(state))
    athena.changes_nothing(a_report(State.STOPPED))


def test_an_instance_whose_lease_timed_out_does_not_report_itself_back(athena: Paper) -> None:
    """Only its beats bring it back."""
    athena.expire()
    athena.refuses(StaleSessionError, a_report(State.READY))
    athena.refuses(StaleSessionError, a_report(State.READY, claim=True))
    athena.changes_nothing(a_report(State.FAILED))


@pytest.mark.parametrize("state", [s for s in State if s not in (State.STOPPING, State.FAILED)])
def test_a_beat_never_takes_an_instance_out_of_stopping(athena: Paper, state: State) -> None:
    """Beats sent before the component heard of its stop still say ready; and its end is said by goodbye, not by a
    beat."""
    athena.brought_to(State.STOPPING)
    error = athena.refuses(InvalidTransitionError, a_report(state, claim=True))
    assert error.details == {"from": "stopping", "to": state.value, "allowed": ["failed"]}


def test_a_beat_may_say_that_stopping_goes_on_or_failed(athena: Paper) -> None:
    athena.brought_to(State.STOPPING)
    athena.changes_nothing(a_report(State.STOPPING, claim=True))
    athena.do(a_report(State.FAILED, claim=True))
    assert athena.instance().state is State.FAILED


def test_a_claim_is_walked_like_a_report(athena: Paper) -> None:
    athena.do(a_report(State.READY, claim=True, reason="heartbeat"))
    assert states_of(athena.last()) == [(State.INITIALIZING, True), (State.STARTING, True), (State.READY, False)]


def commands(token: Token | None, component_id: str = "athena", uuid: int = 1) -> list[Command]:
    """Everything that an instance says of itself."""
    names = {"component_id": component_id, "instance_uuid": uuid_of(uuid), "fencing_token": token}
    return [
        a_report(State.FAILED, component_id, uuid, fencing_token=token),
        EndInstance(**names),
        ReviveInstance(**names),
    ]


@pytest.mark.parametrize("token", [Token(HISTORY, 2), Token(HISTORY, 0), Token("deadbeef", 1)])
def test_a_token_of_another_grant_or_history_is_fenced(athena: Paper, token: Token) -> None:
    """The late word of yesterday's session changes nothing and is told so."""
    for command in commands(token):
        athena.refuses(StaleSessionError, command)


@pytest.mark.parametrize("token", [Token(HISTORY, 1), None])
def test_the_token_of_the_grant_is_good_and_may_be_left_out(athena: Paper, token: Token | None) -> None:
    """It stays good while the instance lives, however often it changes."""
    athena.brought_to(State.READY)
    athena.do(a_report(State.DEGRADED, fencing_token=token))


def test_who_is_not_there_is_not_found(athena: Paper) -> None:
    """A component, an instance, or an instance of another component: 1001, with details for the first two."""
    athena.do(a_registration("hermes", uuid=2, port=8001))
    unknown = [commands(None, "nobody"), commands(None, "athena", 9), commands(None, "athena", 2)]
    for command in [c for of in unknown for c in of]:
        athena.refuses(ComponentNotFoundError, command)
    error = athena.refuses(ComponentNotFoundError, a_report(State.READY, "x" * 5000))
    assert len(error.message) < 200


def test_an_instance_is_found_by_either_spelling_of_its_component() -> None:
    paper = Paper()
    paper.do(a_registration("llm-adapter"))
    paper.do(a_report(State.READY, "llm_adapter"))
    assert paper.instance().state is State.READY


@pytest.mark.parametrize(
    "wrong",
    [{"reason": "x" * 129}, {"reason": "a\nb"}, {"reason": "a\x00"}, {"metadata": {"x": "\x00"}},
     {"metadata": {"x": "x" * 70_000}}],
    ids=["long", "line feed", "NUL", "NUL in metadata", "big metadata"],
)  # fmt: skip
def test_a_malformed_report_is_refused_naming_the_field(athena: Paper, wrong: dict[str, object]) -> None:
    """400, before the registry is asked."""
    for component_id in ("athena", "nobody"):
        error: TektonError = athena.refuses(ValidationError, a_report(State.READY, component_id, **wrong))
        assert [v["field"] for v in error.details["violations"]] == list(wrong)


def test_a_starting_component_asks_for_more_time_with_a_report(athena: Paper) -> None:
    """It is a change of its own, so that whoever waits hears of it, and takes nothing from the state or its time."""
    athena.do(a_report(State.STARTING))
    since = athena.instance().state_since
    athena.do(a_report(State.STARTING, extend_startup=90.0, metadata={"step": "loading"}))
    [change] = athena.last()
    assert isinstance(change, InstanceChange)
    assert change.cause == Cause(EXTENDED, evidence={"step": "loading", "extend_startup_seconds": 90.0})
    assert (athena.instance().state, athena.instance().state_since) == (State.STARTING, since)
    athena.do(a_report(State.STARTING, extend_startup=90.0, reason="index is built"))
    assert athena.instance().reason == "index is built"


def test_more_time_comes_with_a_change_of_state_too(athena: Paper) -> None:
    athena.do(a_report(State.STARTING, extend_startup=5.0))
    assert [startup.asked_for(change) for change in athena.last()] == [5.0, 5.0]
    assert athena.instance().reason == "reported"


@pytest.mark.parametrize("wrong", [-1.0, 3601.0, math.inf, math.nan], ids=str)
def test_more_time_has_bounds(athena: Paper, wrong: float) -> None:
    error = athena.refuses(ValidationError, a_report(State.STARTING, extend_startup=wrong))
    assert error.message == "extend_startup_seconds must be between 0 and 3600"


@pytest.mark.parametrize("state", [State.READY, State.DEGRADED, State.STOPPING, State.FAILED], ids=str)
def test_only_who_starts_asks_for_more_time(athena: Paper, state: State) -> None:
    error = athena.refuses(ValidationError, a_report(state, extend_startup=5.0))
    assert error.message.endswith(f"is for an instance that is registering, initializing or starting, not {state}")
