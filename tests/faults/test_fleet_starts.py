"""Starts of real processes of which some go wrong: each ends as documented, over gRPC and REST, and the rest starts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict

from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tests.host.fleet import until
from tests.support.client import Stubs, refused, stubs
from tests.support.control_plane import ControlPlane
from tests.support.launched import files_of, launch, launching, left, small
from tests.support.postgres import Cluster

SOON = {"policy": "on_failure", "burst": 3, "backoff": {"initial": 0.05, "max": 0.1}}


def fleet(home: Path) -> dict[str, dict[str, Any]]:
    """One of each kind, and who needs it."""
    once = f"test -e {home}/tried || {{ touch {home}/tried; exit 1; }}"
    flaky = small("flaky", restart=SOON)
    flaky["launch"]["command"] = ["sh", "-c", f'{once}; exec "$@"', "sh", *flaky["launch"]["command"]]
    needy = {
        "over-ill": ["ill"], "top": ["over-ill"], "over-absent": ["absent"], "over-hung": ["hung"],
        "over-slow": ["slow"], "over-flaky": ["flaky"], "over-ghost": ["ghost"], "over-outside": ["outside"],
        "round": ["about"], "about": ["round"],
    }  # fmt: skip
    return {
        "ill": launch("sh", "-c", "echo no such model; exit 3"),
        "absent": launch("/no/such/program"),
        "hung": launch(startup_timeout=0.5),
        "slow": small("slow", startup_timeout=0.5, env={"SLOW": "0.9", "MORE": "20"}),
        "flaky": flaky,
        **{name: small(name, *needs, number=100 + at) for at, (name, needs) in enumerate(needy.items())},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with that fleet to launch."""
    home = tmp_path_factory.mktemp("starts")
    async with launching(cluster.new_database(), home, fleet(home), timeout=20) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tekton: ControlPlane) -> AsyncIterator[Stubs]:
    """Stubs on the gateway."""
    async with stubs(tekton.gateway) as opened:
        yield opened


async def started(api: Stubs, *component_ids: str, **how: Any) -> dict[str, lifecycle_pb.FleetProgress]:
    """Start components to the end; give the last step of each, and the end of all as ""."""
    request = lifecycle_pb.StartComponentsRequest(component_ids=component_ids, **how)
    return {step.component_id: step async for step in api.lifecycle.StartComponents(request, timeout=30)}


async def stopped(api: Stubs, *component_ids: str) -> None:
    """Stop components, and see that they have."""
    request = lifecycle_pb.StopComponentsRequest(component_ids=component_ids, timeout=0)
    assert [step async for step in api.lifecycle.StopComponents(request, timeout=30)][-1].summary.success


async def test_a_dependency_that_ends_is_1004_and_who_needs_it_1003_with_the_chain_down_to_it(
    tekton: ControlPlane, api: Stubs
) -> None:
    """With its exit and the last lines of its log; over REST 422."""
    steps = await started(api, "top")
    assert (steps["ill"].error.code, steps["ill"].message) == (1004, "ill ended before it was ready: exit code 3")
    assert MessageToDict(steps["ill"].error.details)["log"].strip() == "no such model"
    assert (steps["top"].event, steps["top"].error.code, list(steps["top"].chain)) == (
        "skipped",
        1003,
        ["top", "over-ill", "ill"],
    )
    with refused("dependency_error") as failure:
        await started(api, "top", quiet=True)
    assert json.loads(failure.details)["chain"] == ["top", "over-ill", "ill"]
    async with httpx.AsyncClient(base_url=tekton.http, timeout=20) as http:
        reply = await http.post("/api/tekton/start", json={"component_ids": ["top"], "quiet": True})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["details"]["root_cause"]["code"]) == (422, 1003, 1004)
    assert error["details"]["chain"] == ["top", "over-ill", "ill"]
    assert files_of(tekton.settings.data_path, "over-ill") == []


async def test_a_program_that_is_not_there_is_1004(api: Stubs) -> None:
    steps = await started(api, "over-absent")
    assert steps["absent"].error.code == 1004 and "/no/such/program" in steps["absent"].message
    assert (steps["over-absent"].event, steps["over-absent"].error.code) == ("skipped", 1003)


async def test_one_that_hangs_is_1006_and_504(tekton: ControlPlane, api: Stubs) -> None:
    steps = await started(api, "over-hung")
    assert (steps["hung"].error.code, steps["over-hung"].error.code) == (1006, 1003)
    async with httpx.AsyncClient(base_url=tekton.http, timeout=20) as http:
        reply = await http.post("/api/tekton/start", json={"component_ids": ["hung"], "quiet": True})
    assert (reply.status_code, reply.json()["error"]["reason"]) == (504, "timeout")


async def test_one_that_asks_for_more_time_is_waited_for(api: Stubs) -> None:
    """Beyond the timeout of its specification; who needs it starts after it."""
    steps = await started(api, "over-slow")
    assert steps["slow"].event == steps["over-slow"].event == "ready"
    assert steps["slow"].seconds > 0.5


async def test_one_that_ends_and_is_started_again_in_time_holds_up_nobody_for_good(api: Stubs) -> None:
    """Its restart policy has the last word, and who needs it waits for that."""
    request = lifecycle_pb.StartComponentsRequest(component_ids=["over-flaky"])
    steps = [step async for step in api.lifecycle.StartComponents(request, timeout=30)]
    assert [step.event for step in steps if step.component_id == "flaky"] == [
        "starting", "running", "starting", "ready",
    ]  # fmt: skip
    assert steps[-1].summary.success


async def test_what_tekton_does_not_launch_is_waited_for(api: Stubs) -> None:
    """Whether it is there when the start begins or not yet ready then."""
    granted = await api.register("outside")
    waiting = asyncio.create_task(started(api, "over-outside"))
    state = lifecycle_pb.UpdateComponentStateRequest(
        component_id="outside", instance_uuid=granted.instance_uuid, state="starting"
    )
    await api.lifecycle.UpdateComponentState(state)
    assert not waiting.done()
    state.state = "ready"
    await api.lifecycle.UpdateComponentState(state)
    assert (await waiting)["over-outside"].event == "ready"


async def test_what_is_missing_is_named_and_nothing_waits_for_it(api: Stubs) -> None:
    steps = await started(api, "over-ghost")
    assert steps["over-ghost"].message == (
        "over-ghost was not started: over-ghost needs ghost; "
        "ghost is not registered, and components.json does not say how it is launched"
    )
    assert steps["over-ghost"].error.code == 1003


async def test_a_cycle_starts_nothing_at_all(tekton: ControlPlane, api: Stubs) -> None:
    """Also where everything is asked for."""
    before = tekton.app.live.view.revision
    for asked in (["round"], []):
        with refused("circular_dependency") as failure:
            await started(api, *asked)
        assert (failure.code, json.loads(failure.details)["cycle"]) == (1005, ["about", "round", "about"])
    assert tekton.app.live.view.revision == before


async def test_one_that_is_stopped_by_itself_meanwhile_is_not_started(tekton: ControlPlane, api: Stubs) -> None:
    """It waits for its turn still, and never ran; who needs it is skipped for that."""
    await stopped(api, "over-slow", "slow")
    waiting = asyncio.create_task(started(api, "over-slow"))
    await until(lambda: tekton.app.live.view.launch("slow"), lambda one: one.phase == "running")
    before = len(files_of(tekton.settings.data_path, "over-slow"))
    await api.lifecycle.StopComponent(lifecycle_pb.StopComponentRequest(component_id="over-slow"))
    steps = await waiting
    assert (steps["slow"].event, steps["over-slow"].event, steps["over-slow"].error.code) == ("ready", "skipped", 1000)
    assert steps["over-slow"].message == ("over-slow was not started: somebody has asked for the opposite meanwhile")
    assert len(files_of(tekton.settings.data_path, "over-slow")) == before


async def test_a_stop_of_everything_leaves_nothing_of_all_that(tekton: ControlPlane, api: Stubs) -> None:
    """Of what hung, of what failed, and of what runs; what needs another is gone before it."""
    request = lifecycle_pb.StopComponentsRequest(all=True, force=True, timeout=0)
    steps = [step async for step in api.lifecycle.StopComponents(request, timeout=30)]
    assert steps[-1].summary.success
    order = [step.component_id for step in steps if step.event == "stopped"]
    assert {"over-outside", "over-flaky", "flaky", "slow", "hung"} <= set(order)
    assert order.index("over-flaky") < order.index("flaky")
    assert left(tekton.settings.data_path) == []
    status = lifecycle_pb.GetComponentStatusRequest(component_id="slow")
    assert (await api.lifecycle.GetComponentStatus(status)).status_detail.phase == pb.LaunchPhase.ended
