"""What is kept of a component between reads is never shown after it changed."""

from __future__ import annotations

import asyncio

import pytest

from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.services import faces
from tests.support.client import Stubs, new_id, registration
from tests.support.control_plane import ControlPlane


async def read(api: Stubs, component_id: str) -> tuple[pb.Component, pb.ComponentSummary]:
    """Read a component both ways."""
    one = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=component_id))
    rows = await api.registry.ListComponents(registry_pb.ListComponentsRequest(q=component_id))
    return one, next(row for row in rows.components if row.component_id == component_id)


async def test_every_change_is_seen_by_the_next_read(api: Stubs) -> None:
    """Of the definition, of an instance's state, of the instances there are, and of time."""
    request = registration(capabilities=["one"])
    granted = await api.registry.RegisterComponent(request)
    first, row = await read(api, request.component_id)
    assert list(first.capabilities) == list(row.capabilities) == ["one"] and len(first.instances) == 1
    again, same = await read(api, request.component_id)
    assert (again, same) == (first, row), "nothing has happened between the two"

    beat = heartbeat_pb.SendHeartbeatRequest(
        component_id=request.component_id, instance_uuid=granted.instance_uuid, state="ready"
    )
    await api.heartbeat.SendHeartbeat(beat)
    beaten, row = await read(api, request.component_id)
    assert beaten.status == row.status == pb.ComponentState.ready
    assert beaten.last_heartbeat.ToDatetime() > first.last_heartbeat.ToDatetime()
    assert beaten.last_heartbeat == beaten.instances[0].last_heartbeat == row.last_heartbeat
    await asyncio.sleep(0.02)
    later, _ = await read(api, request.component_id)
    assert later.uptime_seconds > beaten.uptime_seconds

    second = registration(request.component_id, capabilities=["one", "two"])
    newer = await api.registry.RegisterComponent(second)
    both, row = await read(api, request.component_id)
    assert [one.instance_uuid for one in both.instances] == [newer.instance_uuid, granted.instance_uuid]
    assert list(both.capabilities) == list(row.capabilities) == ["one", "two"]
    assert both.instances[1].last_heartbeat == later.last_heartbeat, "each instance has its own last beat"

    await api.registry.DeregisterComponent(
        registry_pb.DeregisterComponentRequest(component_id=request.component_id, instance_uuid=granted.instance_uuid)
    )
    ended, row = await read(api, request.component_id)
    assert ended.instances[1].status == pb.ComponentState.stopped and ended.uptime_seconds == 0
    assert row.instance_uuid == newer.instance_uuid


async def test_what_is_kept_is_bounded(api: Stubs, tekton: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest make room."""
    kind = new_id("kind")
    for _ in range(3):
        await api.register(component_type=kind)
    monkeypatch.setattr(faces, "MOST", 2)
    kept = faces.Kept(lambda found: pb.Component(component_id=found.definition.component_id))
    first, second, third = tekton.app.live.view.of_type(kind)
    message = kept.of(first)
    assert kept.of(first) is message
    for one in (second, third):
        kept.of(one)
    assert list(kept._known) == [second, third]
    assert kept.of(first) is not message
