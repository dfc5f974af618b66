"""What a failure means for those who depend on what failed: degraded for as long as it lasts, and by no other word."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tekton.core.errors import InvalidTransitionError
from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import Cause, Component, Launch, LaunchChange, LaunchDesired, LaunchPhase, View
from tekton_server.domain import dependents
from tekton_server.domain.commands import JudgeBusy, JudgeDependencies
from tekton_server.domain.dependents import dependents_of, is_down, knots, lacking, waits_for
from tekton_server.domain.launch_spec import Restart
from tests.unit.paper import NOON, Paper, a_definition, a_report, an_instance, put, uuid_of

STATES = {"memory": State.READY, "planner": State.READY, "ui": State.READY}


def a_view(needs: dict[str, tuple[str, ...]], **states: State) -> View:
    """Components with what they need, each with one instance in a state; those without a state have none."""
    view = View("0badcafe")
    for number, (name, needed) in enumerate(needs.items(), 1):
        view.apply(put(a_definition(name, dependencies=needed)))
        if name in states:
            leased = states[name] not in (State.FAILED, State.STOPPED)
            view.apply(put(an_instance(number, name, state=states[name], leased=leased)))
    return view


def launched(view: View, component_id: str, **fields: Any) -> Launch:
    """Have a component be one of those that are launched."""
    given = {"component_id": component_id, "epoch": 1, "instance_uuid": uuid_of(1), "server_id": "s", "host": "h"}
    given |= {"phase": LaunchPhase.RUNNING, "since": NOON, "revision": 1} | fields
    launch = msgspec.convert(given, Launch)
    view.apply(LaunchChange(None, launch, Cause("put")))
    return launch


def found(view: View, component_id: str) -> Component:
    """Give a component that is there."""
    component = view.get(component_id)
    assert component is not None
    return component


@pytest.mark.parametrize(
    ("state", "fields", "down"),
    [
        (State.READY, {"restart_count": 2}, False),
        (State.DEGRADED, {"restart_count": 2}, False),
        (State.FAILED, {}, True),
        (State.FAILED, {"phase": LaunchPhase.GAVE_UP}, True),
        (State.FAILED, {"phase": LaunchPhase.ENDED}, True),
        (State.FAILED, {"desired": LaunchDesired.STOPPED}, False),
        (State.STOPPED, {"phase": LaunchPhase.BACKOFF}, True),
        (State.STOPPED, {"phase": LaunchPhase.ENDED}, False),
        (State.STARTING, {"restart_count": 1}, True),
        (State.STARTING, {}, False),
    ],
)
def test_down_is_who_failed_and_does_not_serve_again(state: State, fields: dict[str, Any], down: bool) -> None:
    """An operator's stop, a first start and a good end are no failures; a restart is one until it serves."""
    view = a_view({"memory": ()}, memory=state)
    assert is_down(launched(view, "memory", **fields), view.get("memory")) is down


def test_who_lacks_something_is_who_depends_on_it_directly() -> None:
    """Each needs what it names, however it writes it; what says `leave`, or is not launched, takes nobody along."""
    view = a_view(
        {"my-db": (), "a": ("my_db",), "b": ("a",), "c": ("my-db", "other"), "other": ()},
        a=State.READY, b=State.READY, c=State.READY, other=State.FAILED, **{"my-db": State.FAILED},
    )  # fmt: skip
    launched(view, "my-db")
    policies = {"my-db": Restart()}
    assert lacking(view, found(view, "a"), policies.get) == ("my-db",)
    assert lacking(view, found(view, "b"), policies.get) == ()
    assert lacking(view, found(view, "c"), policies.get) == ("my-db",)
    launched(view, "other")
    policies["other"] = Restart(dependents="leave")
    assert lacking(view, found(view, "c"), policies.get) == ("my-db",)
    policies["other"] = Restart(dependents="restart")
    assert lacking(view, found(view, "c"), policies.get) == ("my-db", "other")
    assert dependents_of(view, ["my_db", "a", "b"]) == {"my_db": ("a", "c"), "a": ("b",), "b": ()}


def test_a_restart_waits_for_what_it_needs_unless_that_waits_for_it() -> None:
    """Missing ones too; degraded is good enough; and of a cycle nobody would ever begin."""
    view = a_view(
        {"db": (), "cache": (), "a": ("db", "cache", "gone"), "x": ("y",), "y": ("z",), "z": ("x", "db")},
        db=State.FAILED, cache=State.DEGRADED, x=State.FAILED, y=State.FAILED, z=State.FAILED,
    )  # fmt: skip
    assert waits_for(view, found(view, "a"), knots(view)) == ("db", "gone")
    assert [waits_for(view, found(view, name), knots(view)) for name in ("x", "y", "z", "db")] == [(), (), ("db",), ()]


def judged(*lacking: str, granted: int = 1) -> JudgeDependencies:
    """Judge instance 1."""
    return JudgeDependencies(instance_uuid=uuid_of(1), granted=granted, lacking=lacking)


def test_a_ready_instance_that_lacks_something_is_degraded_and_comes_back(ready_athena: Paper) -> None:
    """With what it lacks as evidence."""
    ready_athena.do(judged("db", "cache"))
    assert (ready_athena.instance().state, ready_athena.instance().reason) == (State.DEGRADED, "dependency_failed")
    assert ready_athena.last()[0].cause.evidence == {"dependencies": ["db", "cache"]}
    ready_athena.changes_nothing(judged("db"))
    ready_athena.do(judged())
    assert (ready_athena.instance().state, ready_athena.instance().reason) == (State.READY, "dependency_recovered")
    ready_athena.changes_nothing(judged())


def test_what_it_says_itself_is_its_own_to_take_back(ready_athena: Paper) -> None:
    """A beat does not overrule the judgement, a report does; and a degradation of its own stays."""
    ready_athena.do(judged("db"))
    error = ready_athena.refuses(InvalidTransitionError, a_report(State.READY, claim=True))
    assert "depends on has failed" in error.message and error.details["allowed"] == ["stopping", "failed"]
    ready_athena.do(a_report(State.DEGRADED, reason="half_the_models"))
    ready_athena.changes_nothing(judged())
    ready_athena.do(a_report(State.READY))
    assert ready_athena.instance().state is State.READY


def test_one_judgement_does_not_end_another(ready_athena: Paper) -> None:
    """Who is busy and lacks something is degraded for what came first, and that alone brings it back."""
    busy = JudgeBusy(instance_uuid=uuid_of(1), granted=1, busy=True)
    ready_athena.do(busy)
    ready_athena.changes_nothing(judged("db"))
    ready_athena.changes_nothing(judged())
    ready_athena.do(msgspec.structs.replace(busy, busy=False))
    ready_athena.do(judged("db"))
    ready_athena.changes_nothing(msgspec.structs.replace(busy, busy=False))
    assert ready_athena.instance().reason == dependents.WITHOUT


@pytest.mark.parametrize("lacks", [("db",), ()])
def test_another_grant_or_an_ended_instance_is_left_alone(ready_athena: Paper, lacks: tuple[str, ...]) -> None:
    """A judgement that comes late changes nothing."""
    ready_athena.changes_nothing(judged(*lacks, granted=7))
    ready_athena.expire()
    ready_athena.changes_nothing(judged(*lacks))
