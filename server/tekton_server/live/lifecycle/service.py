"""The Starter: what operators and coordinators ask for, written into the journal, and what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from tekton.core.backoff import full_jitter
from tekton.core.errors import ConflictError, NoLaunchSpecError, TektonError, TektonTimeoutError, UnavailableError
from tekton.core.ids import lookup_key, new_uuid
from tekton.core.records import CommandKind, RoutingChange
from tekton.core.view import Commit, DefinitionChange, Instance, Launch, LaunchChange, LaunchDesired, LaunchPhase, View
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.instances import not_found
from tekton_server.domain.launch_commands import Claimed, ClaimLaunch, StopAsked, StopLaunch
from tekton_server.domain.launch_spec import STOP_TIMEOUT
from tekton_server.domain.launches import RETENTION
from tekton_server.live.leases import LeaseTable
from tekton_server.live.lifecycle import endings, patience, readiness
from tekton_server.live.lifecycle.adoption import declare, take_over
from tekton_server.live.lifecycle.bells import Bells, until
from tekton_server.live.lifecycle.cycles import refuse_cycles
from tekton_server.live.lifecycle.keeper import Keepers
from tekton_server.live.lifecycle.site import Means, Site
from tekton_server.live.starting import Started, Starter, Stopped
from tekton_server.live.writer import Writer

log = logging.getLogger(__name__)

# How long a start waits for its program to begin, and anything for this server to know what runs; in seconds.
BEGIN_WITHIN, SETTLE_WITHIN = 40.0, 30.0


class Lifecycle(Starter):
    """Starts what `equip` gave it the means for; without, it only stops, by command or by the server that can."""

    def __init__(
        self,
        view: View,
        writer: Writer,
        leases: LeaseTable,
        server_id: str,
        confirm: Callable[[], Awaitable[None]],
        met: Callable[[], Awaitable[object]],
    ) -> None:
        self.site = Site(view, writer, leases, server_id)
        self._view = view
        self._writer = writer
        self._confirm = confirm
        self._met = met
        self.bells = self._bells = Bells()
        self._keepers = Keepers(self.site)
        self._settled = asyncio.Event()
        self._forgotten = asyncio.Event()

    def equip(self, means: Means) -> None:
        """Give it what it launches with, before it runs."""
        self.site.means = means

    def configured_needs(self, component_id: str) -> tuple[str, ...]:
        """Give what the files of this server say that a component needs; nothing where they do not speak of it."""
        means = self.site.means
        return means.needs.get(lookup_key(component_id), ()) if means is not None and component_id else ()

    async def run(self) -> None:
        """Take over what runs, and follow launches until cancelled."""
        try:
            await self._met()
            means = self.site.means
            if means is None:
                self._settled.set()
                await asyncio.Event().wait()
            else:
                await self._launch(means)
        finally:
            await self._keepers.close()

    async def _launch(self, means: Means) -> None:
        self._keepers.begin(means.launcher)
        await self._until_done(partial(self._take_over, means), "what runs already cannot be taken over yet")
        self._settled.set()
        while True:
            # Then again for what is forgotten because it has not run for long: it can be started still.
            await self._until_done(partial(declare, self.site, means), "what can be started cannot be shown yet")
            await self._forgotten.wait()
            self._forgotten.clear()

    async def _take_over(self, means: Means) -> None:
        await self._confirm()
        await take_over(self.site, means, self._keepers.drop)

    async def _until_done(self, job: Callable[[], Awaitable[None]], failing: str) -> None:
        attempt = 0
        while True:
            try:
                return await job()
            except (TektonError, OSError) as error:
                log.warning("%s: %s", failing, error)
                await asyncio.sleep(full_jitter(attempt, base=0.2, ceiling=5.0))
                attempt += 1

    def on_commit(self, commit: Commit) -> None:
        """Follow the journal."""
        self.site.extensions.on_commit(commit)
        for change in commit.changes:
            if isinstance(change, LaunchChange):
                self._keepers.follow(change.component_id)
            elif isinstance(change, DefinitionChange) and change.new is None and change.cause.reason == RETENTION:
                self._forgotten.set()
            # Next to nobody waits, and most commits are of components that nobody launched.
            if (self._bells or self._keepers) and not isinstance(change, DefinitionChange | RoutingChange):
                key = lookup_key(change.component_id)
                self._keepers.changed(key)
                self._bells.ring(key)

    async def settled(self, within: float) -> bool:
        """Wait until this server knows what runs; tell whether it came to that."""
        try:
            async with asyncio.timeout(within):
                return await self._settled.wait()
        except TimeoutError:
            return False

    async def _settle(self) -> None:
        if not await self.settled(SETTLE_WITHIN):
            raise UnavailableError("what runs is still being found out; try again")

    def launchable(self) -> Mapping[str, FleetComponent]:
        """See live.starting.Starter."""
        return self.site.fleet

    async def start(self, component_id: str) -> Started:
        """See live.starting.Starter."""
        await self._settle()
        component = self.site.fleet.get(lookup_key(component_id))
        if component is None:
            return await self._without_specification(component_id)
        refuse_cycles(self._view, self.site.fleet, component.component_id)
        self._admit(component.component_id)
        left = until(STOP_TIMEOUT + BEGIN_WITHIN)
        while True:
            claimed: Claimed = await self._writer.submit(
                ClaimLaunch(component=component, instance_uuid=new_uuid(), holder=self.site.holder)
            )
            if claimed.running is not None:
                return endings.already(component_id, claimed.running.instance_uuid)
            launch = claimed.launch
            assert launch is not None
            if endings.said_goodbye(self.site, launch):
                # It has ended its work and not its process; that is on its way, or hangs.
                return await self.restart(component_id)
            if launch.phase is not LaunchPhase.STOPPING:
                return await self._begun(launch, already=not claimed.made)
            await self._bells.until(component_id, lambda launch=launch: self._stopped(launch), left)  # type: ignore[misc]
            if left() <= 0:
                raise TektonTimeoutError(f"{component_id} is being stopped, and has not ended yet", component_id)

    def _admit(self, component_id: str) -> None:
        """Refuse what this machine has no room for, unless it is there already: that changes nothing."""
        launch, component = self.site.launch(component_id), self._view.get(component_id)
        leased = component is not None and any(one.leased for one in component.instances.values())
        if not leased and (launch is None or not launch.active):
            self.site.admit(component_id)

    async def _without_specification(self, component_id: str) -> Started:
        """Answer for what this server cannot launch: it may run all the same."""
        await self._confirm()
        component, launch = self._view.get(component_id), self.site.launch(component_id)
        if launch is not None and launch.active and launch.phase is not LaunchPhase.STOPPING:
            return await self._begun(launch, already=True)
        best = component.best if component else None
        if best is not None and (best.leased or best.built_in) and best.state not in endings.ENDING:
            return endings.already(component_id, best.instance_uuid)
        if component is None:
            raise not_found(component_id)
        why = "components.json has none" if self.site.means else "this server launches nothing"
        raise NoLaunchSpecError(
            f"{component_id} has no launch specification: {why}; start it yourself, and it will register",
            component_id,
        )

    async def _begun(self, launch: Launch, *, already: bool) -> Started:
        """Wait until the program of a launch runs, or is known not to."""
        component_id, left = launch.component_id, until(BEGIN_WITHIN)

        def look() -> Launch | None:
            present = self.site.launch(component_id)
            waits = present is not None and present.epoch == launch.epoch and present.phase is LaunchPhase.CLAIMED
            return None if waits else present or launch

        present = await self._bells.until(component_id, look, left)
        if present is None:
            raise TektonTimeoutError(
                f"the program of {component_id} did not begin within {BEGIN_WITHIN:g} s", component_id
            )
        if present.phase is LaunchPhase.CLAIMED and present.epoch > launch.epoch:
            return await self._begun(present, already=already)
        if present.phase is LaunchPhase.RUNNING:
            return endings.started(self.site, present, already=already)
        raise await endings.not_started(self.site, launch, present)

    async def ready(self, component_id: str, instance_uuid: str) -> None:
        """See live.starting.Starter."""
        await readiness.wait(self.site, self._bells, component_id, instance_uuid)

    async def stop(
        self, component_id: str, *, instance_uuid: str | None = None, force: bool = False, timeout: float | None = None
    ) -> Stopped:
        """See live.starting.Starter."""
        await self._settle()
        seconds = self._seconds(component_id, timeout)
        if not instance_uuid and await self._unheard_of(component_id):
            return Stopped(component_id)
        asked: StopAsked = await self._writer.submit(
            StopLaunch(
                component_id=component_id,
                holder=self.site.holder,
                seed=new_uuid(),
                instance_uuid=instance_uuid or "",
                seconds=seconds,
                force=force,
            )
        )
        left = until(patience.longest(seconds, force=force))
        ours = [] if asked.launch is None else [self._bells.until(component_id, self._over(asked.launch), left)]
        others = [self._bells.until(component_id, self._told(one), until(seconds + 1.0)) for one in asked.others]
        await asyncio.gather(*ours, *others)
        return endings.stopped(self.site, component_id, asked, seconds)

    def _seconds(self, component_id: str, timeout: float | None) -> float:
        return self.site.stop_timeout(component_id) if timeout is None else timeout

    async def _unheard_of(self, component_id: str) -> bool:
        """Tell whether a component is configured, and the registry has never heard of it."""

        def known() -> bool:
            return self._view.definition(component_id) is not None or self.site.launch(component_id) is not None

        if lookup_key(component_id) not in self.site.fleet or known():
            return False
        await self._confirm()
        return not known()

    def _over(self, launch: Launch) -> Callable[[], bool | None]:
        return lambda: True if self._stopped(launch) else None

    def _stopped(self, launch: Launch) -> bool | None:
        """Tell whether a launch that was stopping is over; None where it is not."""
        present = self.site.launch(launch.component_id)
        return True if present is None or present.epoch != launch.epoch or not present.active else None

    def _told(self, instance: Instance) -> Callable[[], bool | None]:
        return lambda: True if endings.gone(self.site, instance) or endings.refusal(self.site, instance) else None

    async def restart(
        self,
        component_id: str,
        *,
        instance_uuid: str | None = None,
        force: bool = False,
        timeout: float | None = None,
        epoch: int | None = None,
    ) -> Started:
        """See live.starting.Starter."""
        await self._settle()
        seconds = self._seconds(component_id, timeout)
        launch = self.site.ours(lookup_key(component_id))
        if launch is not None and launch.active and lookup_key(component_id) not in self.site.fleet:
            raise NoLaunchSpecError(
                f"{component_id} could not be started again: components.json does not have it any more", component_id
            )
        if epoch is None and await self._unheard_of(component_id):
            return await self.start(component_id)
        asked: StopAsked = await self._writer.submit(
            StopLaunch(
                component_id=component_id,
                holder=self.site.holder,
                seed=new_uuid(),
                instance_uuid=instance_uuid or "",
                desired=LaunchDesired.RUNNING,
                kind=CommandKind.RESTART,
                seconds=seconds,
                force=force,
                reason="restart_requested",
                epoch=epoch,
            )
        )
        if asked.launch is not None:
            return await self._restarted(asked.launch, seconds)
        if asked.others:
            return await self._asked_to_restart(component_id, asked.others, seconds)
        if epoch is not None:
            raise ConflictError(f"{component_id} was stopped or started again meanwhile, and is left alone")
        return await self.start(component_id)

    async def _restarted(self, launch: Launch, seconds: float) -> Started:
        left = until(patience.longest(seconds, force=launch.force))
        over = await self._bells.until(launch.component_id, self._over(launch), left)
        if over is None:
            raise endings.overdue(self.site, launch.component_id, StopAsked(launch, ()), seconds)
        present = self.site.launch(launch.component_id)
        if present is None or present.epoch == launch.epoch:
            raise endings.stopped_meanwhile(launch)
        return await self._begun(present, already=False)

    async def _asked_to_restart(self, component_id: str, others: tuple[Instance, ...], seconds: float) -> Started:
        left = until(seconds + 1.0)
        await asyncio.gather(*(self._bells.until(component_id, self._answered(one), left) for one in others))
        return endings.told_to_restart(self.site, component_id, others)

    def _answered(self, instance: Instance) -> Callable[[], bool | None]:
        return lambda: endings.answered(self.site, instance) or None
