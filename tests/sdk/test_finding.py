"""Finding components: from the watched view at once, and never wrongly "there is none"."""

from __future__ import annotations

import asyncio

import pytest

from tekton.client import ComponentClient, ComponentRegistration, TektonClient, UnavailableError
from tekton.v1 import registry_service_pb2
from tests.sdk.fleet import component, eventually
from tests.sdk.server import ServerProcess
from tests.support.ports import free_port


async def _serving(client: TektonClient, state: str = "ready", **fields: object) -> ComponentRegistration:
    registration = component(**fields)
    await client.register_component(registration)
    client.start_heartbeat(registration.component_id)
    await client.update_component_state(registration.component_id, registration.instance_uuid, state)
    return registration


async def test_the_status_has_exactly_what_is_printed_and_more(client: TektonClient) -> None:
    """The documented keys with their JSON types."""
    registration = await _serving(client)
    status = await client.get_component_status(registration.component_id)
    assert status["component_id"] == registration.component_id
    assert status["status"] == "ready"
    assert status["last_heartbeat"].endswith("Z")
    assert status["uptime"] == "00:00:00"
    assert status["instance_uuid"] == registration.instance_uuid
    assert status["health_status"] == {"overall": "healthy"}
    assert isinstance(status["uptime_seconds"], float)


async def test_the_details_are_plain_values(client: TektonClient) -> None:
    """Whole numbers stay whole, absent times are None."""
    metadata = {"shards": 3, "ratio": 0.5, "tags": ["a", {"deep": None}]}
    registration = component(metadata=metadata)
    await client.register_component(registration)
    found = await client.get_component(registration.component_id)
    assert found["metadata"] == metadata
    assert found["startup_time"] is None
    assert found["instances"][0]["instance_uuid"] == registration.instance_uuid
    assert isinstance(found["revision"], int)


async def test_a_ready_component_is_found(client: TektonClient) -> None:
    """With its address and its health path; "-" and "_" are equal."""
    registration = await _serving(client, health_check="/healthz")
    found = await client.find_component(registration.component_id)
    assert isinstance(found, ComponentClient)
    assert (found.component_id, found.host, found.port) == (registration.component_id, "localhost", registration.port)
    assert found.health_check == "/healthz"
    assert await client.find_component(registration.component_id.replace("_", "-")) is not None


@pytest.mark.parametrize("component_id", ["hermes", "tekton_core", "tekton-core"])
async def test_tektons_own_parts_are_found_where_tekton_is_reached(
    client: TektonClient, server: ServerProcess, component_id: str
) -> None:
    """Out of the box, and they answer; under the name by which this client reaches Tekton."""
    async with TektonClient("localhost", server.port) as named:
        for one in (client, named):
            found = await one.find_component(component_id)
            assert found is not None and (found.host, found.port) == (one.target.host, server.port)
            assert (await found.check_health())["status"] == "healthy"
            # Before the watch has them, they are asked for.
            asked = await one._confirm(component_id)
            assert asked is not None and asked.base_url == found.base_url


async def test_a_hermes_of_ones_own_is_found_in_place_of_the_built_in_one(client: TektonClient) -> None:
    """While it is registered, and not before or after."""
    built_in = await client.find_component("hermes")
    own = component(component_id="hermes", host="10.1.2.3")
    await client.register_component(own)
    await client.update_component_state("hermes", own.instance_uuid, "ready")

    async def found() -> tuple[str, int]:
        one = await client.find_component("hermes")
        return (one.host, one.port) if one else ("", 0)

    async def is_own() -> bool:
        return await found() == ("10.1.2.3", own.port)

    async def is_built_in() -> bool:
        return built_in is not None and await found() == (built_in.host, built_in.port)

    await eventually(is_own)
    await _remove(client, "hermes")
    await eventually(is_built_in)


async def _remove(client: TektonClient, component_id: str) -> None:
    request = registry_service_pb2.DeregisterComponentRequest(component_id=component_id)
    await client._calls.ask(lambda stubs: stubs.registry.DeregisterComponent, request)


async def test_a_degraded_component_is_found(client: TektonClient) -> None:
    """It serves with reduced function."""
    registration = await _serving(client, "degraded")
    assert await client.find_component(registration.component_id) is not None


@pytest.mark.parametrize("state", ["registering", "starting", "failed", "stopping"])
async def test_a_component_that_does_not_serve_is_not_found(client: TektonClient, state: str) -> None:
    """Only ready and degraded ones are."""
    registration = component()
    await client.register_component(registration)
    if state != "registering":
        await client.update_component_state(registration.component_id, registration.instance_uuid, state)
    assert await client.find_component(registration.component_id) is None


async def test_an_unknown_component_is_none(client: TektonClient) -> None:
    """And an unknown capability an empty list."""
    assert await client.find_component("there_is_none") is None
    assert await client.find_components_by_capability("nobody_can_this") == []


async def test_looking_up_again_costs_no_call(client: TektonClient) -> None:
    """The same object, from the view, without waiting."""
    registration = await _serving(client)
    name = registration.component_id
    await eventually(lambda: _looked_up(client, name))
    found = await client.find_component(name)
    assert client.registry.lookup(name) is found
    assert await client.find_component(name) is found


async def _looked_up(client: TektonClient, name: str) -> ComponentClient | None:
    await client.registry.synced()
    return client.registry.lookup(name)


async def test_the_view_follows(client: TektonClient, server: ServerProcess) -> None:
    """What another client does is seen without asking."""
    await client.registry.synced()
    async with TektonClient(server.host, server.port) as other:
        registration = await _serving(other)
        name = registration.component_id
        await eventually(lambda: _looked_up(client, name))
        await other.deregister_component(name, registration.instance_uuid)
        await eventually(lambda: _gone(client, name))


async def _gone(client: TektonClient, name: str) -> bool:
    return client.registry.lookup(name) is None


async def test_a_component_that_moved_is_found_at_its_new_address(client: TektonClient) -> None:
    """A cached client does not outlive the address it was made for."""
    registration = await _serving(client)
    name = registration.component_id
    before = await eventually(lambda: _looked_up(client, name))
    await client.deregister_component(name, registration.instance_uuid)
    moved = await _serving(client, component_id=name)
    await eventually(lambda: _moved(client, name, moved.port))
    assert before.port == registration.port


async def _moved(client: TektonClient, name: str, port: int) -> bool:
    found = await client.find_component(name)
    return found is not None and found.port == port


async def test_capabilities_give_ready_ones_before_degraded(client: TektonClient) -> None:
    """And none that does not serve."""
    capability = component("cap").component_id
    degraded = await _serving(client, "degraded", capabilities=[capability])
    ready = await _serving(client, capabilities=[capability])
    await _serving(client, "failed", capabilities=[capability])
    expected = [ready.component_id, degraded.component_id]

    async def listed() -> bool:
        found = await client.find_components_by_capability(capability)
        return [one.component_id for one in found] == expected

    await eventually(listed)


async def test_a_view_that_lags_never_says_that_there_is_none(
    client: TektonClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A negative answer is asked of Tekton first."""
    capability = component("cap").component_id
    registration = await _serving(client, capabilities=[capability], health_check="/up")
    await client.registry.synced()
    monkeypatch.setattr(client.registry, "lookup", lambda _: None)
    monkeypatch.setattr(client.registry, "providers", lambda _: [])
    found = await client.find_component(registration.component_id)
    assert found is not None
    assert (found.port, found.health_check) == (registration.port, "/up")
    listed = await client.find_components_by_capability(capability)
    assert [one.component_id for one in listed] == [registration.component_id]


async def test_where_tekton_cannot_be_asked_there_is_no_negative_answer() -> None:
    """It raises instead of saying None."""
    async with TektonClient("localhost", free_port(), timeout=0.5) as client:
        with pytest.raises(UnavailableError):
            await client.find_component("engram")
        with pytest.raises(UnavailableError):
            await client.find_components_by_capability("vector_search")


async def test_lists_are_filtered_and_read_page_by_page(client: TektonClient) -> None:
    """All filters must hold; rows are plain values."""
    kind = component("kind").component_id
    made = [component(component_type=kind) for _ in range(3)]
    for registration in made:
        await client.register_component(registration)
    ids = [row["component_id"] async for row in client.list_components(type=kind, status="registering")]
    assert ids == sorted(registration.component_id for registration in made)
    assert [row async for row in client.list_components(type=kind, status="ready")] == []
    found = [row["component_id"] async for row in client.list_components(type=kind, q=ids[0].upper())]
    assert found == ids[:1]


async def test_a_watch_gives_the_present_then_every_change(client: TektonClient) -> None:
    """Snapshot, its end, then live; the token of an event resumes after it."""
    kind = component("kind").component_id
    first = component(component_type=kind)
    await client.register_component(first)
    seen = []
    async with asyncio.timeout(10):
        async for event in client.watch(component_types=[kind]):
            seen.append(event)
            if event.type == "snapshot_end":
                await client.update_component_state(first.component_id, first.instance_uuid, "ready")
            if event.kind == "instance" and event.record is not None and event.record.state == "ready":
                break
    assert [(event.type, event.kind) for event in seen[:3]] == [
        ("put", "definition"),
        ("put", "instance"),
        ("snapshot_end", None),
    ]
    hops = [event.record.state.value for event in seen[3:]]
    assert hops == ["initializing", "starting", "ready"]
    assert [event.implied for event in seen[3:]] == [True, True, False]
    token = seen[-1].resume_token
    await client.deregister_component(first.component_id, first.instance_uuid)
    async with asyncio.timeout(10):
        event = await anext(aiter(client.watch(component_types=[kind], after=token)))
    assert event.record is not None
    assert event.record.state == "stopping"


async def test_state_changes_are_watched_as_printed(client: TektonClient) -> None:
    """The documented event, from now on."""
    registration = component()
    watch = aiter(client.watch_states(component_ids=[registration.component_id]))
    upcoming = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.3)
    await client.register_component(registration)
    async with asyncio.timeout(5):
        change = await upcoming
    assert change["event"] == "state_change"
    assert (change["previous_state"], change["new_state"]) == ("unknown", "registering")
    assert change["component_id"] == registration.component_id
    assert change["timestamp"].endswith("Z")
    assert change["metadata"] == {}
    await watch.aclose()
