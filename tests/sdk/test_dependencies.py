"""Reading the dependency graph from the SDK."""

from __future__ import annotations

import pytest

from tekton.client import ComponentNotFoundError, TektonClient
from tests.sdk.fleet import component


async def test_the_graph_is_the_documented_object(client: TektonClient) -> None:
    """Plain lists and dictionaries; a path of a cycle is a list of ids."""
    low, one, two = component(), component(), component()
    top = component(dependencies=[low.component_id, "nobody_at_all"])
    one.dependencies, two.dependencies = [two.component_id], [one.component_id]
    await client.register_components([top, low, one, two])
    found = await client.get_dependency_graph()
    assert found["dependencies"][top.component_id] == [low.component_id, "nobody_at_all"]
    assert found["startup_order"].index(low.component_id) < found["startup_order"].index(top.component_id)
    first, second = sorted((one.component_id, two.component_id))
    assert [first, second, first] in found["circular_dependencies"]
    assert {"component_id": "nobody_at_all", "needed_by": [top.component_id]} in found["missing"]
    assert top.component_id in found["waves"][1]["component_ids"]
    states = {node["component_id"]: node["status"] for node in found["components"]}
    assert states[low.component_id] == "registering"


async def test_one_components_place_in_it(client: TektonClient) -> None:
    low = component()
    top = component(dependencies=[low.component_id])
    await client.register_components([top, low])
    found = await client.get_component_dependencies(low.component_id)
    assert (found["depends_on"], found["dependent_components"]) == ([], [top.component_id])
    assert found["component"]["wave"] == 1 and found["all_dependents"][0]["status"] == "registering"
    with pytest.raises(ComponentNotFoundError):
        await client.get_component_dependencies("nobody_at_all")


async def test_why_one_is_not_ready_and_how_it_came_there(client: TektonClient) -> None:
    """The explanation as the REST object, and every change of state, the newest first, over pages."""
    top = component(dependencies=["nobody_at_all"])
    await client.register_component(top)
    await client.update_component_state(top.component_id, top.instance_uuid, "ready", {"warm": True})
    found = await client.explain_component(top.component_id)
    assert (found["well"], found["root_causes"]) == (False, ["nobody_at_all"])
    assert [one["component_id"] for one in found["conditions"]] == [top.component_id, "nobody_at_all"]
    assert found["conditions"][0]["evidence"] == {"warm": True}
    states = [one["new_state"] async for one in client.list_transitions(top.component_id, page_size=1)]
    assert states == ["ready", "starting", "initializing", "registering"]
    with pytest.raises(ComponentNotFoundError):
        await client.explain_component("nobody_at_all")
