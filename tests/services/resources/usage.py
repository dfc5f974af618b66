"""What is used, as the API reference shows it, and how tests read, report and limit it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton_server.sections import ResourceRules
from tests.support.client import Stubs
from tests.support.control_plane import QUIET, ControlPlane, control_plane, settings_for
from tests.support.sse import Events

# What the API reference shows, in our own words.
SYSTEM = {
    "cpu": {"overall_percent": 45.2, "per_core": [35.1, 55.3], "cores": 4, "load_average": [2.3, 2.1, 1.9]},
    "memory": {
        "total": 16.0, "used": 8.5, "free": 7.5, "percent": 53.1, "swap_total": 8.0, "swap_used": 1.2, "swap_free": 6.8
    },
    "disk": {"total": 512.0, "used": 256.0, "free": 256.0, "percent": 50.0},
    "gpu": [
        {
            "id": 0, "name": "A", "util": 45, "memory_total": 24.0, "memory_used": 4.2, "memory_free": 19.8,
            "temperature": 65,
        }
    ],
    "timestamp": "2025-04-30T15:20:30Z",
}  # fmt: skip

COMPONENT = {
    "component_id": "rhetor",
    "resource_usage": {
        "cpu_percent": 25.3,
        "memory": {"rss": 512.0, "vms": 1024.0, "percent": 12.5},
        "gpu": {"id": 0, "memory_used": 2.1},
        "network": {"bytes_sent": 1024000, "bytes_recv": 2048000},
        "disk_io": {"read_bytes": 10485760, "write_bytes": 5242880},
    },
    "timestamp": "2025-04-30T15:20:30Z",
}

USAGE = {
    "cpu_percent": 15.2, "memory_mb": 256.5, "memory_percent": 12.5, "gpu_memory_mb": 1024.0, "gpu_util": 45.3,
    "disk_read_bytes": 1024000, "disk_write_bytes": 512000, "network_recv_bytes": 2048000,
    "network_sent_bytes": 1024000,
}  # fmt: skip


def limited(url: str, folder: Path, **rules: Any) -> Any:
    """Make a control plane with rules of its own."""
    chosen = msgspec.structs.replace(
        settings_for(url, folder, timeout=60),
        monitoring=msgspec.structs.replace(QUIET, collection_interval=0.2),
        resources=ResourceRules(**{"over_limit_after": 0, **rules}),
    )
    return control_plane(url, folder, settings=chosen)


async def read(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Read a path that is there."""
    reply = await http.get(path)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def ready(direct: Stubs, component_id: str | None = None) -> tuple[str, str]:
    """Register an instance that is ready; give component and instance."""
    granted = await direct.register(component_id)
    report = lifecycle_pb.UpdateComponentStateRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, state="ready"
    )
    await direct.lifecycle.UpdateComponentState(report)
    return granted.component_id, granted.instance_uuid


async def until(look: Any, good: Any) -> Any:
    """Read until it is good."""
    async with asyncio.timeout(10):
        while not good(found := await look()):
            await asyncio.sleep(0.02)
    return found


async def report(http: httpx.AsyncClient, who: tuple[str, str], **usage: float) -> None:
    """Report what an instance uses."""
    body = {"instance_uuid": who[1], "usage": usage}
    reply = await http.post(f"/components/{who[0]}/resources", json=body)
    assert reply.status_code == 200 and reply.json()["success"] is True, reply.text


def client(tekton: ControlPlane) -> httpx.AsyncClient:
    """Open a client on the gateway of another control plane."""
    return httpx.AsyncClient(base_url=f"{tekton.http}/api/tekton", timeout=10)


async def constrain(http: httpx.AsyncClient, component_id: str, **limits: Any) -> dict[str, Any]:
    """Set constraints."""
    reply = await http.put(f"/components/{component_id}/constraints", json=limits)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def following(stream: Events, name: str) -> dict[str, Any]:
    """Read on to the next event of a name."""
    while (event := await stream.next()).name != name:
        pass
    found: dict[str, Any] = event.data
    return found
