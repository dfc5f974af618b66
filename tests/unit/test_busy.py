"""Busy is not dead: a lag degrades a ready instance, its end brings that one back, and no other word is touched."""

from __future__ import annotations

import pytest

from tekton.core.errors import InvalidTransitionError
from tekton.core.lifecycle import ComponentState as State
from tekton_server.domain.commands import JudgeBusy
from tests.unit.paper import Paper, a_registration, a_report, states_of, uuid_of

EVIDENCE = {"loop_lag_seconds": 3.0, "threshold_seconds": 1.0}


def judged(busy: bool, granted: int = 1) -> JudgeBusy:
    """Judge instance 1."""
    return JudgeBusy(instance_uuid=uuid_of(1), granted=granted, busy=busy, evidence=EVIDENCE)


def test_a_ready_instance_whose_loop_is_blocked_is_degraded_with_its_evidence(ready_athena: Paper) -> None:
    """And keeps its lease: it is busy, not dead."""
    ready_athena.do(judged(True))
    assert states_of(ready_athena.last()) == [(State.DEGRADED, False)]
    assert ready_athena.last()[0].cause.evidence == EVIDENCE
    assert (ready_athena.instance().reason, ready_athena.instance().leased) == ("event_loop_blocked", True)
    ready_athena.changes_nothing(judged(True))


def test_it_is_ready_again_when_the_lag_is_gone(ready_athena: Paper) -> None:
    """By itself."""
    ready_athena.do(judged(True))
    ready_athena.do(judged(False))
    assert (ready_athena.instance().state, ready_athena.instance().reason) == (State.READY, "event_loop_free")
    ready_athena.changes_nothing(judged(False))


@pytest.mark.parametrize("state", [s for s in State if s not in (State.READY, State.UNKNOWN, State.REGISTERING)])
def test_only_a_ready_instance_is_degraded_and_only_one_degraded_so_is_brought_back(state: State) -> None:
    """Starting takes long, and what an instance says of itself is its own to take back."""
    paper = Paper()
    paper.do(a_registration())
    paper.brought_to(state)
    paper.changes_nothing(judged(True))
    paper.changes_nothing(judged(False))


def test_a_beat_does_not_say_ready_over_the_judgement(ready_athena: Paper) -> None:
    """It may say that it stops or failed; and a report, which is no beat, is the component's own word."""
    ready_athena.do(judged(True))
    error = ready_athena.refuses(InvalidTransitionError, a_report(State.READY, claim=True))
    assert error.details == {"from": "degraded", "to": "ready", "allowed": ["stopping", "failed"]}
    ready_athena.do(a_report(State.READY))
    assert ready_athena.instance().state is State.READY
    ready_athena.do(judged(True))
    ready_athena.do(a_report(State.STOPPING, claim=True))
    assert ready_athena.instance().state is State.STOPPING


@pytest.mark.parametrize("claim", [True, False])
def test_who_says_degraded_while_it_is_judged_so_stays_degraded(ready_athena: Paper, claim: bool) -> None:
    """It has its own reason from then on, which does not end with the lag."""
    ready_athena.do(judged(True))
    ready_athena.do(a_report(State.DEGRADED, claim=claim, reason="half_the_models"))
    assert states_of(ready_athena.last()) == [(State.DEGRADED, False)]
    assert ready_athena.instance().reason == "half_the_models"
    ready_athena.changes_nothing(a_report(State.DEGRADED, claim=claim))
    ready_athena.changes_nothing(judged(False))
    ready_athena.do(a_report(State.READY, claim=True))


@pytest.mark.parametrize("busy", [True, False])
def test_another_grant_or_an_ended_instance_is_not_judged(ready_athena: Paper, busy: bool) -> None:
    """A judgement that comes late changes nothing."""
    ready_athena.changes_nothing(judged(busy, granted=7))
    ready_athena.expire()
    ready_athena.changes_nothing(judged(busy))
