"""Real processes that fail, and what Tekton does about it: started again, replaced, or given up, and told so."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import system_service_pb2 as system_pb
from tekton_server.domain.preservation import Word
from tests.host.fleet import until
from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.launched import files_of, kill_all, launch, launching, left, small, write_fleet
from tests.support.postgres import Cluster

S, P = pb.ComponentState, pb.LaunchPhase
SOON = {"initial": 0.05, "max": 0.1}


def restart(**more: Any) -> dict[str, Any]:
    """Make a restart policy with short pauses."""
    return {"restart": {"backoff": SOON, **more}}


CRASH = ("sh", "-c", "echo going down; exit 3")
FLEET = {
    "notes": small("notes", **restart()),
    "frozen": small("frozen", stop_timeout=0.5, **restart()),
    "phoenix": small("phoenix", **restart(reset_after=0.3)),
    "once": small("once", **restart(policy="never")),
    "done": launch("sh", "-c", "sleep 0.2", **restart()),
    "crasher": launch(*CRASH, **restart(burst=3)),
    "late": launch(startup_timeout=0.4, stop_timeout=0.5, **restart(burst=1)),
    "low": small("low", **restart(burst=2)),
    "mid": small("mid", "low", **restart()),
    "top": small("top", "mid", **restart()),
    "base": small("base", **restart(dependents="restart")),
    "upper": small("upper", "base", **restart()),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with a fleet to launch."""
    async with launching(cluster.new_database(), tmp_path_factory.mktemp("healed"), FLEET) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ward(tekton: ControlPlane) -> AsyncIterator[Ward]:
    """The fleet, to be hurt."""
    async with stubs(tekton.direct) as api:
        yield Ward(tekton, api)


class Ward:
    """Starts components, hurts them, and sees how they are."""

    def __init__(self, tekton: ControlPlane, api: Stubs) -> None:
        self.tekton = tekton
        self.api = api

    async def start(self, *names: str) -> None:
        """Start components and wait until they serve."""
        for name in names:
            await self.api.lifecycle.StartComponent(
                lifecycle_pb.StartComponentRequest(component_id=name, wait=True), timeout=20
            )

    async def begin(self, name: str) -> None:
        """Start a component that will not come to serve."""
        await self.api.lifecycle.StartComponent(lifecycle_pb.StartComponentRequest(component_id=name), timeout=20)

    async def stop(self, name: str) -> None:
        """Stop a component as an operator does."""
        request = lifecycle_pb.StopComponentRequest(component_id=name, force=True)
        await self.api.lifecycle.StopComponent(request, timeout=20)

    async def status(self, name: str) -> lifecycle_pb.GetComponentStatusResponse:
        """Give how a component is."""
        return await self.api.lifecycle.GetComponentStatus(lifecycle_pb.GetComponentStatusRequest(component_id=name))

    async def becomes(
        self, name: str, good: Callable[[lifecycle_pb.GetComponentStatusResponse], bool], within: float = 10.0
    ) -> lifecycle_pb.GetComponentStatusResponse:
        """Wait until a component is as it should; give how it is then."""
        found: lifecycle_pb.GetComponentStatusResponse = await until(lambda: self.status(name), good, within)
        return found

    async def again(self, name: str, epoch: int) -> lifecycle_pb.GetComponentStatusResponse:
        """Wait until a later launch of a component serves."""
        return await self.becomes(name, lambda one: one.status == S.ready and one.status_detail.epoch > epoch)

    def pid(self, name: str) -> int:
        """Give the process of a component's last launch."""
        status = files_of(self.tekton.settings.data_path, name)[0].status()
        assert status is not None
        return status.pid

    async def why(self, name: str) -> lifecycle_pb.ExplainComponentResponse:
        """Explain a component."""
        return await self.api.lifecycle.ExplainComponent(lifecycle_pb.ExplainComponentRequest(component_id=name))

    async def conditions(self, name: str) -> list[lifecycle_pb.Condition]:
        """Give what is told of a component and of what is in its way."""
        return list((await self.why(name)).conditions)

    async def history(self, name: str) -> list[str]:
        """Give the states of a component's instances with their reasons, the oldest first."""
        request = lifecycle_pb.ListTransitionsRequest(component_id=name)
        found = (await self.api.lifecycle.ListTransitions(request)).transitions
        return [f"{S.Value.Name(one.new_state)} {one.reason}" for one in reversed(found)]


async def test_a_killed_component_is_started_again(ward: Ward) -> None:
    """Its failure is recorded at once, with the signal, and not when its lease runs out."""
    await ward.start("notes")
    first = await ward.status("notes")
    os.kill(ward.pid("notes"), signal.SIGKILL)
    after = await ward.again("notes", first.status_detail.epoch)
    assert after.status_detail.restart_count == 1 and after.status_detail.last_exit == "ended by SIGKILL"
    assert after.instance_uuid != first.instance_uuid
    assert "failed process_exited" in await ward.history("notes")
    await ward.stop("notes")
    assert (await ward.status("notes")).status_detail.phase == P.ended


async def test_one_that_hangs_is_replaced(ward: Ward) -> None:
    """Its process lives and answers nothing, not even SIGTERM: it is killed, and another one takes its place."""
    await ward.start("frozen")
    first, pid = await ward.status("frozen"), ward.pid("frozen")
    os.kill(pid, signal.SIGSTOP)
    after = await ward.again("frozen", first.status_detail.epoch)
    assert after.status_detail.last_exit.startswith("it hung: no heartbeat came for its whole timeout; ended by SIG")
    assert not Path(f"/proc/{pid}").exists()
    assert "failed lease_expired" in await ward.history("frozen")
    await ward.stop("frozen")


async def test_one_that_always_crashes_is_given_up_after_its_burst(ward: Ward) -> None:
    """In the status, in the history and in `tekton why`, until an operator starts it."""
    await ward.begin("crasher")
    given_up = await ward.becomes("crasher", lambda one: one.status_detail.phase == P.gave_up)
    assert (given_up.status, given_up.status_detail.restart_count) == (S.failed, 3)
    assert given_up.status_detail.last_exit == "exit code 3" and given_up.status_detail.epoch == 4
    assert (await ward.history("crasher"))[-1] == "failed gave_up"
    assert "gave up on it after 3 restarts (gave_up)" in (await ward.why("crasher")).message
    await ward.begin("crasher")
    anew = await ward.becomes("crasher", lambda one: one.status_detail.phase == P.gave_up)
    assert anew.status_detail.epoch == 8


async def test_one_that_does_not_become_ready_in_time_has_failed(ward: Ward) -> None:
    """It is stopped and tried again, and given up like any other."""
    await ward.begin("late")
    given_up = await ward.becomes("late", lambda one: one.status_detail.phase == P.gave_up)
    assert given_up.status_detail.epoch == 2
    assert given_up.status_detail.last_exit == "it was not ready within its start-up timeout; ended by SIGTERM"


async def test_a_healthy_period_begins_the_count_anew(ward: Ward) -> None:
    """And so the pauses."""
    await ward.start("phoenix")
    epoch = (await ward.status("phoenix")).status_detail.epoch
    os.kill(ward.pid("phoenix"), signal.SIGKILL)
    after = await ward.again("phoenix", epoch)
    assert after.status_detail.restart_count == 1
    await ward.becomes("phoenix", lambda one: one.status_detail.restart_count == 0)
    await ward.stop("phoenix")


async def test_what_no_policy_heals_stays_as_it_ended(ward: Ward) -> None:
    """Never, and a good end of one that is healed on failure."""
    await ward.start("once")
    os.kill(ward.pid("once"), signal.SIGKILL)
    await ward.begin("done")
    ended = [await ward.becomes(name, lambda one: one.status_detail.phase == P.ended) for name in ("once", "done")]
    assert [(one.status, one.status_detail.epoch) for one in ended] == [(S.failed, 1), (S.failed, 1)]


async def test_dependents_are_degraded_for_as_long_as_it_lasts_and_all_above_say_so(ward: Ward) -> None:
    """Also those that do not depend on it directly; and they are ready again when an operator has started it."""
    await ward.start("low", "mid", "top")
    for _ in range(3):
        running = await ward.becomes("low", lambda one: one.status == S.ready)
        os.kill(ward.pid("low"), signal.SIGKILL)
        await ward.becomes("low", lambda one, was=running: one.status_detail != was.status_detail)  # type: ignore[misc]
    await ward.becomes("low", lambda one: one.status_detail.phase == P.gave_up)
    await ward.becomes("mid", lambda one: one.status == S.degraded)
    assert (await ward.status("top")).status == S.ready
    for name in ("low", "mid", "top"):
        told = await ward.why(name)
        assert not told.well and list(told.root_causes) == ["low"]
        assert "Tekton gave up on it after 2 restarts (gave_up)" in told.message
    await ward.start("low")
    await ward.becomes("mid", lambda one: one.status == S.ready)
    assert (await ward.why("top")).well
    assert (await ward.status("mid")).status_detail.epoch == 1


async def test_dependents_are_started_again_where_that_is_configured(ward: Ward) -> None:
    """Once what they depend on serves again; that counts as no failure of theirs."""
    await ward.start("base", "upper")
    os.kill(ward.pid("base"), signal.SIGKILL)
    after = await ward.again("upper", 1)
    assert (after.status_detail.epoch, after.status_detail.restart_count) == (2, 0)
    assert (await ward.status("base")).status_detail.epoch == 2
    assert "degraded dependency_failed" in await ward.history("upper")


async def test_while_self_preservation_is_on_nothing_is_healed_and_it_is_said_why(ward: Ward) -> None:
    """In the explanation, in the health and in the figures; it goes on when that is over."""
    await ward.start("notes")
    epoch = (await ward.status("notes")).status_detail.epoch
    switches = ward.tekton.app.live.switches
    await switches.preserve(Word.ON)
    os.kill(ward.pid("notes"), signal.SIGKILL)
    await ward.becomes("notes", lambda one: one.status_detail.phase == P.backoff)
    [itself] = await until(
        lambda: ward.conditions("notes"), lambda found: "its restart waits: self-preservation is on" in found[0].notes
    )
    assert itself.status_detail.phase == P.backoff and "is started again from" in itself.message
    health = await ward.api.system.Health(system_pb.HealthRequest())
    assert health.details["healing"] == "healing is held back: self-preservation is on; 1 components wait for it"
    text = (await ward.api.system.Exposition(system_pb.ExpositionRequest())).data.decode()
    figures = {'tekton_launches{phase="backoff"} 1.0', "tekton_healing_held 1.0", "tekton_healing_waiting 1.0"}
    assert figures <= set(text.splitlines())
    assert (await ward.status("notes")).status_detail.epoch == epoch
    await switches.preserve(Word.AUTO)
    await ward.again("notes", epoch)


async def test_nothing_of_what_was_stopped_is_left(ward: Ward) -> None:
    """Each kill, each replacement and each stop left a clean process table."""
    await asyncio.gather(*map(ward.stop, FLEET))
    await until(lambda: left(ward.tekton.settings.data_path), lambda found: found == [])


async def test_a_restarted_server_goes_on_with_pauses_and_counts(cluster: Cluster, tmp_path: Path) -> None:
    """What crashes ends in its one burst, whoever counted it; what died while nobody looked is healed."""
    slowly = {"restart": {"burst": 3, "backoff": {"initial": 0.8, "max": 0.8}}}
    files = write_fleet(tmp_path / "f", {"crasher": launch(*CRASH, **slowly), "notes": small("notes", **restart())})
    database, data = cluster.new_database(), tmp_path / "d"
    try:
        async with control_plane(database, data, fleet=files) as tekton, stubs(tekton.direct) as api:
            first = Ward(tekton, api)
            await first.start("notes")
            await first.begin("crasher")
            waiting = await first.becomes(
                "crasher", lambda one: one.status_detail.phase == P.backoff and one.status_detail.restart_count > 0
            )
        os.kill(first.pid("notes"), signal.SIGKILL)
        async with control_plane(database, data, fleet=files) as tekton, stubs(tekton.direct) as api:
            second = Ward(tekton, api)
            again = await second.status("crasher")
            assert again.status_detail.restart_count >= waiting.status_detail.restart_count
            given_up = await second.becomes("crasher", lambda one: one.status_detail.phase == P.gave_up)
            assert (given_up.status_detail.epoch, given_up.status_detail.restart_count) == (4, 3)
            healed = await second.again("notes", 1)
            assert healed.status_detail.last_exit == "ended by SIGKILL"
            await second.stop("notes")
    finally:
        kill_all(data)
