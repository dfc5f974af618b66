"""A process that was stopped for two timeouts is a zombie: its place is taken, and it does no harm to who took it."""

from __future__ import annotations

import asyncio
import signal

import httpx

from tekton.client import TektonClient
from tests.faults.test_blocked_processes import followed
from tests.faults.test_component_dies import component, until_ready
from tests.sdk.fleet import component as registration
from tests.support.client import new_id
from tests.support.control_plane import TIMEOUT, ControlPlane


async def test_a_zombie_leaves_its_replacement_alone(tekton: ControlPlane) -> None:
    """SIGSTOP, a replacement at the same address, SIGCONT: its beats, its deregistration and its end change nothing."""
    component_id = new_id("zombie")
    async with component(tekton, component_id) as process, TektonClient(tekton.host, tekton.port) as client:
        await until_ready(tekton, component_id)
        [zombie] = (await client.get_component(component_id))["instances"]
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(2 * TIMEOUT)
        assert (await client.get_component_status(component_id))["status_reason"] == "lease_expired"
        newer = registration(component_id=component_id, component_name=component_id.title(), port=zombie["port"])
        newer.capabilities = ["echo"]
        assert await client.register_component(newer)
        task = client.start_heartbeat(component_id, state="ready")
        async with asyncio.timeout(5):
            while task.state != "ready":
                await asyncio.sleep(0.02)
        async with followed(tekton, component_id) as history:
            process.send_signal(signal.SIGCONT)
            await asyncio.sleep(TIMEOUT / 2)
            process.terminate()
            async with asyncio.timeout(10):
                assert await process.wait() == 0
            await asyncio.sleep(1.2 * TIMEOUT)
            assert history.seen() == []
        async with httpx.AsyncClient(base_url=tekton.http) as http:
            shown = (await http.get(f"/api/tekton/components/{component_id}")).json()
        known = {one["instance_uuid"]: (one["status"], one["status_reason"]) for one in shown["instances"]}
        assert known == {
            zombie["instance_uuid"]: ("failed", "lease_expired"),
            newer.instance_uuid: ("ready", "heartbeat"),
        }
        assert task.running
