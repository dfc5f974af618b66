"""Launches are journal records: they outlive servers, are carried out by who holds them, and are of one copy each."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import URL, make_url

from tekton.core.errors import ConflictError, StartupError
from tekton.core.ids import new_uuid
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Launch, LaunchDesired, LaunchPhase
from tekton_server.domain.commands import EndInstance
from tekton_server.domain.launch_commands import ClaimLaunch, Holder
from tekton_server.fleet_files import Fleet
from tekton_server.live.lifecycle import keeper
from tekton_server.live.registry import LiveRegistry
from tekton_server.storage.journal import _JOURNAL_LOCK
from tests.support.launched import files_of, kill_all, launch, left, means, write_fleet
from tests.support.live import assert_whole, opened, register
from tests.support.postgres import Cluster

DEAF = "trap '' TERM; while :; do sleep 0.05; done"
FLEET = {
    "notes": launch(),
    "deaf": launch("sh", "-c", DEAF, stop_timeout=0.2),
    "absent": launch("/no/such/program"),
}


@pytest.fixture
def url(cluster: Cluster) -> URL:
    """An empty database."""
    return make_url(cluster.new_database())


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """What is launched."""
    return write_fleet(tmp_path / "f", FLEET)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A data directory, of whose launches nothing is left."""
    yield tmp_path / "here"
    kill_all(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Path]:
    """Another."""
    yield tmp_path / "there"
    kill_all(tmp_path / "there")


@asynccontextmanager
async def server(url: URL, data: Path, fleet: Fleet, **more: object) -> AsyncIterator[LiveRegistry]:
    """Run a server that launches from a data directory; what it launched runs on."""
    alone = bool(more.pop("alone", False))
    async with opened(url, alone=alone, means=means(data, fleet, alone=alone, **more)) as live:
        yield live


def alive(data: Path, component_id: str = "notes") -> list[str]:
    """Give the instances of a component that run."""
    return [one.instance_uuid for one in files_of(data, component_id) if one.alive()]


async def until(holds: Callable[[], object], within: float = 10.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def launch_of(live: LiveRegistry, component_id: str = "notes") -> Launch:
    """Read a launch as a server knows it."""
    found = live.view.launch(component_id)
    assert found is not None
    return found


async def test_what_can_be_started_is_seen_before_anybody_starts_it(url: URL, here: Path, tmp_path: Path) -> None:
    """As its file says, also where that changes, until there is a launch; then only what it needs is added to it."""
    fleet = write_fleet(tmp_path / "f", FLEET | {"hermes": launch()})
    async with server(url, here, fleet) as live:
        await until(lambda: len(live.view.components) == 3)
        assert live.view.components.keys() == FLEET.keys()
        assert [one.status for one in live.view.components.values()] == [ComponentState.UNKNOWN] * 3
        await live.lifecycle.start("notes")
        before = live.view.revision
    said = {"dependencies": ["more"], "component_name": "Other"}
    changed = write_fleet(tmp_path / "f", {name: one | said for name, one in FLEET.items()})
    async with server(url, here, changed) as live:
        await until(lambda: live.view.components["deaf"].definition.component_name == "Other")
        known = live.view.components["notes"].definition
        assert (known.dependencies, known.component_name) == (("more",), fleet.launchable()["notes"].component_name)
        told = live.view.revision
        assert told > before
    async with server(url, here, changed) as live:
        await live.lifecycle.start("notes")
        assert live.view.components["deaf"].definition.revision <= told


async def test_a_launch_is_the_same_for_other_servers_and_after_a_restart(url: URL, here: Path, fleet: Fleet) -> None:
    """The journal, its fold everywhere, and the table agree; a component that never registered is there to be seen."""
    async with server(url, here, fleet) as live, opened(url, migrated=True) as other:
        started = await live.lifecycle.start("notes")
        with pytest.raises(StartupError):
            await live.lifecycle.start("absent")
        await live.lifecycle.stop("notes")
        await live.lifecycle.start("notes")
        await other.confirm()
        assert other.view.launches == live.view.launches and len(live.view.launches) == 2
        found = launch_of(live)
        assert (found.epoch, found.phase, found.host) == (2, LaunchPhase.RUNNING, "here")
        assert (found.server_id, found.last_exit) == (str(live.server_id), "ended by SIGTERM")
        assert found.instance_uuid != started.instance_uuid
        assert live.view.get("notes") is not None
        await assert_whole(live, 1)
        await assert_whole(other, 1)


async def test_several_servers_with_one_configuration_start_one_copy(
    url: URL, here: Path, there: Path, fleet: Fleet
) -> None:
    """Whoever is asked, and the one that holds it carries out what the other was told."""
    async with server(url, here, fleet) as one, server(url, there, fleet) as two:
        found = await asyncio.gather(*(live.lifecycle.start("notes") for live in (one, two, one, two)))
        assert len({each.instance_uuid for each in found}) == 1
        assert sum(each.already for each in found) == 3
        assert len(alive(here) + alive(there)) == 1
        other = two if launch_of(one).server_id == str(one.server_id) else one
        again = await other.lifecycle.restart("notes")
        assert again.instance_uuid != found[0].instance_uuid
        assert alive(here) + alive(there) == [again.instance_uuid]
        stopped = await other.lifecycle.stop("notes")
        assert [each.launched for each in stopped.endings] == [True]
        assert alive(here) + alive(there) == []


async def test_a_restarted_server_goes_on_with_what_runs(url: URL, here: Path, fleet: Fleet) -> None:
    """It follows the same process, and sees it end."""
    async with server(url, here, fleet) as live:
        uuid = (await live.lifecycle.start("notes")).instance_uuid
    assert alive(here) == [uuid]
    async with server(url, here, fleet) as live:
        assert (await live.lifecycle.start("notes")).already
        assert launch_of(live).server_id == str(live.server_id)
        kill(here)
        await until(lambda: launch_of(live).phase is LaunchPhase.ENDED)
        dead = live.view.instance(uuid)
        assert dead is not None and (dead.state, dead.reason) == (ComponentState.FAILED, "process_exited")


@pytest.mark.parametrize("deaf", [False, True], ids=["it stops", "it is killed"])
async def test_what_outlived_its_server_is_stopped_where_that_is_configured(
    url: URL, here: Path, fleet: Fleet, deaf: bool
) -> None:
    """With the time that its specification gives, and by force."""
    name = "deaf" if deaf else "notes"
    async with server(url, here, fleet) as live:
        await live.lifecycle.start(name)
    async with server(url, here, fleet, orphans="stop") as live:
        await until(lambda: launch_of(live, name).phase is LaunchPhase.ENDED)
        assert launch_of(live, name).last_exit == ("ended by SIGKILL" if deaf else "ended by SIGTERM")
        assert left(here) == []
        assert not (await live.lifecycle.start(name)).already


def kill(data: Path, component_id: str = "notes") -> None:
    """Kill the process of a component."""
    status = files_of(data, component_id)[0].status()
    assert status is not None
    os.kill(status.pid, 9)


async def test_what_ended_while_no_server_was_there_is_known_with_its_exit(url: URL, here: Path, fleet: Fleet) -> None:
    """Its shim has written it down."""
    async with server(url, here, fleet) as live:
        await live.lifecycle.start("notes")
    kill(here)
    await until(lambda: not alive(here))
    async with server(url, here, fleet) as live:
        await until(lambda: launch_of(live).phase is LaunchPhase.ENDED)
        assert launch_of(live).last_exit == "ended by SIGKILL"
        assert launch_of(live).desired is LaunchDesired.RUNNING


@pytest.mark.parametrize(("orphans", "phase"), [("adopt", LaunchPhase.RUNNING), ("stop", LaunchPhase.ENDED)])
async def test_a_claim_without_a_process_is_carried_out_or_not_as_configured(
    url: URL, here: Path, fleet: Fleet, orphans: str, phase: LaunchPhase
) -> None:
    """Its server ended between the claim and the start."""
    async with opened(url) as live:
        place = means(here, fleet).place
        claim = ClaimLaunch(
            component=fleet.launchable()["notes"],
            instance_uuid=new_uuid(),
            holder=Holder(new_uuid(), "here", place),
        )
        uuid = (await live.writer.submit(claim)).launch.instance_uuid
    async with server(url, here, fleet, orphans=orphans) as live:
        await until(lambda: launch_of(live).phase is phase)
        assert launch_of(live).instance_uuid == uuid
        assert alive(here) == ([uuid] if orphans == "adopt" else [])


async def test_a_restart_goes_on_where_a_server_left_it(
    url: URL, here: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written down is done: the process is stopped, and another started."""
    async with server(url, here, fleet) as live:
        first = (await live.lifecycle.start("deaf")).instance_uuid
        monkeypatch.setattr(keeper.Keeper, "changed", lambda self: None)
        restarting = asyncio.ensure_future(live.lifecycle.restart("deaf", force=True))
        await until(lambda: launch_of(live, "deaf").phase is LaunchPhase.STOPPING)
        restarting.cancel()
    monkeypatch.undo()
    assert alive(here, "deaf") == [first]
    async with server(url, here, fleet) as live:
        await until(lambda: launch_of(live, "deaf").epoch == 2 and launch_of(live, "deaf").phase is LaunchPhase.RUNNING)
        assert alive(here, "deaf") == [launch_of(live, "deaf").instance_uuid] != [first]


async def test_a_claim_of_another_host_is_left_alone_until_somebody_starts_the_component(
    url: URL, here: Path, there: Path, fleet: Fleet
) -> None:
    """Its server is gone and it holds no lease; when that comes back, it finds another in its place, and stops."""
    async with server(url, here, fleet) as live:
        first = (await live.lifecycle.start("notes")).instance_uuid
    async with server(url, there, fleet) as live:
        assert (launch_of(live).phase, launch_of(live).instance_uuid) == (LaunchPhase.RUNNING, first)
        second = await live.lifecycle.start("notes")
        assert not second.already and launch_of(live).epoch == 2
        assert (alive(here), alive(there)) == ([first], [second.instance_uuid])
        async with server(url, here, fleet) as back:
            await until(lambda: alive(here) == [])
            assert launch_of(back).instance_uuid == second.instance_uuid
        assert alive(there) == [second.instance_uuid]


async def test_a_server_whose_claim_is_taken_stops_its_copy(url: URL, here: Path, fleet: Fleet) -> None:
    """It was thought dead, and lives: its process is superseded, and the other's is none of its business."""
    async with server(url, here, fleet) as live:
        await live.lifecycle.start("notes")
        other = str(new_uuid())
        claim = ClaimLaunch(
            component=fleet.launchable()["notes"],
            instance_uuid=new_uuid(),
            holder=Holder(other, "there", new_uuid(), frozenset({other})),
        )
        taken = (await live.writer.submit(claim)).launch
        await until(lambda: left(here) == [])
        assert launch_of(live) == taken


async def test_a_claim_whose_instance_holds_a_lease_is_not_taken(
    url: URL, here: Path, there: Path, fleet: Fleet
) -> None:
    """Its server is gone, and it lives."""
    async with server(url, here, fleet) as live:
        first = (await live.lifecycle.start("notes")).instance_uuid
        await live.writer.submit(register(1, component_id="notes", instance_uuid=first))
    async with server(url, there, fleet) as live:
        found = await live.lifecycle.start("notes")
        assert (found.instance_uuid, found.already, alive(there)) == (first, True, [])


async def test_a_copy_of_a_data_directory_is_another_place(url: URL, here: Path, there: Path, fleet: Fleet) -> None:
    """What the original has launched is not the copy's: it is not signalled, and over where it must be alone."""
    async with server(url, here, fleet) as live:
        uuid = (await live.lifecycle.start("notes")).instance_uuid
    shutil.copytree(here, there)
    async with server(url, there, fleet, alone=True) as live:
        await until(lambda: launch_of(live).phase is LaunchPhase.ENDED)
    assert alive(here) == [uuid]
    # The files of the copy name it too.
    kill_all(here)


@pytest.mark.parametrize("orphans", ["adopt", "stop"])
async def test_what_the_registry_has_lost_is_adopted_or_stopped_as_configured(
    url: URL, cluster: Cluster, here: Path, fleet: Fleet, orphans: str
) -> None:
    """It was restored from before the start."""
    async with server(url, here, fleet) as live:
        uuid = (await live.lifecycle.start("notes")).instance_uuid
    async with server(make_url(cluster.new_database()), here, fleet, orphans=orphans) as live:
        wanted = LaunchPhase.RUNNING if orphans == "adopt" else LaunchPhase.ENDED
        await until(lambda: live.view.launch("notes") is not None and launch_of(live).phase is wanted)
        assert launch_of(live).instance_uuid == uuid
        assert alive(here) == ([uuid] if orphans == "adopt" else [])


async def test_what_runs_and_is_configured_no_more_is_stopped_where_nobody_knows_it(
    url: URL, cluster: Cluster, here: Path, fleet: Fleet, tmp_path: Path
) -> None:
    """One that the registry knows is followed and can be stopped, but not started again."""
    nothing = write_fleet(tmp_path / "n", {})
    async with server(url, here, fleet) as live:
        uuid = (await live.lifecycle.start("notes")).instance_uuid
    async with server(url, here, nothing) as live:
        await until(lambda: launch_of(live).server_id == str(live.server_id))
        assert (await live.lifecycle.start("notes")).already
        assert alive(here) == [uuid]
    async with server(make_url(cluster.new_database()), here, nothing) as live:
        await until(lambda: not alive(here))
        assert live.view.launches == {}


async def test_the_end_of_a_process_is_recorded_after_an_outage_of_the_database(
    url: URL, cluster: Cluster, here: Path, fleet: Fleet
) -> None:
    """Once, as soon as there is one again."""
    async with server(url, here, fleet) as live:
        await live.lifecycle.start("notes")
        blocker = await asyncpg.connect(live._session._database.dsn)
        await blocker.execute(f"BEGIN; SELECT pg_advisory_xact_lock({_JOURNAL_LOCK})")
        kill(here)
        await until(lambda: not alive(here))
        await asyncio.sleep(0.3)
        assert launch_of(live).phase is LaunchPhase.RUNNING
        await blocker.close()
        await until(lambda: launch_of(live).phase is LaunchPhase.ENDED)


async def test_a_start_that_a_stop_overtakes_says_so(
    url: URL, here: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of it is left: also what hangs before its program begins is given up."""
    begun, release = asyncio.Event(), asyncio.Event()

    async def hangs(*_: object) -> None:
        begun.set()
        await release.wait()

    async with server(url, here, fleet) as live:
        site = live.lifecycle.site
        assert site.means is not None
        monkeypatch.setattr(site.means.launcher, "launch", hangs)
        starting = asyncio.ensure_future(live.lifecycle.start("notes"))
        await begun.wait()
        stopped = await asyncio.wait_for(live.lifecycle.stop("notes"), 5)
        assert len(stopped.endings) == 1
        with pytest.raises(ConflictError, match="stopped meanwhile"):
            await starting
        assert (launch_of(live).phase, left(here)) == (LaunchPhase.ENDED, [])


async def test_old_launches_are_forgotten_with_their_components(url: URL, here: Path, fleet: Fleet) -> None:
    """Once nothing else of them is there; what can be started is shown again, and what runs stays as it is."""

    def anew(component_id: str, after: int) -> bool:
        found = live.view.get(component_id)
        return found is not None and found.definition.revision > after and found.status is ComponentState.UNKNOWN

    async with server(url, here, fleet) as live:
        await live.lifecycle.start("notes")
        await live.lifecycle.start("deaf")
        await live.lifecycle.stop("deaf", force=True)
        later = datetime.now(UTC) + timedelta(hours=80)
        before = live.view.revision
        await live.housekeeping.sweep(later)
        assert set(live.view.launches) == {"notes"} and live.view.get("notes") is not None
        await until(lambda: anew("deaf", before))
        first = launch_of(live).instance_uuid
        await live.writer.submit(register(1, component_id="notes", instance_uuid=first))
        await live.writer.submit(EndInstance(component_id="notes", instance_uuid=first))
        await live.housekeeping.sweep(later)
        assert live.view.get("notes") is not None and launch_of(live).active
        await live.lifecycle.stop("notes")
        before = live.view.revision
        await live.housekeeping.sweep(later)
        assert live.view.launches == {}
        await until(lambda: anew("notes", before))
        await assert_whole(live, 0)
