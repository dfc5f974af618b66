"""How instances end, time out and come back, and how components are removed."""

from __future__ import annotations

import pytest

from tekton.core.errors import ComponentNotFoundError, ConflictError, InvalidTransitionError, StaleSessionError
from tekton.core.ids import Token
from tekton.core.lifecycle import ComponentState as State
from tekton.core.lifecycle import path_to_end
from tekton.core.view import DefinitionChange, InstanceChange
from tekton_server.domain.commands import EndInstance, ExpireLease, RemoveComponent, ReviveInstance
from tests.unit.paper import HISTORY, Paper, a_registration, a_report, states_of, uuid_of

LIVING = [s for s in State if s not in (State.UNKNOWN, State.STOPPED)]
END = EndInstance(component_id="athena", instance_uuid=uuid_of(1))
REMOVE = RemoveComponent(component_id="athena")
ADDRESS = ("localhost", 8005)


def revive(state: State | None = None, uuid: int = 1, token: Token | None = None) -> ReviveInstance:
    """A beat came from an instance that was failed by its timeout."""
    return ReviveInstance(component_id="athena", instance_uuid=uuid_of(uuid), state=state, fencing_token=token)


@pytest.mark.parametrize("state", LIVING)
def test_a_deregistration_walks_to_stopped(athena: Paper, state: State) -> None:
    """From any state, every hop but the last implied; the definition stays, as stopped."""
    athena.brought_to(state)
    ended = athena.do(END)
    assert ended == athena.instance()
    assert (ended.state, ended.leased, ended.ended_at, ended.reason) == (
        State.STOPPED,
        False,
        athena.now,
        "deregistered",
    )
    hops = list(path_to_end(state))
    assert states_of(athena.last()) == [(hop, hop is not State.STOPPED) for hop in hops]
    assert athena.view.components["athena"].status is State.STOPPED
    assert athena.view.leased_at(ADDRESS) is None


def test_an_end_has_the_reason_that_was_given(athena: Paper) -> None:
    athena.do(EndInstance(component_id="athena", instance_uuid=uuid_of(1), reason="goodbye"))
    assert {c.cause.reason for c in athena.last()} == {"goodbye"}


def test_ending_twice_is_ending_once(athena: Paper) -> None:
    """A client that lost the answer asks again, and learns that it is done."""
    athena.do(END)
    assert athena.changes_nothing(END).state is State.STOPPED


def test_an_instance_that_timed_out_can_still_be_ended(athena: Paper) -> None:
    """It is not shown as failed for an hour when its component says goodbye late."""
    athena.expire()
    athena.do(END)
    assert (athena.instance().state, athena.instance().leased) == (State.STOPPED, False)


def test_the_late_goodbye_of_a_superseded_instance_is_told_so(athena: Paper) -> None:
    """And leaves its successor alone."""
    athena.do(a_registration(uuid=2))
    error = athena.refuses(StaleSessionError, END)
    assert error.details["reason"] == "superseded"
    assert athena.instance(2).leased is True


def test_an_end_may_compare_the_revision_of_the_definition(athena: Paper) -> None:
    """Not that of the instance, which its own states move on."""
    athena.brought_to(State.READY)
    wrong = EndInstance(component_id="athena", instance_uuid=uuid_of(1), expected_revision=2)
    athena.refuses(ConflictError, wrong)
    athena.do(EndInstance(component_id="athena", instance_uuid=uuid_of(1), expected_revision=1))


def test_removing_a_component_removes_all_of_it(athena: Paper) -> None:
    """Instances are walked to their end and forgotten, oldest first, then the definition goes: one revision."""
    athena.do(a_registration(uuid=2, port=8006))
    athena.brought_to(State.READY)
    athena.do(REMOVE)
    assert athena.view.definition("athena") is None
    assert athena.view.instances == {}
    assert athena.view.leased_at(ADDRESS) is None
    gone = [change for change in athena.last() if change.new is None]
    assert [change.key for change in gone] == [uuid_of(1), uuid_of(2), "athena"]
    assert [type(change) for change in gone] == [InstanceChange, InstanceChange, DefinitionChange]
    assert [state for state, implied in states_of(athena.last()) if not implied] == [State.STOPPED, State.STOPPED]
    assert {change.cause.reason for change in athena.last()} == {"removed"}


def test_a_removed_component_is_not_found_and_may_register_again(athena: Paper) -> None:
    athena.do(REMOVE)
    athena.refuses(ComponentNotFoundError, REMOVE)
    athena.refuses(ComponentNotFoundError, END)
    assert athena.do(a_registration(uuid=2, expected_revision=0)).created is True


def test_a_removal_finds_either_spelling_and_may_compare_the_revision() -> None:
    paper = Paper()
    paper.do(a_registration("llm-adapter"))
    paper.refuses(ConflictError, RemoveComponent(component_id="llm_adapter", expected_revision=0))
    paper.do(RemoveComponent(component_id="llm_adapter", expected_revision=1))
    assert paper.view.definition("llm-adapter") is None


@pytest.mark.parametrize("state", LIVING)
def test_a_missed_timeout_fails_an_instance_with_its_evidence(athena: Paper, state: State) -> None:
    """One step from every state; the lease and the address are free."""
    athena.brought_to(state)
    athena.expire(silent_seconds=30.1)
    assert states_of(athena.last()) == [(State.FAILED, False)]
    [change] = athena.last()
    assert (change.cause.reason, change.cause.evidence) == ("lease_expired", {"silent_seconds": 30.1})
    instance = athena.instance()
    assert (instance.state, instance.leased, instance.ended_at) == (State.FAILED, False, None)
    assert athena.view.leased_at(ADDRESS) is None


def test_an_instance_that_had_failed_before_failed_then(athena: Paper) -> None:
    """The timeout takes its lease and does not make its failure younger."""
    athena.brought_to(State.FAILED)
    failed = athena.now
    athena.expire()
    assert (athena.instance().state_since, athena.instance().leased) == (failed, False)


def test_an_expiry_that_was_judged_on_old_facts_changes_nothing(athena: Paper) -> None:
    """Another grant, an instance that timed out, ended or was superseded meanwhile, or one nobody knows."""
    judged = ExpireLease(instance_uuid=uuid_of(1), granted=1)
    athena.changes_nothing(ExpireLease(instance_uuid=uuid_of(1), granted=2))
    athena.changes_nothing(ExpireLease(instance_uuid=uuid_of(9), granted=1))
    athena.do(judged)
    athena.changes_nothing(judged)
    athena.do(a_registration(uuid=2))
    athena.do(a_registration(uuid=3))
    athena.changes_nothing(ExpireLease(instance_uuid=uuid_of(2), granted=3))
    assert athena.instance(2).reason == "superseded"


@pytest.mark.parametrize(
    ("before", "claimed", "after"),
    [
        (State.READY, None, State.READY),
        (State.DEGRADED, None, State.INITIALIZING),
        (State.STARTING, None, State.INITIALIZING),
        (State.READY, State.READY, State.READY),
        (State.READY, State.DEGRADED, State.DEGRADED),
        (State.STARTING, State.STARTING, State.STARTING),
        (State.STARTING, State.READY, State.READY),
        (State.STOPPING, State.STOPPING, State.STOPPING),
        (State.READY, State.FAILED, State.FAILED),
    ],
)
def test_a_beat_brings_a_timed_out_instance_back(
    athena: Paper, before: State, claimed: State | None, after: State
) -> None:
    """To the state it claims; without a claim to ready if it ever was, else to the beginning of start-up."""
    athena.brought_to(before)
    athena.expire()
    answer = athena.do(revive(claimed))
    instance = athena.instance()
    assert answer.instance == instance
    assert (instance.state, instance.leased, instance.reason) == (after, True, "heartbeat_resumed")
    assert (instance.granted, instance.revision) == (1, athena.view.revision)
    assert athena.view.leased_at(ADDRESS) == instance


def test_coming_back_walks_along_legal_edges(athena: Paper) -> None:
    athena.brought_to(State.READY)
    athena.expire()
    athena.do(revive())
    assert states_of(athena.last()) == [(State.INITIALIZING, True), (State.STARTING, True), (State.READY, False)]
    leases = [c.new.leased for c in athena.last() if isinstance(c, InstanceChange) and c.new]
    assert leases == [False, False, True]


@pytest.mark.parametrize("claimed", [State.UNKNOWN, State.REGISTERING, State.STOPPED])
def test_a_beat_with_an_illegal_state_brings_it_back_all_the_same(athena: Paper, claimed: State) -> None:
    """An illegal state inside a beat renews the lease; the acknowledgement carries the recorded state."""
    athena.expire()
    athena.do(revive(claimed))
    assert (athena.instance().state, athena.instance().leased) == (State.INITIALIZING, True)


def test_coming_back_twice_is_coming_back_once(athena: Paper) -> None:
    athena.expire()
    athena.do(revive())
    assert athena.changes_nothing(revive()).instance == athena.instance()
    assert athena.changes_nothing(revive(State.STOPPING)).instance.leased is True


def test_it_can_time_out_and_come_back_again(athena: Paper) -> None:
    """The grant is the same, so is its token."""
    for _ in range(3):
        athena.expire()
        athena.do(revive(token=Token(HISTORY, 1)))
    assert athena.instance().leased is True


def test_nobody_comes_back_to_an_address_that_was_taken_meanwhile(athena: Paper) -> None:
    """Neither a successor's nor another component's; it is told that it was superseded, so that it does not fight."""
    athena.expire()
    athena.do(a_registration("hermes", uuid=2))
    error = athena.refuses(StaleSessionError, revive())
    assert (error.details["status"], error.details["reason"]) == ("failed", "superseded")
    athena.do(EndInstance(component_id="hermes", instance_uuid=uuid_of(2)))
    athena.do(revive())


def test_who_was_replaced_after_its_timeout_does_not_end_what_is_recorded_of_it(athena: Paper) -> None:
    """Its token shows that a session of yesterday speaks; without one it is somebody who tidies up."""
    athena.expire()
    athena.do(a_registration(uuid=2))
    late = EndInstance(component_id="athena", instance_uuid=uuid_of(1), fencing_token=Token(HISTORY, 1))
    error = athena.refuses(StaleSessionError, late)
    assert error.details["reason"] == "superseded"
    assert athena.instance(2).leased is True
    athena.do(EndInstance(component_id="athena", instance_uuid=uuid_of(1)))
    assert (athena.instance(1).state, athena.instance(2).leased) == (State.STOPPED, True)


def test_two_timed_out_instances_of_one_address_cannot_both_come_back(athena: Paper) -> None:
    """Also within one batch."""
    athena.expire()
    athena.do(a_registration(uuid=2))
    athena.expire(2)
    first, second = athena.batch(revive(uuid=1), revive(uuid=2))
    assert first.instance.leased is True
    assert isinstance(second, StaleSessionError)


@pytest.mark.parametrize("reason", ["goodbye", "superseded", "lease_expired"])
@pytest.mark.parametrize("claimed", [None, State.READY, State.STOPPED, State.STOPPING])
def test_nobody_comes_back_from_stopped_whatever_the_reason_says(
    athena: Paper, reason: str, claimed: State | None
) -> None:
    """The reason of an end is a caller's word: writing `lease_expired` there opens no door."""
    athena.do(EndInstance(component_id="athena", instance_uuid=uuid_of(1), reason=reason))
    athena.refuses(StaleSessionError, revive(claimed))


def test_who_failed_with_its_lease_is_not_brought_back_by_a_beat(athena: Paper) -> None:
    """It never lost it: its beats renew, and its own report takes it on."""
    athena.brought_to(State.FAILED)
    assert athena.changes_nothing(revive()).instance.state is State.FAILED
    athena.do(a_report(State.READY))
    athena.refuses(InvalidTransitionError, a_report(State.STOPPED))
