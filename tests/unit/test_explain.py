"""Why a component is not ready: the chain of what is unmet, down to its root causes, in words and in order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from tekton.core.lifecycle import ComponentState as State
from tekton.core.records import CommandKind
from tekton.core.view import Cause, Launch, LaunchChange, LaunchPhase, View
from tekton_server.domain import built_in, explain, explain_launch, explain_notes
from tekton_server.domain.commands import AcknowledgeCommand, EndInstance, JudgeBusy, PostCommand
from tekton_server.domain.explain import Explanation
from tekton_server.domain.explain_notes import Liveness
from tests.unit.paper import HISTORY, NOON, Paper, a_definition, a_report, an_instance, put, uuid_of


def fleet(**needs: str) -> View:
    """A view in which each component needs what its text names; its first word is its state, "none" for no instance."""
    view = View(HISTORY)
    for number, (name, text) in enumerate(needs.items(), 1):
        state, *others = text.split()
        view.apply(put(a_definition(name, dependencies=tuple(others))))
        if state != "none":
            reason = "lease_expired" if state == "failed" else "reported"
            view.apply(put(an_instance(number, name, state=State(state), reason=reason, leased=state != "failed")))
    return view


def explained(view: View, component_id: str) -> Explanation:
    """Explain a component."""
    component = view.get(component_id)
    assert component is not None
    return explain.explain(view, component)


def told(found: Explanation) -> list[tuple[str, tuple[str, ...]]]:
    """Give who is told, and whom each waits for."""
    return [(one.component_id, one.waits_for) for one in found.conditions]


def test_the_chain_goes_down_to_what_is_not_registered() -> None:
    """Over what is not ready only: what is, is not in the way."""
    view = fleet(
        llm_gateway="starting fine memory",
        memory="failed postgres_proxy fine",
        fine="ready nobody",
    )
    found = explained(view, "llm-gateway")
    assert told(found) == [("llm_gateway", ("memory",)), ("memory", ("postgres_proxy",)), ("postgres_proxy", ())]
    assert found.root_causes == ("postgres_proxy",) and found.missing and found.complete and not found.well
    assert [one.root_cause for one in found.conditions] == [False, False, True]
    assert found.message == (
        "llm_gateway is starting: it said so itself (reported); the cause: postgres_proxy is not registered"
    )
    assert found.conditions[1].sentence == "is failed: no heartbeat came for its whole timeout (lease_expired)"


def test_nothing_is_wrong_where_it_and_all_that_it_needs_are_ready() -> None:
    """One ready instance of what it needs is enough."""
    view = fleet(top="ready low", low="ready nobody")
    view.apply(put(an_instance(9, "low", state=State.FAILED)))
    assert view.get("low").status is State.DEGRADED  # type: ignore[union-attr]
    found = explained(view, "top")
    assert found.well and found.root_causes == () and told(found) == [("top", ())]
    assert found.message == "top is ready, and so is everything that it needs"
    assert explained(fleet(alone="ready"), "alone").message == "alone is ready"


def test_a_ready_component_that_needs_what_is_not_ready_is_not_well() -> None:
    found = explained(fleet(top="ready low", low="starting"), "top")
    assert not found.well and found.root_causes == ("low",)
    assert found.message == (
        "top is ready, but needs what is not: low; the cause: low is starting: it said so itself (reported)"
    )


def test_several_causes_are_all_told_the_nearest_first() -> None:
    """What two need is told once; a sentence names three."""
    view = fleet(top="starting a b c d", a="starting e", b="failed e", c="none", d="stopped")
    found = explained(view, "top")
    assert [name for name, _ in told(found)] == ["top", "a", "b", "c", "d", "e"]
    assert found.root_causes == ("c", "d", "e")
    assert "; the causes: c has no instance; d is stopped: it said so itself (reported); e is" in found.message
    more = explained(fleet(top="starting a b c d"), "top")
    assert more.message.endswith("; b is not registered; c is not registered and 1 more")


def test_a_cycle_is_named_and_does_not_loop() -> None:
    """Its members wait for each other, and nothing else explains them."""
    view = fleet(top="registering a", a="registering b", b="registering c", c="registering a")
    found = explained(view, "top")
    assert found.cycles == (("a", "b", "c", "a"),)
    assert found.root_causes == ("a", "b", "c")
    assert found.message.endswith("; a needs b needs c needs a")
    itself = explained(fleet(a="registering b", b="registering a"), "a")
    assert itself.root_causes == ("a", "b") and "a needs b needs a" in itself.message


def test_a_cycle_that_waits_for_somebody_else_is_not_the_cause() -> None:
    view = fleet(a="registering b", b="registering a gone")
    found = explained(view, "a")
    assert (found.cycles, found.root_causes) == ((("a", "b", "a"),), ("gone",))


def test_a_cycle_of_which_one_is_ready_is_in_nobodys_way() -> None:
    found = explained(fleet(a="starting b", b="ready a"), "a")
    assert (found.cycles, found.root_causes) == ((), ("a",))


def test_two_spellings_are_one_component() -> None:
    """Also of one that is not registered."""
    view = fleet(top="starting low-one gone-by mid", mid="starting gone_by low_one", low_one="failed")
    found = explained(view, "top")
    assert [name for name, _ in told(found)] == ["top", "low_one", "gone-by", "mid"]
    assert found.root_causes == ("low_one", "gone-by")


def test_a_long_chain_is_cut_and_says_so() -> None:
    """Its end is not told, and so nobody is called the cause."""
    names = [f"c{number}" for number in range(explain.CONDITIONS + 10)]
    view = fleet(**{name: f"starting c{number + 1}" for number, name in enumerate(names)})
    found = explained(view, "c0")
    assert len(found.conditions) == explain.CONDITIONS and not found.complete
    assert found.root_causes == () and found.message.endswith("; the cause is further away than is told here")


def test_parts_of_tekton_are_always_there() -> None:
    view = fleet(top="starting hermes")
    for definition, instance in built_in.records("localhost", 8010, "1.0.0", NOON):
        view.build_in(definition, instance)
    assert explained(view, "top").root_causes == ("top",)
    found = explained(view, "tekton_core")
    assert found.well and found.message == "tekton_core is a part of Tekton itself and ready"
    assert explain_notes.notes(view, found.conditions[0], None, NOON) == []


def launched(view: View, component_id: str, **fields: Any) -> None:
    """Have Tekton launch a component, whose process ended last with exit code 3."""
    given = {"epoch": 4, "instance_uuid": uuid_of(1), "server_id": "s", "host": "h", "since": NOON, "revision": 1}
    given |= {"component_id": component_id, "last_exit": "exit code 3"} | fields
    view.apply(LaunchChange(None, msgspec.convert(given, Launch), Cause("put")))


def test_all_that_rests_on_what_tekton_gave_up_on_says_so() -> None:
    """However much that is ready lies between: those cannot go on for long either."""
    view = fleet(top="ready mid other", mid="ready low", low="failed", other="ready", aside="ready other")
    launched(view, "low", phase=LaunchPhase.GAVE_UP, restarts=(NOON, NOON), restart_count=2)
    cause = (
        "low is failed: its process ended (exit code 3), and Tekton gave up on it after 2 restarts (gave_up); "
        "tekton start low starts it again"
    )
    found = explained(view, "top")
    assert not found.well and found.root_causes == ("low",)
    assert told(found) == [("top", ("mid",)), ("mid", ("low",)), ("low", ())]
    assert found.message == f"top is ready, but not everything that it rests on; the cause: {cause}"
    assert explained(view, "mid").message == f"mid is ready, but needs what is not: low; the cause: {cause}"
    assert explained(view, "low").message == cause
    assert explained(view, "aside").well


def test_one_that_waits_to_be_started_again_says_when() -> None:
    """And how often it was already; why it has to wait, where that is known, is a note."""
    view = fleet(athena="failed")
    later = NOON + timedelta(seconds=8)
    launched(view, "athena", phase=LaunchPhase.BACKOFF, next_attempt_at=later, restart_count=1)
    assert explained(view, "athena").message == (
        "athena is failed: its process ended (exit code 3), "
        "and is started again from 2025-05-15T12:00:08Z on, after 1 restart"
    )
    launch = view.launch("athena")
    assert launch is not None
    assert explain_launch.notes(launch, "self-preservation is on") == ["its restart waits: self-preservation is on"]
    assert explain_launch.notes(launch, "") == []


def test_one_that_serves_again_says_nothing_of_its_restarts_but_in_a_note() -> None:
    """Until it was well for a while."""
    view = fleet(athena="ready")
    launched(view, "athena", phase=LaunchPhase.RUNNING, restart_count=3)
    assert explained(view, "athena").message == "athena is ready"
    launch = view.launch("athena")
    assert launch is not None
    assert explain_launch.notes(launch, "") == ["it was started again 3 times since it was well"]


def notes(view: View, lease: Liveness | None = None, **later: Any) -> list[str]:
    """Give the notes on athena."""
    condition = explained(view, "athena").conditions[0]
    return explain_notes.notes(view, condition, lease, NOON + timedelta(**later))


def test_how_a_lease_is_is_noted() -> None:
    """What never beat, what is suspect, and what is silent; a lease that beats in time is nothing to say."""
    view = fleet(athena="starting")
    assert notes(view, Liveness(NOON, False, 3.0, 30.0)) == []
    assert notes(view, Liveness(None, False, 3.0, 30.0)) == ["it has never beaten"]
    assert notes(view, Liveness(NOON, False, 21.4, 30.0)) == [
        "nothing was heard of it for 21 s, and its timeout is 30 s"
    ]
    assert notes(view, Liveness(None, True, 0.2, 1.2)) == [
        "it has never beaten",
        "its heartbeat stream is closed",
        "nothing was heard of it for 0 s, and its timeout is 1.2 s",
    ]


def test_a_command_that_waits_is_noted_until_it_is_over(ready_athena: Paper) -> None:
    """And who accepted to stop is told to have."""
    posted = ready_athena.do(PostCommand(component_id="athena", kind=CommandKind.STOP, seed=uuid_of(7)))
    since = "a stop command waits for its answer since 2025-05-15T12:00:03Z, until 2025-05-15T12:00:33Z"
    assert notes(ready_athena.view, seconds=5) == [since]
    assert notes(ready_athena.view, seconds=40) == []
    command_id = posted[0].command_id
    ready_athena.do(
        AcknowledgeCommand(component_id="athena", command_id=command_id, instance_uuid=uuid_of(1), accepted=True)
    )
    assert notes(ready_athena.view, seconds=5) == []
    ready_athena.do(a_report(State.STOPPING))
    assert notes(ready_athena.view, seconds=5) == ["it accepted the stop command of 2025-05-15T12:00:03Z"]


def test_the_other_instances_are_noted_where_one_has_a_lease() -> None:
    """At most five, the newest first; those that ended by themselves are history."""
    view = fleet(athena="ready")
    for number in range(2, 9):
        view.apply(put(an_instance(number, state=State.FAILED, reason="lease_expired", leased=False)))
    view.apply(put(an_instance(20, state=State.STOPPED, reason="deregistered", leased=False, ended_at=NOON)))
    said = notes(view)
    assert said[0] == (
        f"instance {uuid_of(8)} is failed since 2025-05-15T12:00:00Z: "
        "no heartbeat came for its whole timeout (lease_expired)"
    )
    assert len(said) == 6 and said[-1] == "2 more instances are not ready"
    assert notes(fleet(athena="failed")) == []


def test_a_blocked_loop_and_an_end_are_told_in_words(ready_athena: Paper) -> None:
    """With the name of the reason; a reason of the component's own is told as it is."""
    ready_athena.do(JudgeBusy(instance_uuid=uuid_of(1), granted=1, busy=True, evidence={}))
    assert explained(ready_athena.view, "athena").message == (
        "athena is degraded: its event loop is blocked (event_loop_blocked)"
    )
    ready_athena.do(a_report(State.FAILED, reason="out of memory"))
    assert explained(ready_athena.view, "athena").message == "athena is failed: out of memory"
    ready_athena.do(EndInstance(component_id="athena", instance_uuid=uuid_of(1)))
    assert explained(ready_athena.view, "athena").message == "athena is stopped: it was deregistered (deregistered)"


def test_a_component_of_which_one_instance_serves_says_so() -> None:
    view = fleet(athena="ready")
    view.apply(put(an_instance(2, state=State.FAILED)))
    found = explained(view, "athena")
    assert found.well and found.message == "athena is degraded: one instance is ready, others are not"


def test_what_is_told_does_not_depend_on_who_registered_when() -> None:
    """The order is that of the dependencies as they were declared."""
    needs = {"top": "starting b a", "a": "failed", "b": "failed a"}
    one, two = fleet(**needs), fleet(**dict(reversed(needs.items())))
    assert told(explained(one, "top")) == told(explained(two, "top")) == [("top", ("b", "a")), ("b", ("a",)), ("a", ())]


def test_a_failure_of_which_nobody_said_why() -> None:
    view = fleet(athena="none")
    view.apply(put(an_instance(state=State.FAILED)))
    assert explained(view, "athena").message == "athena is failed: nobody said why"


def test_a_program_that_runs_and_has_not_registered_is_told_apart_from_one_that_does_not_run() -> None:
    """Also where what is known of the component is how an earlier launch ended."""
    view = fleet(hang="none", crash="failed", own="ready")
    assert explained(view, "hang").message == "hang has no instance"
    for name in ("hang", "crash", "own"):
        launched(view, name, phase=LaunchPhase.RUNNING, instance_uuid=uuid_of(50))
    runs = "its program runs and has not registered yet; tekton logs {} has what it writes"
    assert explained(view, "hang").message == f"hang has no instance: {runs.format('hang')}"
    assert explained(view, "crash").message == (
        "crash is failed: no heartbeat came for its whole timeout (lease_expired); since then " + runs.format("crash")
    )
    # One that registers without the uuid it was given is heard of all the same.
    assert explained(view, "own").message == "own is ready"
