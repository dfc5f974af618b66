"""Stopping many over gRPC and REST: in the reverse order, and against a start under way."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tekton.core.errors import TektonTimeoutError
from tekton.core.lifecycle import ComponentState
from tests.services.fleet_runs.steps import end_of, ids, started, stopped, told
from tests.support.client import Stubs, refused
from tests.support.control_plane import ControlPlane
from tests.support.starter import FakeStarter


async def test_a_stop_goes_in_the_reverse_order_and_waits_for_who_needs_it(api: Stubs, fleet: FakeStarter) -> None:
    low, left, right, top = ids("low", "left", "right", "top")
    for name, *needs in ((low,), (left, low), (right, low), (top, left)):
        fleet.add(name, *needs)
    await started(api)
    fleet.hold(left)
    going = asyncio.create_task(stopped(api, all=True))
    await asyncio.gather(*(fleet.begun(name, "stop") for name in (right, top, left)))
    assert set(fleet.asked("stop")) == {right, top, left}
    fleet.let_go(left)
    steps = await going
    assert fleet.asked("stop")[-1] == low and steps[-1].summary.success
    assert told(steps, low) == ["stopping", "stopped"]
    assert end_of(steps, low).message == "ended when it was told to"
    assert [step.event for step in await stopped(api, all=True)] == ["planned", "done"]


async def test_what_somebody_needs_who_did_not_stop_is_left_running(
    plane: ControlPlane, api: Stubs, fleet: FakeStarter
) -> None:
    """1003 with the chain; with force it ends all the same."""
    low, mid, apart = ids("low", "mid", "apart")
    for name, *needs in ((low,), (mid, low), (apart,)):
        fleet.add(name, *needs)
    await started(api)
    fleet.breaks(mid, TektonTimeoutError(f"{mid} runs on", mid))
    steps = await stopped(api, all=True)
    assert [end_of(steps, name).event for name in (low, mid, apart)] == ["skipped", "failed", "stopped"]
    assert end_of(steps, low).message == f"{low} was left running: {low} is needed by {mid}; {mid} runs on"
    assert end_of(steps, low).error.code == 1003
    async with httpx.AsyncClient(base_url=plane.http, timeout=20) as http:
        reply = await http.post("/api/tekton/stop", json={"component_ids": [mid], "quiet": True})
        assert (reply.status_code, reply.json()["error"]["code"]) == (504, 1006)
    assert (await stopped(api, all=True, force=True))[-1].summary.success


async def test_a_stop_of_one_leaves_who_needs_it_alone_unless_that_is_asked_for(api: Stubs, fleet: FakeStarter) -> None:
    low, top = ids("low", "top")
    fleet.add(low)
    fleet.add(top, low)
    await started(api)
    await stopped(api, low)
    assert fleet.asked("stop") == [low]
    await started(api, low)
    await stopped(api, low, resolve_dependencies=True)
    assert fleet.asked("stop") == [low, top, low]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({}, "all"), ({"all": True, "component_ids": ["one"]}, "all"), ({"all": True, "timeout": -1}, "timeout"),
     ({"all": True, "timeout": 3601}, "timeout"), ({"all": True, "max_parallel": 1001}, "max_parallel")],
    ids=["neither", "both", "negative time", "long time", "too parallel"],
)  # fmt: skip
async def test_a_malformed_stop_is_refused_naming_the_field(
    api: Stubs, fleet: FakeStarter, wrong: dict[str, Any], field: str
) -> None:
    """Nobody stops everything by leaving something out."""
    with refused("validation_error") as failure:
        await stopped(api, **wrong)
    assert json.loads(failure.details)["violations"][0]["field"] == field


async def test_a_part_of_tekton_is_not_stopped(api: Stubs, fleet: FakeStarter) -> None:
    with refused("registration_invalid"):
        await stopped(api, "tekton_core")
    with refused("component_not_found"):
        await stopped(api, "nobody-at-all")


async def test_a_stop_takes_back_what_a_start_has_not_begun_and_stops_what_it_has(
    api: Stubs, fleet: FakeStarter
) -> None:
    """The last word counts, also of what is only about to run."""
    low, top = ids("low", "top")
    fleet.add(low)
    fleet.add(top, low)
    fleet.hold(low)
    starting = asyncio.create_task(started(api))
    await fleet.begun(low)
    stopping = asyncio.create_task(stopped(api, all=True))
    await fleet.begun(low, "stop")
    fleet.let_go(low)
    assert (await stopping)[-1].summary.success
    steps = await starting
    assert (end_of(steps, top).event, end_of(steps, top).error.message) == (
        "skipped",
        f"{top} was not started: somebody has asked for the opposite meanwhile",
    )
    assert fleet.asked("start") == [low] and fleet.asked("stop") == [low]


async def test_a_start_takes_back_what_a_stop_has_not_begun(api: Stubs, fleet: FakeStarter) -> None:
    low, top = ids("low", "top")
    fleet.add(low)
    fleet.add(top, low)
    await started(api)
    fleet.hold(top)
    stopping = asyncio.create_task(stopped(api, all=True))
    await fleet.begun(top, "stop")
    assert list((await started(api, low))[0].plan.done) == [low]
    fleet.let_go(top)
    steps = await stopping
    assert [end_of(steps, name).event for name in (top, low)] == ["stopped", "skipped"]
    assert fleet.live.view.get(low).status is ComponentState.READY  # type: ignore[union-attr]
