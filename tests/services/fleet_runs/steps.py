"""Starting and stopping many to the end, and what is told meanwhile."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tekton.v1 import lifecycle_service_pb2 as pb
from tests.support.client import Stubs, new_id
from tests.support.control_plane import ControlPlane

Steps = list[pb.FleetProgress]


def ids(*names: str) -> list[str]:
    """Make component ids that no other test uses."""
    return [new_id(name) for name in names]


async def started(api: Stubs, *component_ids: str, **how: Any) -> Steps:
    """Start components to the end."""
    request = pb.StartComponentsRequest(**({"component_ids": component_ids} | how))
    return [step async for step in api.lifecycle.StartComponents(request, timeout=20)]


async def stopped(api: Stubs, *component_ids: str, **how: Any) -> Steps:
    """Stop components to the end."""
    request = pb.StopComponentsRequest(**({"component_ids": component_ids} | how))
    return [step async for step in api.lifecycle.StopComponents(request, timeout=20)]


def told(steps: Steps, component_id: str) -> list[str]:
    """Give what was told of one component."""
    return [step.event for step in steps if step.component_id == component_id]


def end_of(steps: Steps, component_id: str) -> pb.FleetProgress:
    """Give its last step."""
    return [step for step in steps if step.component_id == component_id][-1]


async def events(plane: ControlPlane, path: str, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Post a start or a stop, and read its events to the end."""
    async with (
        httpx.AsyncClient(base_url=plane.http, timeout=20) as http,
        http.stream("POST", path, json=body) as reply,
    ):
        assert reply.status_code == 200 and reply.headers["content-type"] == "text/event-stream"
        text = (await reply.aread()).decode()
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found
