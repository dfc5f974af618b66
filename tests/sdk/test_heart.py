"""The heart: a lease is kept whatever the application does, and lost only when it must be."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
import weakref
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from grpc import aio

from tekton import _heart, _heartbeat_task
from tekton._channel import Target
from tekton._lease import KeptLease
from tekton.client import ComponentNotFoundError, HeartbeatTask, LeaseLost, TektonClient, ValidationError
from tekton.core.ids import new_uuid
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub
from tests.sdk.fleet import component, eventually
from tests.sdk.server import INTERVAL, TIMEOUT, ServerProcess
from tests.support.ports import free_port


async def _status(client: TektonClient, component_id: str) -> str:
    return str((await client.get_component_status(component_id))["status"])


async def _beating(client: TektonClient, **options: object) -> HeartbeatTask:
    registration = component()
    await client.register_component(registration)
    task = client.start_heartbeat(registration.component_id, state="ready", **options)
    await eventually(lambda: _has(task, "ready"))
    return task


async def _has(task: HeartbeatTask, state: str) -> bool:
    return task.state == state


async def _not_running(task: HeartbeatTask) -> bool:
    return not task.running


async def test_a_heartbeat_keeps_the_lease_and_stop_says_goodbye(client: TektonClient) -> None:
    """`await task.stop()` walks the instance to stopped."""
    task = await _beating(client)
    await asyncio.sleep(1.5 * TIMEOUT)
    assert await _status(client, task.component_id) == "ready"
    assert task.running
    assert task.last_ack is not None
    assert await task.stop() is True
    assert await _status(client, task.component_id) == "stopped"
    assert not task.running
    assert await task.stop() is True


async def test_without_a_heartbeat_the_lease_runs_out(client: TektonClient) -> None:
    """What makes the tests around this one mean something."""
    registration = component()
    await client.register_component(registration)
    await client.update_component_state(registration.component_id, registration.instance_uuid, "ready")

    async def failed() -> bool:
        return await _status(client, registration.component_id) == "failed"

    await eventually(failed, within=3 * TIMEOUT)


async def test_a_blocked_event_loop_is_busy_and_not_dead(client: TektonClient) -> None:
    """The beats come from another thread: blocking the loop for longer than the timeout is shown, and fails nobody."""
    task = await _beating(client)
    watch = aiter(client.watch_states(component_ids=[task.component_id]))
    reading = asyncio.create_task(_next_changes(watch, 2))
    await asyncio.sleep(INTERVAL)
    time.sleep(1.5 * TIMEOUT)
    unblocked = time.monotonic()
    changes = await asyncio.wait_for(reading, 5)
    assert time.monotonic() - unblocked < 3 * INTERVAL
    assert [(one["new_state"], one["reason"]) for one in changes] == [
        ("degraded", "event_loop_blocked"),
        ("ready", "event_loop_free"),
    ]
    shown = await client.get_component(task.component_id)
    assert [one["instance_uuid"] for one in shown["instances"]] == [task.instance_uuid]


async def _next_changes(watch: AsyncIterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return [await anext(watch) for _ in range(count)]


async def test_the_shorter_interval_wins(client: TektonClient) -> None:
    """The server's own, unless the application wants to beat more often."""
    task = await _beating(client)
    assert task.interval == INTERVAL
    quick = await _beating(client, interval=0.1)
    assert quick.interval == 0.1


async def test_only_what_was_registered_here_can_be_kept(client: TektonClient) -> None:
    """Otherwise there would be no instance to beat for."""
    with pytest.raises(ValueError, match="register_component first"):
        client.start_heartbeat("somebody_else")


async def test_beats_carry_metrics(client: TektonClient) -> None:
    """From the start, and as reported later."""
    task = await _beating(client, metrics={"cpu_percent": 12.5})

    async def shown(metrics: dict[str, float]) -> bool:
        return (await client.get_component_status(task.component_id))["metrics"] == metrics

    await eventually(lambda: shown({"cpu_percent": 12.5}))
    task.report(metrics={"cpu_percent": 80}, state="degraded")
    await eventually(lambda: shown({"cpu_percent": 80.0}))
    await eventually(lambda: _has(task, "degraded"))
    with pytest.raises(ValidationError):
        task.report(metrics={"cpu_percent": float("nan")})


@pytest.mark.parametrize("interval", ["5", 0, -1, float("nan"), float("inf"), None, True])
async def test_an_interval_that_is_none_is_refused_at_once(client: TektonClient, interval: object) -> None:
    """It must never get as far as the thread that beats for everybody."""
    registration = component()
    await client.register_component(registration)
    with pytest.raises(ValidationError, match="interval"):
        client.start_heartbeat(registration.component_id, interval=interval)  # type: ignore[arg-type]


async def test_a_state_is_claimed_once(client: TektonClient) -> None:
    """A claim of before does not undo what was recorded since."""
    task = await _beating(client)
    await client.update_component_state(task.component_id, task.instance_uuid, "degraded")
    await asyncio.sleep(4 * INTERVAL)
    assert await _status(client, task.component_id) == "degraded"
    assert task.state == "degraded"


async def test_what_somebody_ended_on_purpose_does_not_come_back(client: TektonClient, server: ServerProcess) -> None:
    """An operator removes a component whose process lives: the application is told, and stays out."""
    told: list[LeaseLost] = []
    task = await _beating(client, on_lease_lost=told.append)
    await _remove(server, task.component_id)

    async def heard() -> bool:
        return bool(told)

    await eventually(heard)
    assert (told[0].instance_uuid, told[0].reason) == (task.instance_uuid, "ended")
    await asyncio.sleep(4 * INTERVAL)
    with pytest.raises(ComponentNotFoundError):
        await client.get_component_status(task.component_id)


async def _remove(server: ServerProcess, component_id: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.delete(
            f"{server.http}/api/tekton/components/{component_id}", headers={"content-type": "application/json"}
        )
        answer.raise_for_status()


async def test_a_superseded_instance_gives_way(client: TektonClient, server: ServerProcess) -> None:
    """It does not fight with its successor, and the application is told on its own loop."""
    told: list[tuple[LeaseLost, int]] = []
    task = await _beating(client, on_lease_lost=lambda lost: told.append((lost, threading.get_ident())))
    async with TektonClient(server.host, server.port) as other:
        port = (await client.get_component(task.component_id))["port"]
        newer = component(component_id=task.component_id, port=port)
        await other.register_component(newer)
        other.start_heartbeat(newer.component_id, state="ready")

        async def heard() -> bool:
            return bool(told)

        await eventually(heard)
        lost, thread = told[0]
        assert (lost.component_id, lost.instance_uuid, lost.reason) == (
            task.component_id,
            task.instance_uuid,
            "superseded",
        )
        assert thread == threading.get_ident()
        assert not task.running
        await asyncio.sleep(3 * INTERVAL)
        shown = await other.get_component_status(newer.component_id)
        assert (shown["status"], shown["instance_uuid"]) == ("ready", newer.instance_uuid)
        with pytest.raises(ValueError, match="register_component first"):
            client.start_heartbeat(task.component_id)


async def test_a_lease_carried_by_a_newer_stream_is_left_to_it(client: TektonClient, server: ServerProcess) -> None:
    """Two processes that beat for one instance do not take it from each other for ever."""
    told: list[LeaseLost] = []
    task = await _beating(client, on_lease_lost=told.append)
    claim = pb.LeaseClaim(component_id=task.component_id, instance_uuid=task.instance_uuid)
    async with aio.insecure_channel(f"{server.host}:{server.port}") as channel:
        stream = HeartbeatServiceStub(channel).Connect()
        await stream.write(pb.ConnectRequest(hello=pb.Hello(leases=[claim])))
        assert (await stream.read()).welcome.grants

        async def heard() -> bool:
            return bool(told)

        await eventually(heard)
        assert told[0].reason == "taken_over"
        stream.cancel()


async def test_several_leases_share_one_stream(client: TektonClient) -> None:
    """One thread and one connection for the process; ending one lease leaves the others alone."""
    tasks = [await _beating(client) for _ in range(5)]
    hearts = [thread for thread in threading.enumerate() if thread.name.startswith("tekton heart")]
    assert len(hearts) == 2, "the heart, and the reader of its stream"
    assert await tasks[0].stop()
    await asyncio.sleep(1.5 * TIMEOUT)
    states = [await _status(client, task.component_id) for task in tasks]
    assert states == ["stopped", "ready", "ready", "ready", "ready"]


async def test_closing_the_client_says_goodbye(client: TektonClient, server: ServerProcess) -> None:
    """For everything that it kept alive."""
    async with TektonClient(server.host, server.port) as short_lived:
        task = await _beating(short_lived)
    assert await _status(client, task.component_id) == "stopped"


async def test_a_client_forgets_heartbeats_that_are_over(client: TektonClient) -> None:
    """A process that starts and stops components for months does not grow by them."""
    task = await _beating(client)
    await task.stop()
    gone = weakref.ref(task)
    del task
    gc.collect()
    assert gone() is None


async def test_a_goodbye_that_nobody_confirmed_is_not_confirmed_by_asking_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second stop says goodbye once more, and tells as truly what became of it."""
    monkeypatch.setattr(_heartbeat_task, "GOODBYE", 0.2)
    heart = _heart.heart_of(Target("127.0.0.1", free_port()))
    lease = KeptLease("notes", new_uuid())
    heart.keep(lease)
    task = HeartbeatTask(heart, lease)
    assert [await task.stop(), await task.stop()] == [False, False]


async def test_of_two_that_say_goodbye_one_may_be_cancelled(client: TektonClient) -> None:
    """The other one is told what became of it, and the instance is stopped."""
    task = await _beating(client)
    one, other = asyncio.create_task(task.stop()), asyncio.create_task(task.stop())
    await asyncio.sleep(0)
    one.cancel()
    assert await other is True
    assert one.cancelled()
    assert await _status(client, task.component_id) == "stopped"


async def test_a_goodbye_that_nobody_waits_for_any_more_is_not_said(client: TektonClient) -> None:
    """Its beats end, and its lease runs out; a later stop says it."""
    task = await _beating(client)
    stops = [asyncio.create_task(task.stop()) for _ in range(2)]
    await asyncio.sleep(0)
    for one in stops:
        one.cancel()
    await asyncio.wait(stops)
    await eventually(lambda: _not_running(task))
    assert await task.stop() is True
    assert await _status(client, task.component_id) == "stopped"


async def test_a_process_that_is_forked_while_a_client_is_made_has_hearts_of_its_own() -> None:
    """The thread that held the lock is not in the child, and would never let go of it."""
    with _heart._hearts_lock:
        child = os.fork()
        if not child:
            signal.alarm(5)
            _heart.heart_of(Target("127.0.0.1", free_port()))
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


async def test_a_beat_that_tells_nothing_new_is_quiet(client: TektonClient) -> None:
    """Beats make no event."""
    task = await _beating(client)
    watch = client.watch_states(component_ids=[task.component_id])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(4 * INTERVAL):
            await anext(aiter(watch))


async def test_many_leases_are_seen_off_together(client: TektonClient, server: ServerProcess) -> None:
    """A process that keeps hundreds of instances leaves as completely as one that keeps a single one."""
    kind = component("kind").component_id
    async with TektonClient(server.host, server.port) as owner:
        for _ in range(200):
            registration = component(component_type=kind)
            await owner.register_component(registration)
            owner.start_heartbeat(registration.component_id, state="ready")
    rows = [row async for row in client.list_components(type=kind)]
    assert {row["status"] for row in rows} == {"stopped"}
    assert len(rows) == 200
