"""The start of everything as Tekton starts, and its stop as Tekton stops."""

from __future__ import annotations

import asyncio

from tekton_server.sections import Components
from tekton_server.whole_fleet import WholeFleet
from tests.services.fleet_runs.steps import ids
from tests.support.control_plane import ControlPlane
from tests.support.starter import FakeStarter


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
