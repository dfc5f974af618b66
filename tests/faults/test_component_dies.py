"""A real component process dies: everybody who looks agrees, and soon enough."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tekton.client import TektonClient
from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tests.support.client import new_id, stubs
from tests.support.control_plane import TIMEOUT, ControlPlane
from tests.support.ports import free_port

COMPONENT = Path(__file__).parents[2] / "examples" / "echo_component.py"
S = pb.ComponentState


@asynccontextmanager
async def component(tekton: ControlPlane, component_id: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the example component in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(COMPONENT), "--id", component_id, "--port", str(free_port()), "--capability", "echo"),
        env=os.environ | {"TEKTON_HOST": tekton.host, "TEKTON_PORT": str(tekton.port)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def seen_over_grpc(tekton: ControlPlane, component_id: str, state: int) -> lifecycle_pb.StateChange:
    """Watch over gRPC until a state is entered."""
    async with stubs(tekton.gateway) as api:
        asked = lifecycle_pb.WatchStatesRequest(component_ids=[component_id])
        async for message in api.lifecycle.WatchStates(asked):
            for change in message.changes:
                if change.new_state == state:
                    return change
    raise AssertionError("the watch ended")


async def seen_over_sse(tekton: ControlPlane, component_id: str, state: str) -> dict[str, Any]:
    """Watch as a browser does until a state is entered."""
    url = f"{tekton.http}/events/tekton/state?component_ids={component_id}"
    async with httpx.AsyncClient(timeout=None) as http, http.stream("GET", url) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                event: dict[str, Any] = json.loads(line[5:])
                if event.get("new_state") == state:
                    return event
    raise AssertionError("the stream ended")


async def until_ready(tekton: ControlPlane, component_id: str) -> None:
    """Wait until a component is ready."""
    async with httpx.AsyncClient(base_url=tekton.http) as http, asyncio.timeout(20):
        while (await http.get(f"/api/tekton/components/{component_id}")).json().get("status") != "ready":
            await asyncio.sleep(0.05)


async def test_a_killed_component_is_failed_for_every_watcher_within_its_timeout_and_a_second(
    tekton: ControlPlane,
) -> None:
    """Over gRPC, over SSE, over REST and in the SDK, with the same evidence."""
    component_id = new_id("mortal")
    async with component(tekton, component_id) as process, TektonClient(tekton.host, tekton.port) as sdk:
        await until_ready(tekton, component_id)
        found = await sdk.find_component(component_id)
        assert found is not None and await found.check_health()
        watchers = asyncio.gather(
            seen_over_grpc(tekton, component_id, S.failed), seen_over_sse(tekton, component_id, "failed")
        )
        process.kill()
        await process.wait()
        async with asyncio.timeout(TIMEOUT + 5):
            grpc_event, sse_event = await watchers
        seen_at = time.time()
        last_beat = datetime.fromisoformat(grpc_event.metadata.fields["last_heartbeat"].string_value)
        assert seen_at - last_beat.timestamp() <= TIMEOUT + 1
        assert (grpc_event.previous_state, grpc_event.reason) == (S.ready, "lease_expired")
        assert sse_event["reason"] == "lease_expired" and sse_event["revision"] == str(grpc_event.revision)
        assert sse_event["metadata"]["stream"] == "closed"
        async with httpx.AsyncClient(base_url=tekton.http) as http:
            shown = (await http.get(f"/api/tekton/components/{component_id}")).json()
        assert shown["status"] == "failed" and shown["instances"][0]["status_reason"] == "lease_expired"
        assert (await sdk.get_component_status(component_id))["status"] == "failed"
        assert await sdk.find_component(component_id) is None
        assert await sdk.find_components_by_capability("echo") == []


async def test_a_component_that_is_asked_to_end_says_goodbye(tekton: ControlPlane) -> None:
    """SIGTERM: stopping and stopped, never failed."""
    component_id = new_id("polite")
    async with component(tekton, component_id) as process:
        await until_ready(tekton, component_id)
        watcher = asyncio.create_task(seen_over_sse(tekton, component_id, "stopped"))
        await asyncio.sleep(0)
        process.terminate()
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        async with httpx.AsyncClient(base_url=tekton.http) as http:
            shown = (await http.get(f"/api/tekton/components/{component_id}")).json()
        assert shown["status"] == "stopped"
        watcher.cancel()


async def test_a_stopped_process_that_goes_on_in_time_never_changes_state(tekton: ControlPlane) -> None:
    """SIGSTOP for less than the timeout, then SIGCONT: no watcher hears of it."""
    component_id = new_id("paused")
    async with component(tekton, component_id) as process, stubs(tekton.direct) as api:
        await until_ready(tekton, component_id)
        asked = lifecycle_pb.WatchStatesRequest(component_ids=[component_id])
        watch = api.lifecycle.WatchStates(asked)
        await watch.read()
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(TIMEOUT / 2)
        process.send_signal(signal.SIGCONT)
        reading = asyncio.create_task(watch.read())
        done, _ = await asyncio.wait([reading], timeout=TIMEOUT + 1)
        assert not done
        reading.cancel()
