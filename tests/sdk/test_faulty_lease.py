"""A fault in keeping one lease is that lease's alone: it is told and rests, the others beat on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import NoReturn

import pytest

from tekton.client import HeartbeatTask, LeaseLost, TektonClient
from tests.sdk.fleet import component, eventually
from tests.sdk.server import TIMEOUT


class Broken(Mapping[str, float]):
    """Figures that cannot be read."""

    def __getitem__(self, name: str) -> float:
        raise OSError("the sensor is gone")

    def __iter__(self) -> Iterator[str]:
        raise OSError("the sensor is gone")

    def __len__(self) -> int:
        return 1


async def _beating(client: TektonClient, told: list[LeaseLost] | None = None) -> HeartbeatTask:
    registration = component()
    await client.register_component(registration)
    lost = [] if told is None else told
    task = client.start_heartbeat(registration.component_id, state="ready", on_lease_lost=lost.append)

    async def ready() -> bool:
        return task.state == "ready"

    await eventually(ready)
    return task


async def test_figures_that_cannot_be_read_cost_one_beat(
    client: TektonClient, caplog: pytest.LogCaptureFixture
) -> None:
    """They are dropped, the fault is logged and shown, and the lease goes on without them."""
    task = await _beating(client)
    with caplog.at_level(logging.ERROR, "tekton"):
        task._heart.report(task._lease, metrics=Broken())

        async def logged() -> bool:
            return task.component_id in caplog.text

        await eventually(logged)

    async def well() -> bool:
        return task.fault is None

    await eventually(well)
    assert "the sensor is gone" in caplog.text
    assert task.running


@pytest.mark.parametrize("broken", ["claim", "beat"])
async def test_a_lease_that_cannot_be_kept_disturbs_no_other(
    client: TektonClient, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """It is given up after its timeout, and its callback told why; the others were never anything but ready."""
    told: list[LeaseLost] = []
    others = [await _beating(client), await _beating(client)]
    faulty = await _beating(client, told)
    others.append(await _beating(client))

    def fail(*_: object) -> NoReturn:
        raise OSError("the disk is full")

    async def since(task: HeartbeatTask) -> str:
        status = await client.get_component_status(task.component_id)
        assert status["status"] == "ready"
        return str(status["status_since"])

    before = [await since(task) for task in others]
    lease = faulty._lease
    if broken == "beat":
        monkeypatch.setattr(lease, "beat", fail)
    else:
        # No text, so that it cannot be claimed on the next stream.
        monkeypatch.setattr(lease, "fencing_token", object())
        faulty._heart._post(faulty._heart._keeper._disconnect)

    async def shown() -> bool:
        return faulty.fault is not None

    async def given_up() -> bool:
        return bool(told)

    await eventually(shown)
    await eventually(given_up, within=10 * TIMEOUT)
    assert (told[0].component_id, told[0].reason) == (faulty.component_id, "fault")
    assert not faulty.running
    assert [await since(task) for task in others] == before
    assert all(task.fault is None for task in others)


async def test_a_callback_that_raises_disturbs_no_other(client: TektonClient, caplog: pytest.LogCaptureFixture) -> None:
    """Given from a thread without a loop, it is called on the heart's own thread."""
    other = await _beating(client)
    registration = component()
    await client.register_component(registration)
    called: list[LeaseLost] = []

    def on_lost(lost: LeaseLost) -> None:
        called.append(lost)
        raise RuntimeError("the application has a bug")

    task = await asyncio.to_thread(client.start_heartbeat, registration.component_id, on_lease_lost=on_lost)

    async def beating() -> bool:
        return task.last_ack is not None

    async def told() -> bool:
        return "the application has a bug" in caplog.text

    await eventually(beating)
    with caplog.at_level(logging.ERROR, "tekton"):
        await client.remove_component(registration.component_id)
        await eventually(told)
    assert len(called) == 1
    heard = other.last_ack

    async def heard_again() -> bool:
        return other.last_ack != heard

    await eventually(heard_again)
