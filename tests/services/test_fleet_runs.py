"""Starting and stopping many over gRPC and REST, in the real registry, with components that do what the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from grpc import aio

from tekton.core.errors import TektonTimeoutError
from tekton.core.lifecycle import ComponentState
from tekton.v1 import lifecycle_service_pb2 as pb
from tekton_server.live import fleet as live_fleet
from tekton_server.sections import Components
from tekton_server.whole_fleet import WholeFleet
from tests.support.client import Stubs, error_info, new_id, refused, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster
from tests.support.starter import FakeStarter

Steps = list[pb.FleetProgress]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane on which no lease ends: who is started here does not beat."""
    async with control_plane(cluster.new_database(), tmp_path_factory.mktemp("fleet"), timeout=600) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(plane: ControlPlane) -> AsyncIterator[Stubs]:
    """Stubs on the gateway."""
    async with stubs(plane.gateway) as opened:
        yield opened


@pytest.fixture
def fleet(plane: ControlPlane) -> FakeStarter:
    """An empty components.json."""
    starter = FakeStarter(plane.app.live)
    plane.app.live.fleet.use(starter)
    return starter


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


async def test_a_quiet_start_fails_as_the_first_that_was_asked_for_over_grpc_and_rest(
    plane: ControlPlane, api: Stubs, fleet: FakeStarter
) -> None:
    """1003 with the chain, 422, where something that it needs failed; the failure itself where that was asked for."""
    db, web = ids("db", "web")
    fleet.add(db)
    fleet.add(web, db)
    fleet.breaks(db)
    with refused("dependency_error") as failure:
        await started(api, web, quiet=True)
    assert (failure.code, failure.status) == (1003, grpc.StatusCode.FAILED_PRECONDITION)
    assert json.loads(failure.details)["chain"] == [web, db]
    with refused("startup_failed"):
        await started(api, quiet=True)
    async with httpx.AsyncClient(base_url=plane.http, timeout=20) as http:
        reply = await http.post("/api/tekton/start", json={"component_ids": [web], "quiet": True})
        assert (reply.status_code, reply.headers["content-type"]) == (422, "application/json")
        error = reply.json()["error"]
        assert (error["code"], error["reason"], error["details"]["chain"]) == (1003, "dependency_error", [web, db])
        assert error["details"]["root_cause"]["code"] == 1004


async def test_a_quiet_start_that_goes_well_is_one_message_and_one_json_document(
    plane: ControlPlane, api: Stubs, fleet: FakeStarter
) -> None:
    one, two = ids("one", "two")
    fleet.add(one)
    fleet.add(two, one)
    [step] = await started(api, one, quiet=True)
    assert step.event == "done" and list(step.summary.succeeded) == [one]
    async with httpx.AsyncClient(base_url=plane.http, timeout=20) as http:
        reply = await http.post("/api/tekton/start", json={"component_ids": [two], "quiet": True})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json()["summary"]["succeeded"] == [one, two]


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


async def test_who_is_named_and_cannot_be_launched_or_is_not_there_is_refused_before_anything_starts(
    plane: ControlPlane, api: Stubs, fleet: FakeStarter
) -> None:
    model, app = ids("model", "app")
    await api.register(model)
    fleet.add(app)
    with refused("no_launch_spec"):
        await started(api, app, model)
    with refused("component_not_found"):
        await started(api, app, "nobody-at-all")
    async with httpx.AsyncClient(base_url=plane.http) as http:
        for path in ("/api/tekton/start", "/api/tekton/plan"):
            reply = await http.post(path, json={"component_ids": [model]})
            assert (reply.status_code, reply.json()["error"]["reason"]) == (422, "no_launch_spec")
            reply = await http.post(path, json={"component_ids": ["nobody-at-all"]})
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, 1001)
    assert fleet.calls == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"component_ids": [""]}, "component_ids[0]"),
        ({"component_ids": ["x" * 129]}, "component_ids[0]"),
        ({"component_ids": ["a\nb"]}, "component_ids[0]"),
        ({"component_ids": [f"c{number}" for number in range(1001)]}, "component_ids"),
        ({"max_parallel": -1}, "max_parallel"),
        ({"max_parallel": 1001}, "max_parallel"),
    ],
    ids=["empty id", "long id", "control character", "too many", "negative", "too parallel"],
)
async def test_a_malformed_start_is_refused_naming_the_field(
    plane: ControlPlane, api: Stubs, fleet: FakeStarter, wrong: dict[str, Any], field: str
) -> None:
    fleet.add(*ids("one"))
    with refused("validation_error") as failure:
        await started(api, **wrong)
    assert json.loads(failure.details)["violations"][0]["field"] == field
    async with httpx.AsyncClient(base_url=plane.http) as http:
        reply = await http.post("/api/tekton/start", json=wrong)
    assert reply.status_code == 400 and fleet.calls == []


async def test_the_progress_over_rest_is_events_with_the_same_content(
    plane: ControlPlane, api: Stubs, fleet: FakeStarter
) -> None:
    low, top = ids("low", "top")
    fleet.add(low)
    fleet.add(top, low)
    found = await events(plane, "/api/tekton/start", {"component_ids": [top]})
    assert [name for name, _ in found] == [
        "planned", "starting", "running", "ready", "starting", "running", "ready", "done",
    ]  # fmt: skip
    assert all(data["event"] == name for name, data in found)
    assert found[0][1]["plan"]["waves"] == [{"component_ids": [low]}, {"component_ids": [top]}]
    assert found[3][1]["component_id"] == low and found[-1][1]["summary"]["success"] is True
    found = await events(plane, "/api/tekton/stop", {"all": True})
    assert [(name, data["component_id"]) for name, data in found[1:-1]] == [
        ("stopping", top), ("stopped", top), ("stopping", low), ("stopped", low),
    ]  # fmt: skip


async def test_a_plan_tells_what_a_start_would_do_and_does_nothing(api: Stubs, fleet: FakeStarter) -> None:
    low, mid, top, bad, ghost, model = ids("low", "mid", "top", "bad", "ghost", "model")
    await api.register(model)
    fleet.add(top, mid, model, startup_timeout=7.0)
    fleet.add(mid, low)
    fleet.add(low)
    fleet.add(bad, ghost)
    await started(api, low)
    plan = await api.lifecycle.PlanStart(pb.PlanStartRequest())
    assert [list(wave.component_ids) for wave in plan.waves] == [[model, mid], [top]]
    found = {one.component_id: one for one in plan.components}
    assert [found[name].action for name in (model, mid, top, bad)] == ["wait", "start", "start", "skip"]
    assert [found[name].wave for name in (model, mid, top, bad)] == [1, 1, 2, 0]
    assert (list(found[top].waits_for), found[top].timeout_seconds) == ([mid, model], 7.0)
    assert list(found[bad].chain) == [bad, ghost] and found[model].timeout_seconds == 60
    assert [found[name].requested for name in (model, top)] == [False, True]
    assert (list(plan.done), plan.complete) == ([low], True)
    assert plan.message == f"2 in 2 waves; 1 waited for; 1 done already; 1 skipped; missing: {ghost}"
    alone = await api.lifecycle.PlanStart(pb.PlanStartRequest(component_ids=[top], resolve_dependencies=False))
    assert [one.action for one in alone.components] == ["skip"] and fleet.asked("start") == [low]


async def test_the_start_goes_on_where_the_caller_goes_away(
    plane: ControlPlane, api: Stubs, fleet: FakeStarter
) -> None:
    """Over gRPC and over REST; asked again, it is told from there."""
    low, top = ids("low", "top")
    fleet.add(low)
    fleet.add(top, low)
    fleet.hold(low)
    async with (
        httpx.AsyncClient(base_url=plane.http) as http,
        http.stream("POST", "/api/tekton/start", json={"component_ids": [low]}) as reply,
    ):
        await anext(reply.aiter_bytes())
        await fleet.begun(low)
    call = api.lifecycle.StartComponents(pb.StartComponentsRequest(component_ids=[top]), timeout=20)
    assert (await call.read()).event == "planned"
    call.cancel()
    again = aiter(api.lifecycle.StartComponents(pb.StartComponentsRequest(component_ids=[low]), timeout=20))
    planned = await anext(again)
    fleet.let_go(low)
    assert end_of([planned, *[step async for step in again]], low).event == "ready"
    await fleet.begun(top)


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


async def test_a_cycle_and_what_fails_keep_nobody_from_using_tekton(plane: ControlPlane, fleet: FakeStarter) -> None:
    """The start of everything tells it, and is over."""
    everything = WholeFleet(plane.app.live.fleet, Components(autostart=True))
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    told: list[str] = []
    fine, bad, top = ids("fine", "bad", "top")
    fleet.add(fine)
    fleet.add(bad)
    fleet.add(top, bad)
    fleet.breaks(bad)
    await everything.start(told.append, never)
    assert (told[0], told[-1]) == ("starting 3 components", f"1 components are ready; not {bad}, {top}: see tekton why")
    fleet.add(bad, top)
    told.clear()
    await everything.start(told.append, never)
    [sentence] = told
    assert sentence.startswith("the components are not started: nothing was started: ")
    assert not (await WholeFleet(plane.app.live.fleet, Components()).start(told.append, never)) and len(told) == 1


async def test_the_start_of_everything_ends_where_tekton_itself_fails(plane: ControlPlane, fleet: FakeStarter) -> None:
    [slow] = ids("slow")
    fleet.add(slow)
    fleet.hold(slow)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    everything = WholeFleet(plane.app.live.fleet, Components(autostart=True))
    starting = asyncio.create_task(everything.start(lambda text: None, failed))
    await fleet.begun(slow)
    failed.set_exception(RuntimeError("the database is gone"))
    await starting
    assert failed.exception()
    fleet.let_go(slow)


async def test_a_stop_of_everything_kills_what_has_not_ended_in_time(plane: ControlPlane, fleet: FakeStarter) -> None:
    """In the reverse order while there is time; then all at once."""
    low, top = ids("low", "top")
    fleet.add(low)
    fleet.add(top, low)
    await WholeFleet(plane.app.live.fleet, Components(autostart=True)).start(lambda text: None, asyncio.Future())
    fleet.hold(top)
    everything = WholeFleet(plane.app.live.fleet, Components(on_stop="stop", stop_within=0.1))
    stopping = asyncio.create_task(everything.stop())
    while fleet.asked("stop") != [top, top]:
        await asyncio.sleep(0.01)
    fleet.let_go(top)
    await stopping
    assert fleet.asked("stop")[-1] == low and everything.stops_within > 0.1
    assert WholeFleet(plane.app.live.fleet, Components()).stops_within == 0


async def test_who_follows_hears_that_the_server_stops(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """UNAVAILABLE over gRPC, an end over REST: what has begun stays begun."""
    folder = tmp_path_factory.mktemp("stops")
    async with control_plane(cluster.new_database(), folder, timeout=600) as plane, stubs(plane.direct) as api:
        fleet = FakeStarter(plane.app.live)
        plane.app.live.fleet.use(fleet)
        [slow] = ids("slow")
        fleet.add(slow)
        fleet.hold(slow)
        following = asyncio.create_task(started(api))
        rest = asyncio.create_task(events(plane, "/api/tekton/start", {}))
        await fleet.begun(slow)
        while len(fleet.asked("start")) < 2:
            await asyncio.sleep(0.01)
        await plane.app.server.stop()
        with pytest.raises(aio.AioRpcError) as caught:
            await following
        assert error_info(caught.value).reason == "unavailable"
        assert (await rest)[-1] == ("end", {"reason": "shutting_down"})
