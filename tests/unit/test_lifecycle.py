"""The state machine of an instance: the whole product of nine states, written out from the documents."""

from __future__ import annotations

import itertools

import pytest

from tekton.core.errors import InvalidTransitionError, ValidationError
from tekton.core.ids import is_uuid
from tekton.core.lifecycle import (
    SERVING,
    VALID_TRANSITIONS,
    ComponentRegistration,
    ComponentState,
    parse_state,
    path,
    path_to_end,
    reachable,
)

STATES = ["unknown", "registering", "initializing", "starting", "ready", "degraded", "failed", "stopping", "stopped"]

# Technical documentation, "Component Lifecycle State Machine", as printed.
DOCUMENTED_EDGES = {
    "unknown": ["registering"],
    "registering": ["initializing", "failed"],
    "initializing": ["starting", "failed"],
    "starting": ["ready", "degraded", "failed"],
    "ready": ["degraded", "stopping", "failed"],
    "degraded": ["ready", "stopping", "failed"],
    "failed": ["initializing", "stopping"],
    "stopping": ["stopped", "failed"],
    "stopped": ["initializing"],
}

# What a report may ask for from each state, and the states it is walked through. All else is 1012.
WALKS = {
    "unknown": {
        "registering": "registering",
        "initializing": "registering initializing",
        "starting": "registering initializing starting",
        "ready": "registering initializing starting ready",
        "degraded": "registering initializing starting degraded",
    },
    "registering": {
        "initializing": "initializing",
        "starting": "initializing starting",
        "ready": "initializing starting ready",
        "degraded": "initializing starting degraded",
        "failed": "failed",
        "stopping": "failed stopping",
    },
    "initializing": {
        "starting": "starting",
        "ready": "starting ready",
        "degraded": "starting degraded",
        "failed": "failed",
        "stopping": "failed stopping",
    },
    "starting": {"ready": "ready", "degraded": "degraded", "failed": "failed", "stopping": "failed stopping"},
    "ready": {"degraded": "degraded", "failed": "failed", "stopping": "stopping"},
    "degraded": {"ready": "ready", "failed": "failed", "stopping": "stopping"},
    "failed": {
        "initializing": "initializing",
        "starting": "initializing starting",
        "ready": "initializing starting ready",
        "degraded": "initializing starting degraded",
        "stopping": "stopping",
    },
    "stopping": {"stopped": "stopped", "failed": "failed"},
    "stopped": {},
}

ENDS = {
    "unknown": "registering failed stopping stopped",
    "registering": "failed stopping stopped",
    "initializing": "failed stopping stopped",
    "starting": "failed stopping stopped",
    "ready": "stopping stopped",
    "degraded": "stopping stopped",
    "failed": "stopping stopped",
    "stopping": "stopped",
    "stopped": "",
}

PAIRS = list(itertools.product(STATES, STATES))


def walked(current: str, target: str) -> str:
    return " ".join(path(ComponentState(current), ComponentState(target)))


def test_there_are_the_nine_documented_states_in_lower_case() -> None:
    """The names are the JSON text."""
    assert [state.value for state in ComponentState] == STATES
    assert [str(state) for state in ComponentState] == STATES


def test_the_edges_are_exactly_the_documented_table() -> None:
    """`VALID_TRANSITIONS` is printed in the documents, lists in that order included."""
    assert {s.value: [t.value for t in targets] for s, targets in VALID_TRANSITIONS.items()} == DOCUMENTED_EDGES
    assert all(isinstance(targets, list) for targets in VALID_TRANSITIONS.values())


@pytest.mark.parametrize(("current", "target"), PAIRS)
def test_a_requested_state_is_walked_to_or_refused(current: str, target: str) -> None:
    """Staying is no walk; a state in `WALKS` is reached as written there; everything else is 1012."""
    if current == target:
        assert walked(current, target) == ""
    elif target in WALKS[current]:
        assert walked(current, target) == WALKS[current][target]
    else:
        with pytest.raises(InvalidTransitionError) as refusal:
            walked(current, target)
        assert refusal.value.number == 1012
        assert refusal.value.details["from"] == current
        assert refusal.value.details["to"] == target
        assert refusal.value.details["allowed"] == [state for state in STATES if state in WALKS[current]]


@pytest.mark.parametrize(("current", "target"), [pair for pair in PAIRS if pair[1] in DOCUMENTED_EDGES[pair[0]]])
def test_a_documented_edge_is_one_hop_except_out_of_stopped(current: str, target: str) -> None:
    """The table has stopped -> initializing; an instance never takes it, a new instance is registered instead."""
    if current == "stopped":
        with pytest.raises(InvalidTransitionError):
            walked(current, target)
    else:
        assert walked(current, target) == target


@pytest.mark.parametrize(("current", "target"), [(s, t) for s in STATES for t in WALKS[s]])
def test_every_hop_of_a_walk_is_a_documented_edge(current: str, target: str) -> None:
    """Implied hops are recorded, so each has to be legal by itself."""
    hops = walked(current, target).split()
    for before, after in itertools.pairwise([current, *hops]):
        assert after in DOCUMENTED_EDGES[before]
    assert len(set(hops)) == len(hops)


@pytest.mark.parametrize("state", ["registering", "initializing", "starting"])
def test_a_stop_during_start_up_goes_through_failed(state: str) -> None:
    """The documented table has no edge from the start-up states to stopping."""
    assert walked(state, "stopping") == "failed stopping"


@pytest.mark.parametrize("target", STATES[:-1])
def test_nothing_leaves_stopped(target: str) -> None:
    """And the refusal says so: nothing is allowed."""
    with pytest.raises(InvalidTransitionError) as refusal:
        walked("stopped", target)
    assert refusal.value.details == {"from": "stopped", "to": target, "allowed": []}


@pytest.mark.parametrize("state", STATES)
def test_what_is_reachable_is_what_a_report_may_ask_for(state: str) -> None:
    """`reachable` and `path` never disagree."""
    assert {s.value for s in reachable(ComponentState(state))} == set(WALKS[state])


@pytest.mark.parametrize("state", STATES)
def test_a_goodbye_walks_to_stopped_from_every_state(state: str) -> None:
    """Every hop of it is a documented edge."""
    hops = [s.value for s in path_to_end(ComponentState(state))]
    assert " ".join(hops) == ENDS[state]
    for before, after in itertools.pairwise([state, *hops]):
        assert after in DOCUMENTED_EDGES[before]


def test_ready_and_degraded_components_serve() -> None:
    """Discovery gives these two, ready first."""
    assert SERVING == (ComponentState.READY, ComponentState.DEGRADED)


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_read_by_its_name(state: str) -> None:
    assert parse_state(state) is ComponentState(state)


@pytest.mark.parametrize("text", ["", "READY", "Ready", " ready", "ready\n", "up", "ready\x00", "x" * 10_000])
def test_an_unknown_state_is_answered_with_the_allowed_list(text: str) -> None:
    """400: the violation names the field, all nine names, and no more than the start of a huge value."""
    with pytest.raises(ValidationError) as refusal:
        parse_state(text, "status")
    [violation] = refusal.value.details["violations"]
    assert violation["field"] == "status"
    assert violation["rule"] == "one_of"
    assert violation["allowed"] == STATES
    assert violation["value"] == text[:64]
    assert all(name in refusal.value.message for name in STATES)
    assert len(refusal.value.message) < 200


def test_a_registration_makes_its_own_uuid_once() -> None:
    """Two registrations are two instances; the one object keeps its uuid, so that sending it again is repeatable."""
    one, other = (ComponentRegistration("athena", "Athena", "core", "1.0.0") for _ in range(2))
    assert is_uuid(one.instance_uuid)
    assert one.instance_uuid != other.instance_uuid
    assert one.capabilities is not other.capabilities
