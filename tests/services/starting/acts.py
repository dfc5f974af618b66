"""Starting, stopping and restarting one component, and what is seen of it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from tekton.core.view import Instance, Launch
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as pb
from tests.support.client import Stubs
from tests.support.control_plane import ControlPlane
from tests.support.launched import files_of

COMPONENTS = "/api/tekton/components"


async def start(api: Stubs, component_id: str, **fields: Any) -> pb.StartComponentResponse:
    """Start a component."""
    request = pb.StartComponentRequest(component_id=component_id, **fields)
    return await api.lifecycle.StartComponent(request, timeout=20)


async def stop(api: Stubs, component_id: str, **fields: Any) -> pb.StopComponentResponse:
    """Stop a component."""
    return await api.lifecycle.StopComponent(pb.StopComponentRequest(component_id=component_id, **fields), timeout=20)


async def restart(api: Stubs, component_id: str, **fields: Any) -> pb.RestartComponentResponse:
    """Restart a component."""
    request = pb.RestartComponentRequest(component_id=component_id, **fields)
    return await api.lifecycle.RestartComponent(request, timeout=20)


async def joined(api: Stubs, component_id: str, instance_uuid: str, state: str = "ready") -> Any:
    """Do what the program of a launch does in its place: register as what it was launched as, and say how it is."""
    granted = await api.register(component_id, instance_uuid=instance_uuid)
    beat = heartbeat_pb.SendHeartbeatRequest(component_id=component_id, instance_uuid=instance_uuid, state=state)
    await api.heartbeat.SendHeartbeat(beat)
    return granted


def launch_of(tekton: ControlPlane, component_id: str) -> Launch:
    """Read the launch of a component."""
    found = tekton.app.live.view.launch(component_id)
    assert found is not None
    return found


def kill(tekton: ControlPlane, component_id: str, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal the process of a component itself."""
    status = files_of(tekton.settings.data_path, component_id)[0].status()
    assert status is not None
    os.kill(status.pid, number)


async def phase(tekton: ControlPlane, component_id: str, wanted: str) -> Launch:
    """Wait until a launch is so far."""
    async with asyncio.timeout(5):
        while (found := launch_of(tekton, component_id)).phase != wanted:
            await asyncio.sleep(0.01)
    return found


def instance(tekton: ControlPlane, instance_uuid: str) -> Instance:
    """Read an instance."""
    found = tekton.app.live.view.instance(instance_uuid)
    assert found is not None
    return found


async def said(tekton: ControlPlane, component_id: str, text: str) -> None:
    """Wait until a component has written something."""
    log = files_of(tekton.settings.data_path, component_id)[0].log
    async with asyncio.timeout(5):
        while not log.exists() or text not in log.read_text():
            await asyncio.sleep(0.01)
