"""UpdateComponent: a definition changed by a JSON merge patch, over gRPC and as a plain PATCH over REST."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google.protobuf.struct_pb2 import Struct

from tekton.v1 import component_pb2 as pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.support.client import Stubs, new_id, refused
from tests.support.control_plane import ControlPlane


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as client:
        yield client


async def update(api: Stubs, component_id: str, patch: dict[str, Any], **fields: Any) -> pb.Component:
    """Send a patch."""
    message = Struct()
    message.update(patch)
    request = registry_pb.UpdateComponentRequest(component_id=component_id, patch=message, **fields)
    return await api.registry.UpdateComponent(request, timeout=10)


async def test_an_update_is_answered_with_the_component_and_seen_by_watchers(api: Stubs) -> None:
    """One event with the whole new definition and the reason; the instance is untouched."""
    granted = await api.register(new_id("with-dash"), capabilities=["read"])
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=[granted.component_id]))
    while (await watch.read()).phase != registry_pb.WatchRegistryResponse.PHASE_SNAPSHOT_END:
        pass
    found = await update(
        api, granted.component_id.replace("-", "_"), {"capabilities": ["read", "write"], "metadata": {"a": 1}}
    )
    assert (list(found.capabilities), dict(found.metadata)) == (["read", "write"], {"a": 1})
    assert [one.instance_uuid for one in found.instances] == [granted.instance_uuid]
    message = await asyncio.wait_for(watch.read(), 5)
    assert [(event.key, event.reason) for event in message.events] == [(granted.component_id, "updated")]
    assert message.events[0].definition.revision == found.revision > granted.revision
    watch.cancel()


async def test_an_update_moves_a_component_between_filters(api: Stubs) -> None:
    """A watcher of a capability sees it come with its instance, and go."""
    capability = new_id("cap")
    granted = await api.register()
    watch = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(capabilities=[capability]))
    assert (await asyncio.wait_for(watch.read(), 5)).phase == registry_pb.WatchRegistryResponse.PHASE_SNAPSHOT_END
    both = [granted.component_id, granted.instance_uuid]
    await update(api, granted.component_id, {"capabilities": [capability]})
    assert [event.key for event in (await asyncio.wait_for(watch.read(), 5)).events] == both
    await update(api, granted.component_id, {"capabilities": None})
    gone = (await asyncio.wait_for(watch.read(), 5)).events
    assert {event.key for event in gone} == set(both)
    assert {event.type for event in gone} == {registry_pb.RegistryEvent.TYPE_REMOVED}
    watch.cancel()


async def test_expected_revision_is_a_compare_and_set(api: Stubs) -> None:
    """The loser is told the revision to read again."""
    granted = await api.register()
    changed = await update(api, granted.component_id, {"component_name": "B"}, expected_revision=granted.revision)
    with refused("conflict") as failure:
        await update(api, granted.component_id, {"component_name": "C"}, expected_revision=granted.revision)
    assert str(changed.revision) in failure.message


async def test_a_request_id_makes_an_update_repeatable(api: Stubs) -> None:
    """The same patch again is answered again, also after somebody else changed the component."""
    granted = await api.register()
    request_id = new_id("request")
    await update(api, granted.component_id, {"component_name": "B"}, request_id=request_id)
    await update(api, granted.component_id, {"component_name": "C"})
    await update(api, granted.component_id, {"component_name": "B"}, request_id=request_id)
    found = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=granted.component_id))
    assert found.component_name == "C"
    with refused("request_mismatch"):
        await update(api, granted.component_id, {"component_name": "D"}, request_id=request_id)


async def test_what_is_updated_outlives_the_lease_and_the_next_registration_wins(api: Stubs) -> None:
    """The last writer wins."""
    granted = await api.register(component_name="first")
    await update(api, granted.component_id, {"component_name": "second"})
    await api.register(granted.component_id, component_name="third")
    found = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=granted.component_id))
    assert found.component_name == "third"


async def test_a_patch_over_rest_is_the_body_itself(http: httpx.AsyncClient) -> None:
    """Nulls, nesting and all; sent as application/json or as application/merge-patch+json; 200 with the component."""
    component_id = new_id("rest")
    body = {
        "component_id": component_id, "component_name": "R", "component_type": "ui", "version": "1.0.0",
        "capabilities": ["a"], "metadata": {"keep": [1, None, {"x": 0.5}], "drop": True},
    }  # fmt: skip
    assert (await http.post("/api/tekton/components", json=body)).status_code == 201
    path = f"/api/tekton/components/{component_id}"
    patch = b'{"component_name": "R2", "capabilities": null, "metadata": {"drop": null, "new": {"deep": "\\u00fc"}}}'
    reply = await http.patch(path, content=patch, headers={"content-type": "application/merge-patch+json"})
    assert reply.status_code == 200, reply.text
    shown = reply.json()
    assert (shown["component_name"], shown["capabilities"]) == ("R2", [])
    assert shown["metadata"] == {"keep": [1, None, {"x": 0.5}], "new": {"deep": "ü"}}
    assert reply.headers["tekton-revision"].endswith("." + shown["revision"])
    again = await http.patch(path, json={"component_name": "R2"}, params={"expected_revision": shown["revision"]})
    assert (again.status_code, again.json()["revision"]) == (200, shown["revision"])
    stale = await http.patch(path, json={"component_name": "R3"}, params={"expected_revision": 1})
    assert (stale.status_code, stale.json()["error"]["reason"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"[]", ""),
        (b'"text"', ""),
        (b"5", ""),
        (b"{", "JSON"),
        (b'{"patch": {"component_name": "x"}}', "patch"),
        (b'{"version": "2.0.0"}', "version"),
        (b'{"instances": []}', "instances"),
        (b'{"component_name": 5}', "component_name"),
        (b'{"capabilities": "one"}', "capabilities"),
        (b'{"metadata": null, "metadata ": {}}', "metadata "),
    ],
)
async def test_a_body_that_is_no_patch_is_refused_naming_the_field(
    http: httpx.AsyncClient, content: bytes, named: str
) -> None:
    """400 in the documented body, and nothing is changed."""
    component_id = new_id("rest")
    body = {"component_id": component_id, "component_name": "R", "component_type": "ui", "version": "1.0.0"}
    before = (await http.post("/api/tekton/components", json=body)).json()["revision"]
    path = f"/api/tekton/components/{component_id}"
    reply = await http.patch(path, content=content, headers={"content-type": "application/json"})
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert (error["code"], error["reason"]) == (1000, "validation_error") and named in error["message"]
    assert (await http.get(path)).json()["revision"] == before


@pytest.mark.parametrize("content", [b"", b"{}"])
async def test_an_empty_patch_changes_nothing(http: httpx.AsyncClient, content: bytes) -> None:
    """It reads the component."""
    component_id = new_id("rest")
    body = {"component_id": component_id, "component_name": "R", "component_type": "ui", "version": "1.0.0"}
    before = (await http.post("/api/tekton/components", json=body)).json()["revision"]
    reply = await http.patch(
        f"/api/tekton/components/{component_id}", content=content, headers={"content-type": "application/json"}
    )
    assert (reply.status_code, reply.json()["revision"]) == (200, before)


async def test_a_component_that_is_not_there_is_1001(api: Stubs) -> None:
    with refused("component_not_found"):
        await update(api, "nobody", {"component_name": "x"})


async def test_a_repeated_update_is_answered_with_what_it_did_then(api: Stubs) -> None:
    """Another update came between, and then the component's end: neither becomes part of the old answer."""
    granted, request_id = await api.register(), new_id("request")
    first = await update(api, granted.component_id, {"component_name": "One"}, request_id=request_id)
    await update(api, granted.component_id, {"component_name": "Two"})
    again = await update(api, granted.component_id, {"component_name": "One"}, request_id=request_id)
    assert (again.component_name, again.revision) == ("One", first.revision)
    assert [one.instance_uuid for one in again.instances] == [granted.instance_uuid]
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=granted.component_id))
    last = await update(api, granted.component_id, {"component_name": "One"}, request_id=request_id)
    assert (last.component_name, last.revision, len(last.instances)) == ("One", first.revision, 0)
