"""The heartbeat monitor: beats count, the leases judge, and what failed is started again, but not for ever."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tekton.client import TektonClient, ValidationError
from tekton.core.component_lifecycle import ComponentRegistry
from tekton.core.heartbeat_monitor import ComponentHeartbeat, HeartbeatMonitor, Recovery
from tekton.core.startup_coordinator import EnhancedStartUpCoordinator
from tests.sdk.fleet import component, eventually
from tests.sdk.server import INTERVAL, TIMEOUT

LONG = 20.0
QUICK = Recovery(burst=3, interval=60.0, initial=0.02, longest=0.02)


@pytest_asyncio.fixture
async def coordinator(client: TektonClient) -> AsyncIterator[EnhancedStartUpCoordinator]:
    """A coordinator on the server of the folder."""
    async with EnhancedStartUpCoordinator(ComponentRegistry(client=client), startup_timeout=LONG) as opened:
        yield opened


@pytest_asyncio.fixture
async def monitor(coordinator: EnhancedStartUpCoordinator) -> AsyncIterator[HeartbeatMonitor]:
    """A monitor that starts again at once, three times in a minute."""
    made = HeartbeatMonitor(coordinator.registry, coordinator, recovery=QUICK)
    await made.start_monitoring(heartbeat_timeout=TIMEOUT)
    yield made
    await made.stop_monitoring()


async def _registered(registry: ComponentRegistry) -> tuple[str, str]:
    registration = component()
    assert await registry.register_component(registration)
    return registration.component_id, registration.instance_uuid


async def status(monitor: HeartbeatMonitor, name: str) -> str:
    """Read the state of a component."""
    health = await monitor.registry.get_component_health(name)
    return health.state if health else ""


async def test_beats_keep_an_instance_and_a_missed_timeout_fails_it(monitor: HeartbeatMonitor) -> None:
    """With the state and the figures that they bring; the lease is what runs out."""
    name, instance = await _registered(monitor.registry)
    until = time.monotonic() + 1.5 * TIMEOUT
    while time.monotonic() < until:
        beat = ComponentHeartbeat(name, instance, time.time(), "ready", {"cpu_percent": 15.2})
        assert await monitor.process_heartbeat(beat)
        await asyncio.sleep(INTERVAL)
    assert await status(monitor, name) == "ready"
    found = await (await monitor.registry.client()).get_component_status(name)
    assert found["metrics"] == {"cpu_percent": 15.2}

    async def failed() -> bool:
        return await status(monitor, name) == "failed"

    await eventually(failed, within=4 * TIMEOUT)
    health = await monitor.registry.get_component_health(name)
    assert health is not None and health.reason == "lease_expired"
    # A beat brings it back, as any beat does.
    assert await monitor.process_heartbeat(ComponentHeartbeat(name, instance))
    assert await status(monitor, name) == "ready"


async def test_a_beat_that_is_no_sign_of_life_is_refused(monitor: HeartbeatMonitor) -> None:
    """Too old; nobody's; or no beat at all. One that came after a later one says nothing new."""
    name, instance = await _registered(monitor.registry)
    now = time.time()
    late = await monitor.process_heartbeat(ComponentHeartbeat(name, instance, now - 100, "ready"))
    assert (late.success, late.message) == (False, f"this heartbeat of {name} is 100 s old: no sign of life")
    assert await monitor.process_heartbeat(ComponentHeartbeat(name, instance, now, "starting"))
    passed_over = await monitor.process_heartbeat(ComponentHeartbeat(name, instance, now - 0.1, "ready"))
    assert passed_over and passed_over.message == f"a later heartbeat of {name} was heard before"
    assert await status(monitor, name) == "starting"
    back = await monitor.process_heartbeat(ComponentHeartbeat(name, instance, datetime.now(UTC), "registering"))
    assert back.success and "registering" in back.message
    ahead = (datetime.now(UTC) + timedelta(hours=1)).replace(tzinfo=None)
    assert await monitor.process_heartbeat(ComponentHeartbeat(name, instance, ahead))
    assert (await monitor.process_heartbeat(ComponentHeartbeat(name, instance))).message == "Heartbeat received"
    for beat in (
        ComponentHeartbeat(name, str(uuid.uuid4())),
        ComponentHeartbeat("nobody_at_all", instance),
        ComponentHeartbeat(name, instance, float("nan")),
        ComponentHeartbeat(name, instance, now * 1000),
        ComponentHeartbeat(name, instance, "now"),  # type: ignore[arg-type]
        ComponentHeartbeat(name, instance, now + 2, "reddy"),
        {"component_id": name},
    ):
        refused = await monitor.process_heartbeat(beat)  # type: ignore[arg-type]
        assert not refused and refused.error is not None


async def test_what_failed_is_started_again(
    monitor: HeartbeatMonitor, coordinator: EnhancedStartUpCoordinator, client: TektonClient
) -> None:
    """Whoever failed it: here it says so itself. What nobody knows how to start is left alone."""
    name, calls = component("patient").component_id, 0

    async def start() -> None:
        nonlocal calls
        calls += 1

    assert await coordinator.start_component(name, start)
    other, instance = await _registered(monitor.registry)
    await client.update_component_state(other, instance, "failed")
    found = await client.get_component(name)
    await client.update_component_state(name, found["instances"][0]["instance_uuid"], "failed")

    async def again() -> bool:
        return calls == 2 and await status(monitor, name) == "ready"

    await eventually(again)
    assert (await status(monitor, other), monitor.gave_up) == ("failed", [])


async def test_what_always_fails_is_given_up_and_taken_up_again_once_it_is_well(
    monitor: HeartbeatMonitor, coordinator: EnhancedStartUpCoordinator, caplog: pytest.LogCaptureFixture
) -> None:
    """After as many restarts as are allowed; whoever starts it then has it counted as well again."""
    name, calls, broken = component("hopeless").component_id, 0, True

    async def start() -> None:
        nonlocal calls
        calls += 1
        if broken:
            raise OSError("no such device")

    assert not await coordinator.start_component(name, start)

    async def given_up() -> bool:
        return monitor.gave_up == [name]

    await eventually(given_up, within=LONG)
    assert calls == 1 + QUICK.burst
    assert f"{name} failed too often" in caplog.text
    broken = False
    assert await coordinator.start_component(name)

    async def well() -> bool:
        return monitor.gave_up == []

    await eventually(well)


async def test_after_it_stopped_nothing_is_started_again(
    monitor: HeartbeatMonitor, coordinator: EnhancedStartUpCoordinator
) -> None:
    """A restart that waits for its turn is given up too; monitoring may begin again."""
    name, calls = component("left").component_id, 0

    async def start() -> None:
        nonlocal calls
        calls += 1
        raise OSError("no such device")

    await monitor.stop_monitoring()
    await monitor.stop_monitoring()
    assert not monitor.monitoring
    assert not await coordinator.start_component(name, start)
    slow = HeartbeatMonitor(coordinator=coordinator, recovery=Recovery(initial=LONG, longest=LONG))
    await slow.start_monitoring()
    await slow.stop_monitoring()
    assert calls == 1
    await monitor.start_monitoring(heartbeat_timeout=TIMEOUT)
    await monitor.start_monitoring(heartbeat_timeout=TIMEOUT)

    async def tried() -> bool:
        return calls > 1

    await eventually(tried)


async def test_another_timeout_than_that_of_a_running_tekton_is_told_once(
    monitor: HeartbeatMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    """There is one judge, and its setting is named."""
    name, instance = await _registered(monitor.registry)
    with caplog.at_level(logging.WARNING, "tekton"):
        await monitor.process_heartbeat(ComponentHeartbeat(name, instance))
        assert "components.heartbeat_timeout" not in caplog.text
        await monitor.start_monitoring(heartbeat_timeout=7)
        for _ in range(2):
            await monitor.process_heartbeat(ComponentHeartbeat(name, instance))
    assert caplog.text.count(f"after {TIMEOUT:g} s without a beat, not after the 7 s that were asked for") == 1


@pytest.mark.parametrize("timeout", [0, -1, "30", float("inf"), True])
async def test_a_timeout_that_is_none_is_refused(timeout: Any) -> None:
    with pytest.raises(ValidationError, match="heartbeat_timeout must be a number of seconds over 0"):
        await HeartbeatMonitor().start_monitoring(timeout)
