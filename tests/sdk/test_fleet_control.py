"""Starting and stopping many through the client, and a component that asks for more time through it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tekton.client import TektonClient, set_default_client
from tekton.core.errors import CircularDependencyError, ComponentNotFoundError, NoLaunchSpecError, ValidationError
from tekton.utils.tekton_client import update_component_state
from tests.sdk.fleet import component
from tests.support.control_plane import ControlPlane
from tests.support.launched import launch, launching, small
from tests.support.postgres import Cluster

FLEET = {
    "low": small("low", number=1),
    "top": small("top", "low", number=2),
    "ill": launch("sh", "-c", "exit 3"),
    "ward": {"dependencies": ["ill"], **launch()},
    "day": {"dependencies": ["night"], **launch()},
    "night": {"dependencies": ["day"], **launch()},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with a fleet to launch."""
    home = tmp_path_factory.mktemp("control")
    async with launching(cluster.new_database(), home, FLEET, timeout=10.0) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(tekton: ControlPlane) -> AsyncIterator[TektonClient]:
    """A client through the gateway."""
    async with TektonClient(tekton.host, tekton.port) as opened:
        yield opened


async def test_a_start_is_planned_followed_and_undone(client: TektonClient) -> None:
    """Each step is the JSON of REST."""
    plan = await client.plan_start(["top"])
    assert [wave["component_ids"] for wave in plan["waves"]] == [["low"], ["top"]]
    steps = [step async for step in client.start_components(["top"], max_parallel=1)]
    assert [(step["event"], step["component_id"]) for step in steps] == [
        ("planned", ""),
        *((event, name) for name in ("low", "top") for event in ("starting", "running", "ready")),
        ("done", ""),
    ]
    assert steps[-1]["summary"]["success"] is True and steps[1]["error"] is None
    assert (await client.plan_start(["top"]))["done"] == ["top"]
    steps = [step async for step in client.stop_components(["low"], resolve_dependencies=True, timeout=0)]
    assert [step["component_id"] for step in steps if step["event"] == "stopped"] == ["top", "low"]


async def test_failures_are_steps_and_refusals_are_the_classes_of_the_server(client: TektonClient) -> None:
    steps = [step async for step in client.start_components(["ward"])]
    skipped = next(step for step in steps if step["event"] == "skipped")
    assert (skipped["error"]["code"], skipped["chain"]) == (1003, ["ward", "ill"])
    assert steps[-1]["summary"]["failed"] == ["ill"]
    with pytest.raises(CircularDependencyError) as caught:
        await anext(client.start_components())
    assert caught.value.details["cycle"] == ["day", "night", "day"]
    with pytest.raises(ComponentNotFoundError):
        await client.plan_start(["nobody"])
    foreign = component()
    await client.register_component(foreign)
    with pytest.raises(NoLaunchSpecError):
        await anext(client.start_components(["low", foreign.component_id]))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"component_ids": []}, "component_ids"),
        ({"component_ids": "low"}, "component_ids"),
        ({"component_ids": [5]}, "component_ids[0]"),
        ({"component_ids": ["low"], "max_parallel": -1}, "max_parallel"),
        ({"component_ids": ["low"], "max_parallel": 2**40}, "max_parallel"),
    ],
    ids=["nobody", "a text", "a number", "negative", "too many"],
)
async def test_what_cannot_be_meant_is_refused(client: TektonClient, wrong: dict[str, object], field: str) -> None:
    """An empty list least of all means everything."""
    for control in (client.start_components, client.stop_components):
        with pytest.raises(ValidationError, match=field.replace("[", r"\[")):
            await anext(control(**wrong))  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="timeout"):
        await anext(client.stop_components(["low"], timeout=-1))
    with pytest.raises(ValidationError, match="all must be true"):
        await anext(client.stop_components())


async def test_a_component_asks_for_more_time_through_the_client(client: TektonClient, tekton: ControlPlane) -> None:
    """By its own call and by the documented function; what makes no sense is refused."""
    made = component()
    _, uuid = await client.register_component(made)
    assert uuid is not None
    await client.update_component_state(made.component_id, uuid, "starting", extend_startup=30)
    extensions = tekton.app.live.lifecycle.site.extensions
    first = extensions.until(uuid)
    assert first > tekton.app.live.leases.now()
    set_default_client(client)
    try:
        assert await update_component_state(made.component_id, uuid, "starting", extend_startup=300.5)
        assert extensions.until(uuid) > first + 200
        assert await update_component_state(made.component_id, uuid, "ready", extend_startup=5) is False
    finally:
        set_default_client(None)
    for wrong in (0, -1, float("inf"), "5"):
        with pytest.raises(ValidationError, match="extend_startup"):
            await client.update_component_state(made.component_id, uuid, "starting", extend_startup=wrong)  # type: ignore[arg-type]
