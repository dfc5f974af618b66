"""The built-in components: always there, in no journal, and nobody's to change."""

from __future__ import annotations

import pytest

from tekton.core.errors import AlreadyExistsError, RegistrationError
from tekton.core.lifecycle import ComponentState as State
from tekton.core.view import View
from tekton_server.domain import built_in
from tekton_server.domain.commands import (
    Command,
    EndInstance,
    RegisterComponent,
    RemoveComponent,
    ReviveInstance,
    UpdateComponent,
)
from tests.unit.paper import NOON, Paper, a_registration, a_report, uuid_of


@pytest.fixture
def paper() -> Paper:
    """An empty registry, with the built-in components at 10.0.0.1:8010."""
    paper = Paper()
    for definition, instance in built_in.records("10.0.0.1", 8010, "1.2.3", NOON):
        paper.view.build_in(definition, instance)
    return paper


def shown(view: View) -> dict[str, str]:
    """Give the name of each component that is listed."""
    return {component.definition.component_id: component.definition.component_name for component in view.all()}


@pytest.mark.parametrize("component_id", ["tekton_core", "tekton-core", "hermes"])
def test_they_are_found_ready_at_tektons_address(paper: Paper, component_id: str) -> None:
    """Without a lease and without a revision."""
    found = paper.view.get(component_id)
    assert found is not None and found.best is not None
    assert (found.status, found.definition.component_type, found.definition.revision) == (State.READY, "core", 0)
    assert (found.best.host, found.best.port, found.best.version) == ("10.0.0.1", 8010, "1.2.3")
    assert (found.best.built_in, found.best.leased) == (True, False)


def test_they_are_listed_under_what_they_are(paper: Paper) -> None:
    """By type, state and capability; a registered neighbour is no built-in."""
    paper.do(a_registration())
    view = paper.view
    assert [c.definition.component_id for c in view.all()] == ["athena", "tekton_core", "hermes"]
    assert [c.definition.component_id for c in view.of_type("core")] == ["athena", "tekton_core", "hermes"]
    assert [c.definition.component_id for c in view.in_state(State.READY)] == ["tekton_core", "hermes"]
    assert [c.definition.component_id for c in view.with_capability("event_bus")] == ["hermes"]
    assert not paper.instance().built_in


def test_they_are_in_no_journal_and_hold_no_address(paper: Paper) -> None:
    """Decisions do not see them: their address can be registered, and an id of theirs is new."""
    assert (paper.view.components, paper.view.instances, paper.view.definition("hermes")) == ({}, {}, None)
    paper.do(a_registration(host="10.0.0.1", port=8010))
    paper.do(a_registration("hermes", uuid=2, expected_revision=0))


def test_a_real_hermes_is_shown_in_place_of_the_built_in_until_it_is_removed(paper: Paper) -> None:
    """Also while its instances are stopped: it is registered, and says so."""
    assert shown(paper.view)["hermes"] == "Hermes"
    paper.do(a_registration("hermes", component_name="Mine", component_type="service"))
    assert shown(paper.view) == {"tekton_core": "Tekton Core", "hermes": "Mine"}
    assert [c.definition.component_id for c in paper.view.of_type("core")] == ["tekton_core"]
    paper.do(EndInstance(component_id="hermes", instance_uuid=uuid_of(1)))
    found = paper.view.get("hermes")
    assert found is not None and (found.definition.component_name, found.status) == ("Mine", State.STOPPED)
    paper.do(RemoveComponent(component_id="hermes"))
    assert shown(paper.view)["hermes"] == "Hermes"


@pytest.mark.parametrize("component_id", ["tekton_core", "tekton-core"])
@pytest.mark.parametrize("replace", [False, True])
def test_nobody_registers_as_tekton(paper: Paper, component_id: str, replace: bool) -> None:
    """1011, and the sentence says what to do."""
    error = paper.refuses(AlreadyExistsError, a_registration(component_id, replace=replace))
    assert error.details["component_id"] == "tekton_core" and "another component_id" in error.message


@pytest.mark.parametrize(("component_id", "remedy"), [("tekton-core", "another component_id"), ("hermes", "its place")])
@pytest.mark.parametrize("what", ["update", "remove", "end", "report", "revive"])
def test_a_built_in_component_is_nobodys_to_change(paper: Paper, component_id: str, remedy: str, what: str) -> None:
    """1002, and the sentence says what to do."""
    own = next(iter(paper.view.built_in["hermes"].instances))
    command: Command = {
        "update": UpdateComponent(component_id=component_id, patch={"component_name": "x"}),
        "remove": RemoveComponent(component_id=component_id),
        "end": EndInstance(component_id=component_id, instance_uuid=own),
        "report": a_report(State.FAILED, component_id),
        "revive": ReviveInstance(component_id=component_id, instance_uuid=own),
    }[what]
    error = paper.refuses(RegistrationError, command)
    assert (error.number, error.details["violations"][0]["rule"]) == (1002, "built_in")
    assert remedy in error.message


def test_every_tekton_has_the_same_built_in_instances() -> None:
    """Who moves from one server to another sees no other instance."""
    one, two = ([i.instance_uuid for _, i in built_in.records(host, 1, "1.0.0", NOON)] for host in ("a", "b"))
    assert one == two and len(set(one)) == 2


def test_what_is_built_in_could_be_registered(paper: Paper) -> None:
    """The same rules hold for it, but for the id that only Tekton has."""
    hermes = paper.view.built_in["hermes"].definition
    paper.do(
        RegisterComponent(
            component_id="hermes", component_name=hermes.component_name, component_type=hermes.component_type,
            capabilities=hermes.capabilities, health_check=hermes.health_check, metadata=hermes.metadata,
            version="1.2.3", port=1, instance_uuid=uuid_of(1),
        )
    )  # fmt: skip
