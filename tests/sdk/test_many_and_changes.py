"""Registering many at once, changing definitions, compare-and-set, removing, and reading in pages."""

from __future__ import annotations

import asyncio

import pytest

from tekton._registration import register_all, request_of
from tekton.client import (
    AlreadyExistsError,
    ComponentNotFoundError,
    ConflictError,
    LeaseLost,
    RegistrationError,
    TektonClient,
    ValidationError,
)
from tests.sdk.fleet import component, eventually


async def test_many_are_registered_in_their_order(client: TektonClient) -> None:
    """Each result is what registering one gives, and its heartbeat can be started."""
    made = [component() for _ in range(5)]
    results = await client.register_components(made)
    assert [result.instance_uuid for result in results] == [one.instance_uuid for one in made]
    assert all(result.success and result.fencing_token and result.lease for result in results)
    task = client.start_heartbeat(made[3].component_id, state="ready")

    async def ready() -> bool:
        return task.state == "ready"

    await eventually(ready)


async def test_one_that_is_refused_fails_alone(client: TektonClient) -> None:
    """Whether the server refuses it or it cannot be sent at all."""
    good, unsendable, broken, last = component(), component(port="8000"), component(version="one"), component()
    results = await client.register_components([good, unsendable, broken, last])
    assert [result.success for result in results] == [True, False, False, True]
    assert type(results[1].error) is ValidationError
    assert type(results[2].error) is RegistrationError
    assert results[2].error.details["violations"][0]["field"] == "version"
    assert results[2].error.code == 1002


async def test_registering_many_again_gives_the_same_instances(client: TektonClient) -> None:
    """And new ones where the first have ended."""
    made = [component() for _ in range(3)]
    first = await client.register_components(made)
    assert await client.register_components(made) == first
    ended = made[1].instance_uuid
    await client.deregister_component(made[1].component_id, ended)
    third = await client.register_components(made)
    assert [third[0], third[2]] == [first[0], first[2]]
    assert third[1].success and third[1].instance_uuid == made[1].instance_uuid != ended


async def test_nothing_is_registered_by_nothing(client: TektonClient) -> None:
    """And no call is made."""
    assert await client.register_components([]) == []
    assert not client._calls._open


async def test_more_than_a_call_takes_goes_in_several(client: TektonClient) -> None:
    """By count and by size; the order stays."""
    kind = component("kind").component_id
    small = [component(component_type=kind, port=0, metadata={"no_listener": True}) for _ in range(1001)]
    large = [component(metadata={"text": "x" * 60_000}) for _ in range(20)]
    outcomes = await register_all(client._calls, [request_of(one) for one in small + large])
    assert [getattr(outcome, "component_id", outcome) for outcome in outcomes] == [
        one.component_id for one in small + large
    ]
    rows = [row["component_id"] async for row in client.list_components(type=kind, page_size=400)]
    assert rows == sorted(one.component_id for one in small)


async def test_a_list_can_be_read_in_small_pages(client: TektonClient) -> None:
    """The rows are the same, whatever the size of a page."""
    kind = component("kind").component_id
    made = [component(component_type=kind) for _ in range(5)]
    await client.register_components(made)
    rows = [row["component_id"] async for row in client.list_components(type=kind, page_size=2)]
    assert rows == sorted(one.component_id for one in made)


async def test_an_address_can_be_taken_over(client: TektonClient) -> None:
    """From a live instance of another component, with `replace` only."""
    holder, newer = component(), component()
    await client.register_component(holder)
    newer.port = holder.port
    refused = await client.register_component(newer)
    assert isinstance(refused.error, AlreadyExistsError)
    assert (await client.register_component(newer, replace=True)).success
    assert (await client.get_component_status(holder.component_id))["status"] == "stopped"


async def test_a_definition_is_patched(client: TektonClient) -> None:
    """What the patch does not name stays, None clears, lists are replaced, metadata is merged."""
    registration = component(capabilities=["a"], health_check="/up", metadata={"keep": 1, "drop": 2})
    await client.register_component(registration)
    patch = {"component_name": "Other", "capabilities": ("b", "c"), "health_check": None, "metadata": {"drop": None}}
    changed = await client.update_component(registration.component_id, patch)
    assert (changed.component_name, changed.capabilities, changed.health_check) == ("Other", ("b", "c"), "")
    assert (changed.component_type, changed.metadata) == ("service", {"keep": 1})
    found = await client.get_component(registration.component_id)
    assert (found["component_name"], found["revision"]) == ("Other", changed.revision)
    again = await client.update_component(registration.component_id, patch)
    assert again == changed


async def test_a_patch_that_is_refused_raises(client: TektonClient) -> None:
    """With the class that the server raised."""
    registration = component()
    await client.register_component(registration)
    with pytest.raises(ValidationError, match="port belongs to an instance"):
        await client.update_component(registration.component_id, {"port": 1})
    with pytest.raises(ComponentNotFoundError):
        await client.update_component("there_is_none", {"component_name": "x"})
    with pytest.raises(RegistrationError):
        await client.update_component(registration.component_id, {"component_name": None})


async def test_of_two_that_change_the_same_one_wins(client: TektonClient) -> None:
    """Compare-and-set: the other is told which revision stands, reads again and decides anew."""
    registration = component()
    await client.register_component(registration)
    name = registration.component_id
    revision = (await client.get_component(name))["revision"]
    outcomes = await asyncio.gather(
        *(client.update_component(name, {"component_name": who}, expected_revision=revision) for who in "ab"),
        return_exceptions=True,
    )
    won = [one for one in outcomes if not isinstance(one, BaseException)]
    lost = [one for one in outcomes if isinstance(one, ConflictError)]
    assert len(won) == len(lost) == 1
    assert lost[0].details == {"expected_revision": revision, "revision": won[0].revision}


async def test_registering_can_be_a_compare_and_set(client: TektonClient) -> None:
    """0 means that there must be no such component."""
    registration = component()
    assert (await client.register_component(registration, expected_revision=0)).success
    second = component(component_id=registration.component_id)
    refused = await client.register_component(second, expected_revision=0)
    assert isinstance(refused.error, ConflictError)


async def test_deregistering_and_removing_can_be_a_compare_and_set(client: TektonClient) -> None:
    """Nobody ends what changed since they looked."""
    registration = component()
    await client.register_component(registration)
    name = registration.component_id
    changed = await client.update_component(name, {"component_name": "Other"})
    with pytest.raises(ConflictError):
        await client.deregister_component(name, registration.instance_uuid, expected_revision=changed.revision - 1)
    with pytest.raises(ConflictError):
        await client.remove_component(name, expected_revision=changed.revision - 1)
    await client.deregister_component(name, registration.instance_uuid, expected_revision=changed.revision)
    assert (await client.get_component_status(name))["status"] == "stopped"
    await client.remove_component(name, expected_revision=changed.revision)
    with pytest.raises(ComponentNotFoundError):
        await client.get_component(name)


async def test_removing_a_component_ends_its_heartbeats(client: TektonClient) -> None:
    """The application is told, and the component does not come back."""
    told: list[LeaseLost] = []
    registration = component()
    await client.register_component(registration)
    task = client.start_heartbeat(registration.component_id, state="ready", on_lease_lost=told.append)

    async def ready() -> bool:
        return task.state == "ready"

    async def ended() -> bool:
        return bool(told)

    await eventually(ready)
    await client.remove_component(registration.component_id)
    await eventually(ended)
    assert told[0].reason == "ended"


async def test_a_watch_shows_only_what_its_filters_keep(client: TektonClient) -> None:
    """By capability, as by type or id; what loses the capability arrives as removed."""
    capability = component("cap").component_id
    kept, other = component(capabilities=[capability]), component()
    await client.register_components([kept, other])
    seen: list[tuple[str, str]] = []
    async with asyncio.timeout(10):
        async for event in client.watch(capabilities=(name for name in [capability])):
            seen.append((event.type, event.component_id))
            if event.type == "snapshot_end":
                await client.update_component(other.component_id, {"component_name": "Not seen"})
                await client.update_component(kept.component_id, {"capabilities": []})
            if event.type == "removed":
                break
    name = kept.component_id
    assert seen[:3] == [("put", name), ("put", name), ("snapshot_end", "")]
    assert {component_id for _, component_id in seen} == {name, ""}
