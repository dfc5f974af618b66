"""Asking for a start of many over gRPC and REST: its plan, its progress, its quiet answer, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import httpx
import pytest
from grpc import aio

from tekton.core.lifecycle import ComponentState
from tekton.v1 import lifecycle_service_pb2 as pb
from tests.services.fleet_runs.steps import end_of, events, ids, started
from tests.support.client import Stubs, error_info, refused, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster
from tests.support.starter import FakeStarter


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
    await fleet.becomes(top, ComponentState.READY)


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
