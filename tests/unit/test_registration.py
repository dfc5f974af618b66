"""Registering: who gets an id and an address, who is superseded, and what a repeated call gets."""

from __future__ import annotations

from typing import Any

import pytest

from tekton.core.errors import (
    AlreadyExistsError,
    ConflictError,
    RegistrationError,
    RequestMismatchError,
    StaleSessionError,
    ValidationError,
)
from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import DefinitionChange, InstanceChange
from tekton_server.domain import limits
from tekton_server.domain.commands import EndInstance, RemoveComponent
from tests.unit.paper import Paper, a_registration, a_report, states_of, uuid_of


@pytest.fixture
def paper() -> Paper:
    """An empty registry."""
    return Paper()


@pytest.fixture
def athena(paper: Paper) -> Paper:
    """A registry in which athena has registered with instance 1 on localhost:8005."""
    paper.do(a_registration())
    return paper


def test_a_registration_makes_a_definition_and_an_instance_with_a_lease(paper: Paper) -> None:
    """Both in one revision, which is the grant."""
    answer = paper.do(
        a_registration(capabilities=("planning",), dependencies=("hermes",), health_check="/health", metadata={"a": 1})
    )
    definition, instance = paper.view.definition("athena"), paper.instance()
    assert answer.created is True
    assert answer.instance == instance
    assert definition is not None
    assert (definition.capabilities, definition.dependencies, definition.metadata) == (
        ("planning",),
        ("hermes",),
        {"a": 1},
    )
    assert (definition.revision, instance.granted, instance.revision) == (1, 1, 1)
    assert (instance.state, instance.leased, instance.reason) == (State.REGISTERING, True, "registered")
    assert definition.created_at == instance.registered_at == instance.state_since == paper.now
    assert [type(change) for change in paper.last()] == [DefinitionChange, InstanceChange]


def test_the_same_registration_with_the_same_uuid_changes_nothing(athena: Paper) -> None:
    """A client that lost the answer asks again: 200, the same grant, no revision."""
    answer = athena.changes_nothing(a_registration())
    assert answer.created is False
    assert answer.instance == athena.instance()


@pytest.mark.parametrize("state", [State.READY, State.DEGRADED, State.FAILED, State.STOPPING])
def test_a_repeated_registration_does_not_care_how_far_the_instance_is(athena: Paper, state: State) -> None:
    """As long as it holds its lease."""
    athena.brought_to(state)
    assert athena.changes_nothing(a_registration()).instance.state is state


@pytest.mark.parametrize(
    "how",
    [
        {"replace": True},
        {"expected_revision": 0},
        {"expected_revision": 99},
        {"host": "localhost"},
        {"host": "LOCALHOST"},
        {"capabilities": ("b", "a", "b")},
        {"metadata": {"y": 2, "x": 1}},
    ],
    ids=str,
)
def test_how_it_is_sent_is_no_part_of_what_it_says(paper: Paper, how: dict[str, Any]) -> None:
    """The compare-and-set was for the first call; order of keys, repeats and the case of a host say nothing."""
    said = {"capabilities": ("b", "a"), "metadata": {"x": 1, "y": 2}}
    paper.do(a_registration(**said))
    assert paper.changes_nothing(a_registration(**(said | how))).created is False


@pytest.mark.parametrize(
    "body",
    [
        {"component_name": "B"},
        {"component_type": "ui"},
        {"version": "1.0.1"},
        {"capabilities": ("x",)},
        {"dependencies": ("x",)},
        {"host": "10.0.0.7"},
        {"port": 8006},
        {"health_check": "/h"},
        {"metadata": {"x": 1}},
    ],
    ids=str,
)
def test_the_same_uuid_with_another_body_is_a_request_mismatch(athena: Paper, body: dict[str, Any]) -> None:
    error = athena.refuses(RequestMismatchError, a_registration(**body))
    assert error.details["instance_uuid"] == uuid_of(1)


def test_a_uuid_belongs_to_one_component(athena: Paper) -> None:
    """Even after the instance has ended."""
    error = athena.refuses(RequestMismatchError, a_registration("hermes", port=8001))
    assert error.details["component_id"] == "athena"
    athena.brought_to(State.STOPPED)
    athena.refuses(RequestMismatchError, a_registration("hermes", port=8001))


def test_a_uuid_that_has_ended_is_a_stale_session(athena: Paper) -> None:
    """The SDK then takes a new one, which registers."""
    athena.brought_to(State.STOPPED)
    error = athena.refuses(StaleSessionError, a_registration())
    assert error.details["status"] == "stopped"
    assert athena.do(a_registration(uuid=2)).created is True


def test_a_uuid_whose_lease_timed_out_is_a_stale_session(athena: Paper) -> None:
    athena.expire()
    error = athena.refuses(StaleSessionError, a_registration())
    assert (error.details["status"], error.details["reason"]) == ("failed", "lease_expired")


def test_a_quick_restart_on_the_same_address_supersedes_its_predecessor(athena: Paper) -> None:
    """A crashed component comes back at once, not after its predecessor's timeout."""
    athena.brought_to(State.READY)
    athena.do(a_registration(uuid=2))
    before, after = athena.instance(1), athena.instance(2)
    assert (before.state, before.leased, before.reason, before.ended_at) == (
        State.STOPPED,
        False,
        "superseded",
        athena.now,
    )
    assert (after.state, after.leased) == (State.REGISTERING, True)
    assert states_of(athena.last()) == [(State.STOPPING, True), (State.STOPPED, False), (State.REGISTERING, False)]
    assert athena.view.leased_at(("localhost", 8005)) == after


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "LocalHost", ""])
def test_the_loopback_has_many_names_and_is_one_address(athena: Paper, host: str) -> None:
    """The default host is one of them."""
    athena.do(a_registration(uuid=2, host=host))
    assert athena.instance(1).reason == "superseded"


def test_a_host_is_kept_in_one_spelling(paper: Paper) -> None:
    """Names in lower case, addresses as they are written by the book."""
    paper.do(a_registration(host="Box.Example"))
    paper.do(a_registration(uuid=2, host="2001:DB8::0:1"))
    paper.do(a_registration(uuid=3, host="[2001:db8::1]"))
    assert [paper.instance(n).host for n in (1, 2, 3)] == ["box.example", "2001:db8::1", "2001:db8::1"]
    assert [paper.instance(n).leased for n in (1, 2, 3)] == [True, False, True]


def test_instances_on_different_addresses_live_side_by_side(athena: Paper) -> None:
    athena.do(a_registration(uuid=2, port=8006))
    athena.do(a_registration(uuid=3, host="10.0.0.7"))
    assert [i.leased for i in athena.view.instances_of("athena")] == [True, True, True]


def test_instances_without_a_listener_supersede_nobody(paper: Paper) -> None:
    for number in (1, 2):
        paper.do(a_registration(uuid=number, port=0, metadata={"no_listener": True}))
    assert [i.leased for i in paper.view.instances_of("athena")] == [True, True]


def test_the_address_of_a_live_instance_of_another_component_is_refused(athena: Paper) -> None:
    """1011, naming who holds it."""
    error = athena.refuses(AlreadyExistsError, a_registration("hermes", uuid=2))
    assert error.number == 1011
    assert error.details == {"component_id": "athena", "instance_uuid": uuid_of(1)}


def test_replace_takes_the_address_over(athena: Paper) -> None:
    athena.do(a_registration("hermes", uuid=2, replace=True))
    assert (athena.instance(1).state, athena.instance(1).reason) == (State.STOPPED, "replaced")
    assert athena.view.leased_at(("localhost", 8005)) == athena.instance(2)
    assert athena.view.definition("athena") is not None


@pytest.mark.parametrize("gone", ["ended", "timed out"])
def test_an_address_is_free_once_its_holder_has_no_lease(athena: Paper, gone: str) -> None:
    if gone == "ended":
        athena.brought_to(State.STOPPED)
    else:
        athena.expire()
    assert athena.do(a_registration("hermes", uuid=2)).created is True


@pytest.mark.parametrize("how", [{}, {"replace": True}, {"port": 8006}], ids=str)
def test_an_id_that_lives_with_another_type_is_refused(athena: Paper, how: dict[str, Any]) -> None:
    """1011; `replace` is about addresses and does not help."""
    error = athena.refuses(AlreadyExistsError, a_registration(uuid=2, component_type="ui", **how))
    assert error.details == {"component_id": "athena", "component_type": "core"}


def test_an_id_without_a_live_instance_may_take_another_type(athena: Paper) -> None:
    athena.brought_to(State.STOPPED)
    athena.do(a_registration(uuid=2, component_type="ui"))
    definition = athena.view.definition("athena")
    assert definition is not None and definition.component_type == "ui"


def test_the_two_spellings_of_an_id_are_one_component(paper: Paper) -> None:
    """It keeps the spelling it was first registered with."""
    paper.do(a_registration("llm-adapter"))
    paper.do(a_registration("llm_adapter", uuid=2))
    assert [c.definition.component_id for c in paper.view.components.values()] == ["llm-adapter"]
    assert [i.component_id for i in paper.view.instances_of("llm_adapter")] == ["llm-adapter", "llm-adapter"]
    assert paper.instance(1).reason == "superseded"


def test_the_definition_is_the_last_writers(athena: Paper) -> None:
    """Name, capabilities and the rest belong to the component; version, host and port to the instance."""
    athena.do(a_registration(uuid=2, port=8006, component_name="B", capabilities=("x",), version="2.0.0"))
    definition = athena.view.definition("athena")
    assert definition is not None
    assert (definition.component_name, definition.capabilities, definition.revision) == ("B", ("x",), 2)
    assert definition.created_at < athena.now
    assert [athena.instance(n).version for n in (1, 2)] == ["1.0.0", "2.0.0"]


def test_an_unchanged_definition_keeps_its_revision(athena: Paper) -> None:
    """Per-resource revisions: a new instance is no change of the definition, and makes no event of it."""
    athena.do(a_registration(uuid=2, port=8006, version="2.0.0"))
    definition = athena.view.definition("athena")
    assert definition is not None and definition.revision == 1
    assert [type(change) for change in athena.last()] == [InstanceChange]


@pytest.mark.parametrize("expected", [1, 7])
def test_expecting_a_revision_of_what_is_not_there_is_a_conflict(paper: Paper, expected: int) -> None:
    error = paper.refuses(ConflictError, a_registration(expected_revision=expected))
    assert error.details == {"expected_revision": expected, "revision": 0}


def test_expecting_nothing_or_the_present_revision_is_compare_and_set(paper: Paper) -> None:
    """0 means that there must be none; the revision is that of the definition."""
    paper.do(a_registration(expected_revision=0))
    error = paper.refuses(ConflictError, a_registration(uuid=2, expected_revision=0))
    assert error.details == {"expected_revision": 0, "revision": 1}
    paper.do(a_report(State.READY))
    paper.do(a_registration(uuid=2, component_name="B", expected_revision=1))
    paper.refuses(ConflictError, a_registration(uuid=3, expected_revision=1))
    paper.do(a_registration(uuid=3, expected_revision=3))


def test_two_registrations_of_one_address_in_one_batch(paper: Paper) -> None:
    """The later one supersedes the earlier, as it would have a moment later."""
    first, second = paper.batch(a_registration(), a_registration(uuid=2))
    assert first.created and second.created
    assert [commit.revision for commit in paper.journal] == [1, 2]
    assert (paper.instance(1).reason, paper.instance(2).leased) == ("superseded", True)


def test_two_registrations_of_one_uuid_in_one_batch(paper: Paper) -> None:
    """201, then 200; one revision."""
    first, second = paper.batch(a_registration(), a_registration())
    assert (first.created, second.created) == (True, False)
    assert first.instance == second.instance
    assert paper.view.revision == 1


def test_two_components_want_one_address_in_one_batch(paper: Paper) -> None:
    """The second cannot pass unseen; what follows in the batch is not held up by its refusal."""
    first, second, third = paper.batch(
        a_registration(), a_registration("hermes", uuid=2), a_registration("hermes", uuid=3, port=8001)
    )
    assert first.created is True
    assert isinstance(second, AlreadyExistsError)
    assert third.created is True
    assert [commit.revision for commit in paper.journal] == [1, 2]


def test_a_batch_sees_ends_and_removals_before_it(athena: Paper) -> None:
    """The address of an instance that ended earlier in the batch is free, a removed component is new."""
    end = EndInstance(component_id="athena", instance_uuid=uuid_of(1))
    answers = athena.batch(
        end, a_registration("hermes", uuid=2), RemoveComponent(component_id="hermes"), a_registration(uuid=3)
    )
    assert [type(answer).__name__ for answer in answers] == ["Instance", "Registered", "NoneType", "Registered"]
    assert athena.view.definition("hermes") is None
    assert [i.leased for i in athena.view.instances_of("athena")] == [False, True]


def test_a_malformed_registration_is_refused_before_the_registry_is_asked(athena: Paper) -> None:
    """400 comes before 422, and both before what the registry holds."""
    athena.refuses(ValidationError, a_registration(port=-1, version="new", expected_revision=9))
    athena.refuses(RegistrationError, a_registration(version="new", expected_revision=9))


@pytest.mark.parametrize(
    ("host", "kept"),
    [
        ("Example.COM.", "example.com"),
        ("a_b-c.internal", "a_b-c.internal"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("bücher.example", "bücher.example"),
        ("x1", "x1"),
    ],
)
def test_a_host_has_one_spelling(paper: Paper, host: str, kept: str) -> None:
    """Or one address could be held twice."""
    assert paper.do(a_registration(host=host)).instance.host == kept


@pytest.mark.parametrize(
    "host",
    [
        "http://x", "a/b", "foo:80", "*", "<script>", "user@h", "a b", "a..b", ".", "-a", "[localhost]",
        "0", "2130706433", "0x7f.0.0.1", "017700000001", "010.0.0.1", "10.1", "1.2.3.4.5", "300.1.1.1",
    ],
)  # fmt: skip
def test_what_is_no_host_is_refused(paper: Paper, host: str) -> None:
    """Also the spellings that resolvers read as addresses each in its own way."""
    with pytest.raises(ValidationError) as refusal:
        paper.do(a_registration(host=host))
    assert [(one["field"], one["rule"]) for one in refusal.value.details["violations"]] == [("host", "format")]


def test_a_component_has_a_bounded_number_of_instances(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one batch too; those of others do not count."""
    monkeypatch.setattr(limits, "INSTANCES", 3)
    for number in range(3):
        paper.do(a_registration(uuid=number + 1, port=9000 + number))
    with pytest.raises(RegistrationError) as refusal:
        paper.do(a_registration(uuid=8, port=9100))
    assert refusal.value.details["violations"][0]["limit"] == 3
    paper.do(a_registration("another", uuid=9, port=9200))
