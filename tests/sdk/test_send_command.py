"""Giving commands to instances, and reading what became of them."""

from __future__ import annotations

import pytest

from tekton.client import ComponentNotFoundError, StaleSessionError, TektonClient, ValidationError
from tekton.core.ids import new_uuid
from tests.sdk.fleet import component


async def test_a_command_is_posted_to_every_leased_instance_and_can_be_read(client: TektonClient) -> None:
    """Each has an id of its own; whoever beats is given it."""
    made = [component(), component()]
    made[1].component_id = made[0].component_id
    await client.register_components(made)
    commands = await client.send_command(made[0].component_id, "reload", arguments={"why": [1, None]}, deadline=60)
    assert {one["instance_uuid"] for one in commands} == {one.instance_uuid for one in made}
    assert {one["state"] for one in commands} == {"pending"}
    for one in commands:
        assert await client.get_command(one["component_id"], one["command_id"]) == one
        beat = await client.send_heartbeat(one["component_id"], one["instance_uuid"])
        assert [(c["command_id"], c["kind"], c["arguments"]) for c in beat["commands"]] == [
            (one["command_id"], "reload", {"why": [1, None]})
        ]


async def test_one_instance_is_told_alone(client: TektonClient) -> None:
    """By its uuid."""
    made = component()
    await client.register_component(made)
    [command] = await client.send_command(made.component_id, "probe", instance_uuid=made.instance_uuid)
    assert command["kind"] == "probe"


async def test_what_cannot_be_given_is_refused_with_the_class_of_the_error(client: TektonClient) -> None:
    """Here where that is known, else by the server."""
    made = component()
    await client.register_component(made)
    with pytest.raises(ComponentNotFoundError):
        await client.send_command("nobody", "stop")
    with pytest.raises(ComponentNotFoundError):
        await client.get_command(made.component_id, new_uuid())
    with pytest.raises(ValidationError):
        await client.send_command(made.component_id, "explode")
    for deadline in (0, 0.5, 3601, float("nan"), "30"):
        with pytest.raises(ValidationError, match="deadline must be a number of seconds from 1 to 3600, not"):
            await client.send_command(made.component_id, "stop", deadline=deadline)  # type: ignore[arg-type]
    await client.deregister_component(made.component_id, made.instance_uuid)
    with pytest.raises(StaleSessionError):
        await client.send_command(made.component_id, "stop")
