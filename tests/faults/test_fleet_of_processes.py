"""A fleet of two hundred real processes: started in the order of its dependencies, hurt, healed, and stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Commit, InstanceChange, LaunchChange, LaunchPhase
from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tests.host.fleet import until
from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane
from tests.support.launched import files_of, launching, left, small
from tests.support.postgres import Cluster

P = pb.LaunchPhase
LAYERS, WIDTH = 8, 25
RESTART = {"restart": {"burst": 3, "backoff": {"initial": 0.05, "max": 0.1}}}


def name_of(layer: int, place: int) -> str:
    return f"l{layer}-{place}"


def layered(curse: Path) -> dict[str, dict[str, Any]]:
    """Each of a layer needs two of the layer below; the first of the second layer is cursed when that file is there."""
    found = {}
    for layer in range(LAYERS):
        for place in range(WIDTH):
            needs = [name_of(layer - 1, (place + far) % WIDTH) for far in (0, 7)] if layer else []
            more = {"env": {"CURSE": str(curse)}} if (layer, place) == (1, 0) else {}
            number = 1 + layer * WIDTH + place
            found[name_of(layer, place)] = small(
                name_of(layer, place), *needs, number=number, beat=20.0, **RESTART, **more
            )
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with that fleet to launch; its beats are far apart, since it is about other things here."""
    home = tmp_path_factory.mktemp("many")
    async with launching(cluster.new_database(), home, layered(home / "curse"), timeout=90) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tekton: ControlPlane) -> AsyncIterator[Stubs]:
    """Stubs on the gateway."""
    async with stubs(tekton.gateway) as opened:
        yield opened


async def journal(tekton: ControlPlane, after: int = 0) -> list[Commit]:
    """Read what was recorded after a revision."""
    found: list[Commit] = []
    while commits := await tekton.app.live.store.after(found[-1].revision if found else after):
        found += commits
    return found


def marks(commits: list[Commit], phase: LaunchPhase | None, state: ComponentState | None) -> Mapping[str, int]:
    """Give the first revision at which each component's launch came into a phase, or its instance into a state."""
    found: dict[str, int] = {}
    for commit in commits:
        for change in commit.changes:
            entered = (isinstance(change, LaunchChange) and change.new is not None and change.new.phase is phase) or (
                isinstance(change, InstanceChange) and change.new is not None and change.new.state is state
            )
            if entered:
                found.setdefault(lookup_key(change.component_id), commit.revision)
    return found


async def status(api: Stubs, name: str) -> lifecycle_pb.GetComponentStatusResponse:
    return await api.lifecycle.GetComponentStatus(lifecycle_pb.GetComponentStatusRequest(component_id=name))


async def test_two_hundred_processes_start_in_dependency_order_and_in_parallel_within_their_waves(
    tekton: ControlPlane, api: Stubs
) -> None:
    """Each is claimed only once all that it needs was recorded as ready, with progress for everybody."""
    call = api.lifecycle.StartComponents(lifecycle_pb.StartComponentsRequest(), timeout=60)
    steps = [step async for step in call]
    assert steps[-1].summary.success, steps[-1]
    assert [len(wave.component_ids) for wave in steps[0].plan.waves] == [WIDTH] * LAYERS
    told = {name: [one.event for one in steps if one.component_id == name] for name in steps[-1].summary.succeeded}
    assert len(told) == LAYERS * WIDTH
    assert all(events == ["starting", "running", "ready"] for events in told.values())
    commits = await journal(tekton)
    claimed, ready = marks(commits, LaunchPhase.CLAIMED, None), marks(commits, None, ComponentState.READY)
    needs = {key: one.dependencies for key, one in tekton.app.live.lifecycle.launchable().items()}
    assert all(ready[lookup_key(need)] < claimed[key] for key, some in needs.items() for need in some)
    under_way, most = 0, 0
    for step in steps:
        under_way += (step.event == "starting") - (step.event == "ready")
        most = max(most, under_way)
    assert 8 <= most <= 32, "the first wave is as wide as that"


async def test_one_that_is_killed_is_healed_and_nothing_else_is_touched(tekton: ControlPlane, api: Stubs) -> None:
    name = name_of(3, 11)
    before = await status(api, name)
    revision = tekton.app.live.view.revision
    process = files_of(tekton.settings.data_path, name)[0].status()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    ready = pb.ComponentState.ready
    after = await until(
        lambda: status(api, name),
        lambda one: one.status == ready and one.status_detail.epoch == before.status_detail.epoch + 1,
    )
    assert (after.status_detail.restart_count, after.status_detail.last_exit) == (1, "ended by SIGKILL")
    restarted = marks(await journal(tekton, revision), LaunchPhase.CLAIMED, None)
    assert list(restarted) == [lookup_key(name)]


async def test_of_one_that_always_crashes_tekton_gives_up_and_all_that_need_it_say_so(
    tekton: ControlPlane, api: Stubs
) -> None:
    """After the burst; tekton why leads from the top of the fleet down to it."""
    name, curse = name_of(1, 0), tekton.settings.data_path.parent / "curse"
    curse.touch()
    process = files_of(tekton.settings.data_path, name)[0].status()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    found = await until(lambda: status(api, name), lambda one: one.status_detail.phase == P.gave_up)
    assert (found.status_detail.restart_count, found.status_detail.last_exit) == (3, "exit code 3")
    place = await api.lifecycle.GetComponentDependencies(
        lifecycle_pb.GetComponentDependenciesRequest(component_id=name)
    )
    assert len(place.all_dependents) > WIDTH

    async def says(dependent: str) -> str:
        request = lifecycle_pb.ExplainComponentRequest(component_id=dependent)
        return (await api.lifecycle.ExplainComponent(request)).message

    for node in place.all_dependents:
        await until(lambda name=node.component_id: says(name), lambda said: name in said and "gave up" in said)
    curse.unlink()
    call = api.lifecycle.StartComponents(lifecycle_pb.StartComponentsRequest(component_ids=[name]), timeout=20)
    assert [step async for step in call][-1].summary.success


async def test_everything_stops_in_the_reverse_order_and_leaves_nothing(tekton: ControlPlane, api: Stubs) -> None:
    """Each is asked only once all that need it have ended."""
    revision = tekton.app.live.view.revision
    request = lifecycle_pb.StopComponentsRequest(all=True, timeout=0)
    steps = [step async for step in api.lifecycle.StopComponents(request, timeout=60)]
    assert steps[-1].summary.success and len(steps[-1].summary.succeeded) == LAYERS * WIDTH
    commits = await journal(tekton, revision)
    asked, ended = marks(commits, LaunchPhase.STOPPING, None), marks(commits, LaunchPhase.ENDED, None)
    assert len(ended) == LAYERS * WIDTH
    needs = {key: one.dependencies for key, one in tekton.app.live.lifecycle.launchable().items()}
    assert all(ended[key] < asked[lookup_key(need)] for key, some in needs.items() for need in some)
    assert await until(lambda: left(tekton.settings.data_path), lambda found: not found) == []
