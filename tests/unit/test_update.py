"""Updating a definition: what a patch may say, what it does, and when it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tekton.core.errors import (
    AlreadyExistsError,
    ComponentNotFoundError,
    ConflictError,
    RegistrationError,
    TektonError,
    ValidationError,
)
from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import Definition, DefinitionChange
from tekton_server.domain.commands import UpdateComponent
from tests.unit.paper import Paper, a_registration


@pytest.fixture
def athena() -> Paper:
    """A registry in which athena has registered with instance 1 on localhost:8005."""
    paper = Paper()
    paper.do(a_registration(capabilities=("planning",), health_check="/health", metadata={"a": 1, "deep": {"b": 2}}))
    return paper


def update(component_id: str = "athena", expected: int | None = None, **patch: Any) -> UpdateComponent:
    """An update."""
    return UpdateComponent(component_id=component_id, patch=patch, expected_revision=expected)


def refusal(paper: Paper, error: type[TektonError], **patch: Any) -> tuple[str, str]:
    """Expect a refusal; gives the field that is named first, and the rule."""
    command = UpdateComponent(component_id="athena", patch=patch)
    violation = paper.refuses(error, command).details["violations"][0]
    return violation["field"], violation["rule"]


def test_what_the_patch_names_changes_and_the_rest_stays(athena: Paper) -> None:
    """One change of the definition, in one revision; the instance is not touched."""
    before = athena.instance()
    answer = athena.do(update(component_name="Athena", capabilities=["planning", "graph", "planning"]))
    assert isinstance(answer, Definition) and answer == athena.view.definition("athena")
    assert (answer.component_name, answer.capabilities) == ("Athena", ("planning", "graph"))
    assert (answer.health_check, answer.metadata) == ("/health", {"a": 1, "deep": {"b": 2}})
    assert (answer.revision, athena.view.revision) == (2, 2)
    [change] = athena.last()
    assert isinstance(change, DefinitionChange) and change.cause.reason == "updated"
    assert athena.instance() == before


def test_metadata_is_merged_and_null_removes(athena: Paper) -> None:
    athena.do(update(metadata={"a": None, "deep": {"c": [None]}, "new": {"gone": None}}))
    definition = athena.view.definition("athena")
    assert definition is not None and definition.metadata == {"deep": {"b": 2, "c": [None]}, "new": {}}


def test_null_clears_what_may_be_empty(athena: Paper) -> None:
    """Absent and null are told apart: one leaves a field as it is, the other makes it as if it was never given."""
    answer = athena.do(update(capabilities=None, health_check=None, metadata=None))
    assert (answer.capabilities, answer.health_check, answer.metadata) == ((), "", {})
    assert answer.component_name == "A"


@pytest.mark.parametrize("value", [None, "", "  "])
@pytest.mark.parametrize("field", ["component_name", "component_type"])
def test_what_is_required_cannot_be_cleared(athena: Paper, field: str, value: str | None) -> None:
    assert refusal(athena, RegistrationError, **{field: value}) == (field, "required")


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"component_name": "A"},
        {"capabilities": ["planning", "planning"]},
        {"metadata": {}},
        {"metadata": {"a": 1, "never": None}},
        {"dependencies": None},
    ],
    ids=str,
)
def test_a_patch_that_changes_nothing_takes_no_revision(athena: Paper, patch: dict[str, Any]) -> None:
    """It is answered all the same."""
    assert athena.changes_nothing(update(**patch)) == athena.view.definition("athena")


@pytest.mark.parametrize(
    ("patch", "rule"),
    [
        ({"capability": ["x"]}, "unknown"),
        ({"version": "2.0.0"}, "unknown"),
        ({"port": 1}, "unknown"),
        ({"": 1}, "unknown"),
        ({"component_id": "athena"}, "immutable"),
        ({"component_name": 5}, "type"),
        ({"component_type": ["core"]}, "type"),
        ({"health_check": True}, "type"),
        ({"capabilities": "planning"}, "type"),
        ({"capabilities": ["planning", 1]}, "type"),
        ({"capabilities": [None]}, "type"),
        ({"dependencies": {"hermes": True}}, "type"),
        ({"metadata": []}, "type"),
        ({"metadata": "x"}, "type"),
        ({"component_name": "x" * 257}, "max_length"),
        ({"component_name": "a\0b"}, "characters"),
        ({"capabilities": ["x"] * 257}, "max_items"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_unknown_field_or_a_wrong_type_is_named(athena: Paper, patch: dict[str, Any], rule: str) -> None:
    """400, whole: nothing of the patch is done."""
    field, broken = refusal(
        athena, ValidationError, **patch, **({} if "health_check" in patch else {"health_check": "/"})
    )
    assert (field, broken) == (next(iter(patch)), rule)


def test_the_bounds_are_those_of_the_result(athena: Paper) -> None:
    """Metadata that was in bounds on both sides can be over them together."""
    athena.do(update(metadata={"first": "x" * 40_000}))
    assert refusal(athena, ValidationError, metadata={"second": "x" * 40_000}) == ("metadata", "max_bytes")
    deep: dict[str, Any] = {}
    for _ in range(16):
        deep = {"a": deep}
    assert refusal(athena, ValidationError, metadata=deep) == ("metadata", "max_depth")


@pytest.mark.parametrize(("dependency", "rule"), [("Hermes", "pattern"), ("athena", "self_dependency")])
def test_the_rules_of_a_registration_hold(athena: Paper, dependency: str, rule: str) -> None:
    """422 with code 1002, as for a registration."""
    assert refusal(athena, RegistrationError, dependencies=[dependency]) == ("dependencies[0]", rule)


def test_the_type_changes_only_while_no_instance_lives(athena: Paper) -> None:
    """1011, as a registration with another type would be."""
    error = athena.refuses(AlreadyExistsError, update(component_type="memory"))
    assert error.details == {"component_id": "athena", "component_type": "core"}
    athena.brought_to(State.STOPPED)
    assert athena.do(update(component_type="memory")).component_type == "memory"


def test_expected_revision_is_compare_and_set(athena: Paper) -> None:
    """Also for a patch that changes nothing; 0 is right for nobody, since the component exists."""
    athena.do(update(expected=1, component_name="B"))
    for expected in (1, 0, 3):
        error = athena.refuses(ConflictError, update(expected=expected, component_name="B"))
        assert error.details == {"expected_revision": expected, "revision": 2}
    athena.changes_nothing(update(expected=2))
    assert athena.refuses(ValidationError, update(expected=-1)).details["violations"][0]["field"] == "expected_revision"


def test_the_component_is_found_under_dashes_and_underscores_alike() -> None:
    paper = Paper()
    paper.do(a_registration("llm-adapter"))
    assert paper.do(update("llm_adapter", component_name="B")).component_id == "llm-adapter"


def test_a_component_that_is_not_there_cannot_be_updated(athena: Paper) -> None:
    athena.refuses(ComponentNotFoundError, update("nobody", component_name="B"))


def test_a_repeated_registration_does_not_undo_an_update_and_a_new_one_does(athena: Paper) -> None:
    """The last writer wins, and who only asks again writes nothing."""
    again = a_registration(capabilities=("planning",), health_check="/health", metadata={"a": 1, "deep": {"b": 2}})
    athena.do(update(component_name="B"))
    athena.changes_nothing(again)
    athena.do(a_registration(uuid=2, port=8006))
    definition = athena.view.definition("athena")
    assert definition is not None and definition.component_name == "A"


def test_two_updates_of_one_batch_see_each_other(athena: Paper) -> None:
    """The second merges into what the first made."""
    athena.batch(update(metadata={"x": 1}), update(metadata={"x": None, "y": 2}))
    definition = athena.view.definition("athena")
    assert definition is not None and definition.metadata == {"a": 1, "deep": {"b": 2}, "y": 2}
