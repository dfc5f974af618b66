"""Starting many, in the real registry: each when what it needs is ready, and nobody behind a failure."""

from __future__ import annotations

import asyncio
import json

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from grpc import aio

from tekton.core.lifecycle import ComponentState
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton_server.live import fleet as live_fleet
from tests.services.fleet_runs.steps import Steps, end_of, ids, started, told
from tests.support.client import Stubs, refused
from tests.support.control_plane import ControlPlane
from tests.support.starter import FakeStarter


async def test_a_fleet_starts_in_dependency_order_and_in_parallel_within_its_waves(
    api: Stubs, fleet: FakeStarter
) -> None:
    """With each step told: planned first, then of each component, done at last."""
    low, left, right, top = ids("low", "left", "right", "top")
    for name, *needs in ((top, left, right), (left, low), (right, low), (low,)):
        fleet.add(name, *needs)
    fleet.hold(left, right)
    going = asyncio.create_task(started(api, top))
    await asyncio.gather(fleet.begun(left), fleet.begun(right))
    assert fleet.asked("start") == [low, left, right]
    fleet.let_go(left, right)
    steps = await going
    assert fleet.asked("start") == [low, left, right, top] and fleet.most_at_once == 2
    assert [steps[0].event, steps[-1].event] == ["planned", "done"]
    assert [list(wave.component_ids) for wave in steps[0].plan.waves] == [[low], [left, right], [top]]
    assert all(told(steps, name) == ["starting", "running", "ready"] for name in (low, left, right, top))
    summary = steps[-1].summary
    assert summary.success and list(summary.succeeded)[::3] == [low, top]
    assert end_of(steps, top).instance_uuid == fleet.live.view.get(top).best.instance_uuid  # type: ignore[union-attr]


async def test_all_that_can_be_launched_is_started_where_nobody_is_named(api: Stubs, fleet: FakeStarter) -> None:
    """And a start of what runs changes nothing."""
    one, two = ids("one", "two")
    fleet.add(one)
    fleet.add(two, one)
    assert list((await started(api))[-1].summary.succeeded) == [one, two]
    steps = await started(api)
    assert [step.event for step in steps] == ["planned", "done"]
    assert sorted(steps[0].plan.done) == sorted([one, two]) and steps[-1].summary.success
    assert fleet.asked("start") == [one, two]


async def test_no_more_are_starting_than_was_asked_for(api: Stubs, fleet: FakeStarter) -> None:
    for name in ids(*(f"part{number}" for number in range(9))):
        fleet.add(name)
    steps = await started(api, max_parallel=2)
    assert len(steps[-1].summary.succeeded) == 9 and fleet.most_at_once == 2


async def test_a_start_is_over_only_when_everything_is_ready_not_when_it_runs(api: Stubs, fleet: FakeStarter) -> None:
    [slow] = ids("slow")
    fleet.add(slow)
    fleet.hold(slow)
    call = api.lifecycle.StartComponents(pb.StartComponentsRequest(component_ids=[slow]), timeout=20)
    assert [(await call.read()).event for _ in range(3)] == ["planned", "starting", "running"]
    fleet.let_go(slow)
    assert [(await call.read()).event for _ in range(2)] == ["ready", "done"]
    assert await call.read() is aio.EOF


async def test_who_needs_one_that_fails_is_skipped_with_1003_and_the_chain_and_the_rest_starts(
    api: Stubs, fleet: FakeStarter
) -> None:
    db, api_, web, cron = ids("db", "api", "web", "cron")
    for name, *needs in ((web, api_), (api_, db), (db,), (cron,)):
        fleet.add(name, *needs)
    fleet.breaks(db)
    steps = await started(api)
    assert told(steps, web) == ["skipped"] and told(steps, cron)[-1] == "ready"
    failed, skipped = end_of(steps, db), end_of(steps, web)
    assert (failed.event, failed.error.code, failed.error.component) == ("failed", 1004, db)
    assert list(skipped.chain) == [web, api_, db]
    assert (skipped.error.code, skipped.error.component) == (1003, web)
    details = MessageToDict(skipped.error.details)
    assert (details["chain"], details["failed_dependencies"]) == ([web, api_, db], [api_])
    assert details["root_cause"]["component_id"] == db and details["root_cause"]["reason"] == "startup_failed"
    assert skipped.message == (
        f"{web} was not started: {web} needs {api_} needs {db}; {db} ended before it was ready: exit code 3"
    )
    summary = steps[-1].summary
    assert not summary.success
    assert (list(summary.succeeded), list(summary.failed), list(summary.skipped)) == ([cron], [db], [api_, web])


async def test_one_that_hangs_is_1006_and_504(plane: ControlPlane, api: Stubs, fleet: FakeStarter) -> None:
    hung, web = ids("hung", "web")
    fleet.add(hung, startup_timeout=0.1)
    fleet.add(web, hung)
    fleet.hold(hung)
    steps = await started(api)
    assert (end_of(steps, hung).error.code, end_of(steps, web).error.code) == (1006, 1003)
    assert MessageToDict(end_of(steps, web).error.details)["root_cause"]["reason"] == "timeout"
    with refused("timeout") as failure:
        await started(api, hung, quiet=True)
    assert (failure.code, failure.status) == (1006, grpc.StatusCode.DEADLINE_EXCEEDED)
    async with httpx.AsyncClient(base_url=plane.http, timeout=20) as http:
        reply = await http.post("/api/tekton/start", json={"component_ids": [hung], "quiet": True})
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, 1006)


async def test_a_component_that_asks_for_more_time_gets_it(api: Stubs, fleet: FakeStarter) -> None:
    """With a report of its state; what it needs not is no longer waited for."""
    [slow] = ids("slow")
    fleet.add(slow, startup_timeout=0.6)
    fleet.hold(slow)
    going = asyncio.create_task(started(api, slow))
    await fleet.begun(slow)
    uuid = await fleet.becomes(slow, ComponentState.REGISTERING)
    await api.lifecycle.UpdateComponentState(
        pb.UpdateComponentStateRequest(
            component_id=slow, instance_uuid=uuid, state="starting", extend_startup_seconds=10
        )
    )
    await asyncio.sleep(0.8)
    assert not going.done()
    fleet.let_go(slow)
    steps = await going
    assert told(steps, slow)[-1] == "ready"


async def test_a_cycle_is_1005_and_nothing_is_started(plane: ControlPlane, api: Stubs, fleet: FakeStarter) -> None:
    one, two, fine = ids("a", "b", "fine")
    fleet.add(one, two)
    fleet.add(two, one)
    fleet.add(fine)
    with refused("circular_dependency") as failure:
        await started(api)
    assert (failure.code, json.loads(failure.details)["cycle"]) == (1005, [one, two, one])
    async with httpx.AsyncClient(base_url=plane.http) as http:
        reply = await http.post("/api/tekton/start", json={})
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, 1005)
        plan = (await http.post("/api/tekton/plan", json={})).json()
    assert plan["circular_dependencies"] == [[one, two, one]] and plan["waves"] == [{"component_ids": [fine]}]
    assert fleet.calls == []


async def test_what_is_missing_is_named_and_only_who_needs_it_is_skipped(api: Stubs, fleet: FakeStarter) -> None:
    web, fine, ghost = ids("web", "fine", "ghost")
    fleet.add(web, ghost)
    fleet.add(fine)
    steps = await started(api)
    assert [(one.component_id, list(one.needed_by)) for one in steps[0].plan.missing] == [(ghost, [web])]
    assert end_of(steps, web).error.message == (
        f"{web} was not started: {web} needs {ghost}; "
        f"{ghost} is not registered, and components.json does not say how it is launched"
    )
    assert list(end_of(steps, web).chain) == [web, ghost] and told(steps, fine)[-1] == "ready"


async def test_what_tekton_does_not_launch_is_waited_for_until_it_is_ready(api: Stubs, fleet: FakeStarter) -> None:
    """It takes no place among those that are started, and is not ready in time as others are not."""
    model, app, other = ids("model", "app", "other")
    granted = await api.register(model)
    fleet.add(app, model)
    fleet.add(other)
    call = aiter(api.lifecycle.StartComponents(pb.StartComponentsRequest(max_parallel=1), timeout=20))
    seen: Steps = []
    while not told(seen, other)[2:]:
        seen.append(await anext(call))
    assert told(seen, model) == ["starting"] and told(seen, app) == []
    assert end_of(seen, model).message == "is waited for: Tekton does not launch it"
    await api.lifecycle.UpdateComponentState(
        pb.UpdateComponentStateRequest(component_id=model, instance_uuid=granted.instance_uuid, state="degraded")
    )
    rest = [step async for step in call]
    assert [step.event for step in rest] == ["ready", "starting", "running", "ready", "done"]
    assert fleet.asked("start") == [other, app]


async def test_what_is_waited_for_in_vain_is_1006(
    api: Stubs, plane: ControlPlane, fleet: FakeStarter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plane.app.live.fleet, "usual_timeout", 0.05)
    model, app = ids("model", "app")
    await api.register(model)
    fleet.add(app, model)
    steps = await started(api)
    assert end_of(steps, model).error.message == f"{model} was not ready within 0.05 s: it is registering"
    assert (end_of(steps, model).error.code, end_of(steps, app).error.code) == (1006, 1003)


async def test_a_need_that_is_gone_again_is_noticed_before_who_needs_it_is_launched(
    api: Stubs, fleet: FakeStarter
) -> None:
    """Ready once is not ready: the second needs the first while it waits for a place."""
    first, second, slow = ids("first", "second", "slow")
    fleet.add(first, startup_timeout=0.2)
    fleet.add(slow)
    fleet.add(second, first, slow)
    fleet.hold(slow)
    going = asyncio.create_task(started(api))
    await fleet.begun(slow)
    await fleet.becomes(first, ComponentState.READY)
    await fleet.report(first, ComponentState.FAILED)
    fleet.let_go(slow)
    steps = await going
    assert end_of(steps, second).error.code == 1003 and fleet.asked("start") == [first, slow]
    assert end_of(steps, second).message == (
        f"{second} was not started: {second} needs {first}; {first} was not ready within 0.2 s: it is failed"
    )


async def test_two_starts_at_once_start_each_component_once_and_both_tell_its_end(
    api: Stubs, fleet: FakeStarter
) -> None:
    low, mid, top = ids("low", "mid", "top")
    for name, *needs in ((low,), (mid, low), (top, mid)):
        fleet.add(name, *needs)
    one, two = await asyncio.gather(started(api), started(api, top))
    for steps in (one, two):
        assert steps[-1].summary.success
        assert {step.component_id for step in steps if step.event == "ready"} == {low, mid, top}
    instances = [fleet.live.view.get(name).instances for name in (low, mid, top)]  # type: ignore[union-attr]
    assert [len(one) for one in instances] == [1, 1, 1]
    fresh = [step for step in (*one, *two) if step.event == "running" and not step.already]
    assert sorted(step.component_id for step in fresh) == sorted([low, mid, top])


async def test_more_runs_than_there_may_be_are_refused_for_now(
    api: Stubs, fleet: FakeStarter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_fleet, "RUNS", 1)
    [slow] = ids("slow")
    fleet.add(slow)
    fleet.hold(slow)
    going = asyncio.create_task(started(api))
    await fleet.begun(slow)
    with refused("rate_limited"):
        await started(api)
    fleet.let_go(slow)
    assert (await going)[-1].summary.success


async def test_a_fault_of_ours_fails_one_component_and_says_so(api: Stubs, fleet: FakeStarter) -> None:
    bad, top, fine = ids("bad", "top", "fine")
    fleet.add(bad)
    fleet.add(top, bad)
    fleet.add(fine)
    fleet.breaks(bad, ZeroDivisionError("of the test"))
    steps = await started(api)
    assert (end_of(steps, bad).error.code, end_of(steps, top).error.code) == (1000, 1003)
    assert "of the test" not in str(steps) and list(steps[-1].summary.succeeded) == [fine]
