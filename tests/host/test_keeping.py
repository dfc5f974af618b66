"""Keeping to the journal with real processes: what a server finds of those before it, and what it does about it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tekton.core.ids import lookup_key, new_uuid
from tekton.core.view import Launch, LaunchPhase
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.launch_commands import BeginLaunch, ClaimLaunch, EndLaunch
from tekton_server.domain.launch_spec import LaunchSpec, Restart
from tekton_server.live.launching import Launched
from tekton_server.live.lifecycle.adoption import take_over
from tekton_server.live.lifecycle.keeper import Keepers
from tekton_server.live.lifecycle.site import Means, Site, identity
from tests.host.fleet import OURSELVES, Fleet, until
from tests.unit.paper import Paper


class Server:
    """A server of which there is nothing but its keepers; its journal is of paper, its processes are real."""

    def __init__(self, fleet: Fleet, paper: Paper, server_id: str = "one") -> None:
        self.fleet = fleet
        self.paper = paper
        self.configured: dict[str, FleetComponent] = {}
        leases: Any = SimpleNamespace(now=lambda: 0.0, ownership=SimpleNamespace(others=()))
        self.site = Site(paper.view, self, leases, server_id)  # type: ignore[arg-type]
        self.site.means = Means(fleet.launcher, self.configured, "here", "p")
        self.keepers = Keepers(self.site)

    async def submit(self, command: Any) -> Any:
        """Decide a command as a writer does, and tell the keepers."""
        reply = self.paper.do(command)
        if key := getattr(command, "component_id", ""):
            self.keepers.follow(key)
            self.keepers.changed(lookup_key(key))
        return reply

    def now(self) -> datetime:
        """Give the time of the journal."""
        return self.paper.now

    def configure(self, component_id: str = "notes", *command: str, **spec: Any) -> FleetComponent:
        """Put a component into its components.json."""
        given = {"command": command or ("sleep", "1000"), "user": OURSELVES, "stop_timeout": 1.0} | spec
        one = FleetComponent(
            component_id=component_id,
            component_name="N",
            component_type="service",
            spec=msgspec.convert(given, LaunchSpec),
        )
        self.configured[lookup_key(component_id)] = one
        return one

    def claimed(self, component: FleetComponent, by: str = "one") -> Launch:
        """Claim a component, and no more."""
        holder = msgspec.structs.replace(self.site.holder, server_id=by)
        command = ClaimLaunch(component=component, instance_uuid=new_uuid(), holder=holder)
        launch: Launch = self.paper.do(command).launch
        self.fleet.known.append(identity(launch))
        return launch

    def launch(self, component_id: str = "notes") -> Launch:
        """Give the launch of a component."""
        found = self.site.launch(component_id)
        assert found is not None
        return found

    async def begun_unrecorded(self, component: FleetComponent) -> Launched:
        """Do what a server did that was killed between the process and its record."""
        launched = await self.fleet.launcher.launch(component.spec, identity(self.claimed(component)))
        self.fleet.launcher.close()
        return launched

    async def reaches(self, phase: LaunchPhase, component_id: str = "notes") -> Launch:
        """Wait until a launch is so far."""
        await until(lambda: self.launch(component_id).phase, lambda seen: seen is phase)
        return self.launch(component_id)


@pytest_asyncio.fixture(loop_scope="module")
async def server(fleet: Fleet) -> AsyncIterator[Server]:
    """A server that stops, at its end, whatever runs."""
    made = Server(fleet, Paper())
    yield made
    await made.keepers.close()
    for one in fleet.known:
        launched = await fleet.launcher.adopt(one)
        if launched is not None:
            await fleet.launcher.stop(launched, 0.0)


@pytest.mark.parametrize("change", ["component removed", "secret lost"])
async def test_what_was_begun_runs_on_though_it_could_not_be_started_by_now(server: Server, change: str) -> None:
    """A server was killed before it could record the process, and then its components.json was changed."""
    launched = await server.begun_unrecorded(server.configure())
    if change == "component removed":
        server.configured.clear()
    else:
        server.configure(env={"KEY": {"secret": "nobody-has-it"}})
    server.keepers.begin(server.fleet.launcher)
    await server.reaches(LaunchPhase.RUNNING)
    assert await server.fleet.launcher.alive() == [launched.identity]


async def test_what_could_not_be_started_and_never_ran_has_not_begun(server: Server) -> None:
    """With the reason, as ever."""
    server.claimed(server.configure(env={"KEY": {"secret": "nobody-has-it"}}))
    server.keepers.begin(server.fleet.launcher)
    launch = await server.reaches(LaunchPhase.ENDED)
    assert launch.last_exit.startswith("it did not begin:") and "nobody-has-it" in launch.last_exit


async def test_a_stray_that_takes_its_time_to_end_keeps_only_its_own_component_waiting(server: Server) -> None:
    """The registry was restored from before it, and its program has five minutes to stop: nobody else waits for it."""
    server.configure("other")
    lost = server.fleet.identity(epoch=9)
    script = "trap : TERM; echo deaf; while :; do sleep 0.05; done"
    stray = await server.fleet.launch("sh", "-c", script, identity=lost, stop_timeout=300.0)
    await server.fleet.said(stray, "deaf")
    claimed = server.claimed(server.configure(), by="its predecessor")
    server.fleet.launcher.close()
    server.keepers.begin(server.fleet.launcher)
    means = server.site.means
    assert means is not None
    async with asyncio.timeout(5):
        await take_over(server.site, means, server.keepers.drop)
        other = server.claimed(server.configured["other"])
        server.keepers.follow("other")
        await server.reaches(LaunchPhase.RUNNING, "other")
    assert server.launch().phase is LaunchPhase.CLAIMED and len(await server.fleet.launcher.alive()) == 2
    os.kill(stray.pid, signal.SIGKILL)
    await server.reaches(LaunchPhase.RUNNING)
    assert set(await server.fleet.launcher.alive()) == {identity(other), identity(claimed)}


@pytest.mark.parametrize("phase", [LaunchPhase.RUNNING, LaunchPhase.BACKOFF])
async def test_what_a_data_directory_was_copied_with_is_over_in_the_copy(server: Server, phase: LaunchPhase) -> None:
    """Neither what ran there nor what was to be started again: who looks would wait for it for ever."""
    launch = server.claimed(server.configure(), by="the original")
    server.paper.do(BeginLaunch(component_id="notes", epoch=1))
    if phase is LaunchPhase.BACKOFF:
        given: dict[str, Any] = {"epoch": 1, "exit": "exit code 3", "next_uuid": new_uuid(), "restart": Restart()}
        server.paper.do(EndLaunch(component_id="notes", instance_uuid=launch.instance_uuid, **given))
    assert server.launch().phase is phase
    means = Means(server.fleet.launcher, server.configured, "here", "the copy", alone=True)
    server.site.means = means
    await take_over(server.site, means, server.keepers.drop)
    assert (server.launch().phase, server.launch().next_attempt_at) == (LaunchPhase.ENDED, None)
