"""A fleet of two hundred small real processes in layers: started in order, healed wherever it is hurt."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tekton.core.lifecycle import ComponentState
from tekton.v1 import lifecycle_service_pb2 as pb
from tests.host.fleet import until
from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.launched import files_of, kill_all, launch, left, write_fleet
from tests.support.postgres import Cluster

SMALL = Path(__file__).parents[1] / "support" / "small_component.py"
LAYERS, WIDTH = 8, 25
# Two of the layer below, so that what is at the bottom carries nearly everything.
NEEDS: Mapping[str, tuple[str, ...]] = {
    f"c{layer}-{at:02}": tuple(f"c{layer - 1}-{(at + by) % WIDTH:02}" for by in (0, 7)) if layer else ()
    for layer in range(LAYERS)
    for at in range(WIDTH)
}
BURST = 3
DOOMED = "c2-11"


def fleet_of(broken: Path) -> dict[str, Any]:
    """Make the components.json; what is doomed cannot begin any more once the file is there."""
    return {
        name: {
            "dependencies": list(needs),
            **launch(
                sys.executable, "-I", "-S", str(SMALL), name, str(21_000 + number), "5", *needs,
                restart={"burst": BURST, "backoff": {"initial": 0.05, "max": 0.1}},
                env={"BROKEN": str(broken)} if name == DOOMED else {},
            ),
        }
        for number, (name, needs) in enumerate(NEEDS.items())
    }  # fmt: skip


class Fleet:
    """The fleet, its control plane, and what its start told."""

    def __init__(self, tekton: ControlPlane, api: Stubs, broken: Path, told: list[pb.FleetProgress]) -> None:
        self.tekton = tekton
        self.api = api
        self.broken = broken
        self.told = told
        self.view = tekton.app.live.view

    def kill(self, name: str) -> None:
        """Kill the process of a component."""
        status = files_of(self.tekton.settings.data_path, name)[0].status()
        assert status is not None
        os.kill(status.pid, signal.SIGKILL)

    def unwell(self) -> dict[str, str]:
        """Give who is not ready."""
        states = {name: self.view.get(name) for name in NEEDS}
        return {name: one.status if one else "-" for name, one in states.items() if not one or not one.ready}

    def epoch(self, name: str) -> int:
        """Give how often a component was launched."""
        launch = self.view.launch(name)
        return launch.epoch if launch else 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """The fleet, started."""
    home = tmp_path_factory.mktemp("two-hundred")
    data, broken = home / "d", home / "broken"
    files = write_fleet(home / "f", fleet_of(broken))
    try:
        async with (
            control_plane(cluster.new_database(), data, timeout=20.0, fleet=files) as running,
            stubs(running.direct) as api,
        ):
            call = api.lifecycle.StartComponents(pb.StartComponentsRequest(max_parallel=WIDTH), timeout=120)
            yield Fleet(running, api, broken, [one async for one in call])
            stopping = api.lifecycle.StopComponents(
                pb.StopComponentsRequest(all=True, quiet=True, timeout=0), timeout=60
            )
            [done] = [one async for one in stopping]
            assert done.summary.success and left(data) == []
    finally:
        kill_all(data)


async def test_it_starts_in_the_order_of_its_dependencies_and_side_by_side(fleet: Fleet) -> None:
    """Nothing is launched before all that it needs is ready; and what can start together does."""
    assert fleet.told[-1].summary.success and fleet.unwell() == {}
    began = {one.component_id: one.seconds for one in fleet.told if one.event == "starting"}
    ready = {one.component_id: one.seconds for one in fleet.told if one.event == "ready"}
    assert began.keys() == ready.keys() == NEEDS.keys()
    early = [(name, need) for name, needs in NEEDS.items() for need in needs if began[name] < ready[need]]
    assert early == []
    at_once = max(sum(began[other] <= at < ready[other] for other in NEEDS) for at in began.values())
    assert 5 < at_once <= WIDTH
    assert {fleet.epoch(name) for name in NEEDS} == {1}


async def test_whichever_are_killed_are_healed_and_no_others_are_touched(fleet: Fleet) -> None:
    """One of each layer at once: what carries others comes back before them."""
    killed = {f"c{layer}-{(3 * layer) % WIDTH:02}" for layer in range(LAYERS)}
    for name in killed:
        fleet.kill(name)
    await until(lambda: {name for name in killed if fleet.epoch(name) < 2}, lambda waiting: not waiting, 30)
    await until(fleet.unwell, lambda unwell: not unwell, 30)
    assert {name for name in NEEDS if fleet.epoch(name) != 1} == killed


async def test_one_that_always_crashes_is_given_up_and_all_that_rests_on_it_says_so(fleet: Fleet) -> None:
    """After its burst; the rest of the fleet goes on."""
    fleet.broken.touch()
    before = fleet.epoch(DOOMED)
    fleet.kill(DOOMED)
    await until(lambda: fleet.view.get(DOOMED), lambda one: one.best.reason == "gave_up", 30)
    assert fleet.epoch(DOOMED) == before + BURST
    resting = {DOOMED}
    for name, needs in NEEDS.items():
        if resting & set(needs):
            resting.add(name)
    direct = {name for name, needs in NEEDS.items() if DOOMED in needs}
    wanted = {DOOMED: ComponentState.FAILED, **dict.fromkeys(direct, ComponentState.DEGRADED)}
    await until(fleet.unwell, lambda unwell: unwell == wanted)
    asked = [*resting, next(name for name in NEEDS if name not in resting)]
    told = await asyncio.gather(*(
        fleet.api.lifecycle.ExplainComponent(pb.ExplainComponentRequest(component_id=name)) for name in asked
    ))  # fmt: skip
    assert len(resting) > 20 and told[-1].well
    for one in told[:-1]:
        assert not one.well and list(one.root_causes) == [DOOMED]
        assert f"gave up on it after {BURST} restarts (gave_up)" in one.message
