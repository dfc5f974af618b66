"""What a search finds: text in id, name, type and capabilities."""

from __future__ import annotations

import msgspec
import pytest

from tekton.core.view import Component, search_text
from tests.unit.paper import a_definition

ATHENA = a_definition(
    "athena-graph", component_name="Athena, Göttin", component_type="Knowledge", capabilities=("graph_query", "x-ray")
)


@pytest.mark.parametrize(
    "text",
    ["athena", "ATHENA", "athena_graph", "a-g", "Göttin", "GÖTTIN", "know", "GRAPH-query", "x_ray", "a, g"],
)
def test_text_is_found_in_every_field_without_case_and_with_dashes_as_underscores(text: str) -> None:
    assert search_text(text) in Component(ATHENA).text


@pytest.mark.parametrize("text", ["athens", "graphathena", "knowledgegraph", "rayx"])
def test_text_is_not_found_across_fields(text: str) -> None:
    assert search_text(text) not in Component(ATHENA).text


def test_a_new_definition_is_searched_anew() -> None:
    """The text is kept with the definition that it was made of."""
    component = Component(ATHENA)
    assert "minerva" not in component.text
    component.definition = msgspec.structs.replace(ATHENA, component_name="Minerva")
    assert "minerva" in component.text
