"""Keeping to what the journal says of the launches of this server: begin what is claimed, follow it, stop it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from tekton.core.backoff import full_jitter
from tekton.core.errors import NoLaunchSpecError, StartupError, TektonError, TektonTimeoutError
from tekton.core.ids import lookup_key
from tekton.core.view import Launch, LaunchPhase
from tekton_server import failpoints
from tekton_server.domain.launch_commands import BeginLaunch
from tekton_server.live.launching import Cause, ExitStatus, Launched, Launcher
from tekton_server.live.lifecycle import patience
from tekton_server.live.lifecycle.site import Site, identity

log = logging.getLogger(__name__)

T = TypeVar("T")
Task = asyncio.Task[None]

_KEPT = (LaunchPhase.CLAIMED, LaunchPhase.RUNNING, LaunchPhase.STOPPING, LaunchPhase.BACKOFF)
# How long a server that stops waits for a program that is about to begin, in seconds.
_FINISH = 2.0
_THERE = (Cause.ALREADY_RUNNING, Cause.ALREADY_LAUNCHED)


class Keeper:
    """Follows the launches of one component for as long as they are this server's."""

    def __init__(self, site: Site, launcher: Launcher, key: str, strays: Callable[[], Collection[Task]]) -> None:
        self._site = site
        self._launcher = launcher
        self._key = key
        self._strays = strays
        self._launched: Launched | None = None
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Look at the journal again."""
        self._changed.set()

    async def run(self) -> None:
        """Keep until nothing is to be kept any more; what fails by a fault of ours or the machine is tried again."""
        failures = 0
        while True:
            self._changed.clear()
            launch = kept(self._site, self._key)
            try:
                await self._let_go(launch)
                if launch is None:
                    return
                await self._step(launch)
                failures = 0
            except Exception as error:
                known = isinstance(error, TektonError)
                log.error("following %s failed, trying again: %s", self._key, error, exc_info=None if known else error)
                await asyncio.sleep(full_jitter(failures, base=0.2, ceiling=10.0))
                failures += 1

    async def _step(self, launch: Launch) -> None:
        if launch.phase is LaunchPhase.CLAIMED and (strays := self._strays()):
            await self._either(asyncio.wait(strays))
        elif launch.phase is LaunchPhase.CLAIMED:
            await self._begin(launch)
        elif launch.phase is LaunchPhase.RUNNING:
            await self._follow(launch)
        elif launch.phase is LaunchPhase.STOPPING:
            await self._stop(launch)
        else:
            # Healing claims it again when it is due and there is room.
            await self._changed.wait()

    async def _let_go(self, launch: Launch | None) -> None:
        """Stop a process whose launch is another's by now, or another: of each component one copy runs."""
        held = self._launched
        if held is None or (launch is not None and held.identity == identity(launch)):
            return
        log.warning("%s (%s) was superseded and is stopped", held.identity.component_id, held.identity.instance_uuid)
        status = await self._launcher.stop(held)
        self._launched = None
        await self._site.ended(held.identity, status)

    async def _begin(self, launch: Launch) -> None:
        component = self._site.fleet.get(self._key)
        if failpoints.ACTIVE:
            await failpoints.reach("launch.claimed")
        try:
            if component is None:
                raise NoLaunchSpecError(
                    f"{launch.component_id} has no launch specification any more", launch.component_id
                )
            starting = self._launcher.launch(component.spec, identity(launch))
            self._launched = await self._unless_changed(starting, launch)
        except TektonTimeoutError as error:
            return await self._not_begun(launch, error)
        except (NoLaunchSpecError, StartupError) as error:
            if error.details.get("cause") not in _THERE and not await self._ran(launch):
                return await self._not_begun(launch, error)
            # It was under way when an earlier server ended.
            if await self._held(launch) is None:
                return None
        if self._launched is not None:
            log.info("%s (%s) is launched", launch.component_id, launch.instance_uuid)
            if failpoints.ACTIVE:
                await failpoints.reach("launch.begun")
            await self._site.record(BeginLaunch(component_id=launch.component_id, epoch=launch.epoch))
        return None

    async def _ran(self, launch: Launch) -> bool:
        """Tell whether an earlier server has begun it, by a specification that is not to be had any more."""
        if await self._launcher.adopt(identity(launch)) is not None:
            return True
        status = await self._launcher.ended(identity(launch))
        return status is not None and status.error is None and not status.lost

    async def _unless_changed(self, starting: Coroutine[Any, Any, Launched], launch: Launch) -> Launched | None:
        """Launch, and leave nothing behind where the claim is no more before the program has begun."""
        task = asyncio.ensure_future(starting)
        try:
            while not task.done():
                changed = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait([task, changed], return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                self._changed.clear()
                if kept(self._site, self._key) != launch:
                    task.cancel()
                    break
        except asyncio.CancelledError:
            # This server stops. What it has begun takes a moment only, and the next one goes on with it.
            await asyncio.wait([task], timeout=_FINISH)
            task.cancel()
            raise
        # Looked at again by whoever waits next.
        self._changed.set()
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    async def _not_begun(self, launch: Launch, error: TektonError) -> None:
        log.warning("%s", error.message)
        self._site.failed(launch.instance_uuid, error)
        await self._site.ended(launch, ExitStatus(at=datetime.now(UTC), error=error.message))

    async def _held(self, launch: Launch) -> Launched | None:
        """Take hold of the process of a launch; None where it has none any more, and how it ended is recorded."""
        if self._launched is None:
            self._launched = await self._launcher.adopt(identity(launch))
        if self._launched is None:
            status = await self._launcher.ended(identity(launch))
            await self._over(launch, status or ExitStatus(at=datetime.now(UTC)))
        return self._launched

    async def _follow(self, launch: Launch) -> None:
        held = await self._held(launch)
        if held is None:
            return
        status = await self._either(self._wait(held))
        if status is not None:
            await self._over(launch, status)

    async def _stop(self, launch: Launch) -> None:
        held = await self._held(launch)
        if held is None:
            return
        left = patience.before_signals(self._site, launch)
        if left > 0:
            status = await self._either(self._wait(held), left)
        else:
            status = await self._signalled(held, launch)
        if status is not None:
            await self._over(launch, status)

    async def _signalled(self, held: Launched, launch: Launch) -> ExitStatus | None:
        grace = patience.after_signal(self._site, launch)
        try:
            return await self._either(self._launcher.stop(held, grace, kill=launch.force))
        except TektonTimeoutError as error:
            log.warning("%s; it is not killed without force", error.message)
        # Nothing more is to be done before somebody says so.
        return await self._either(self._wait(held))

    async def _wait(self, held: Launched) -> ExitStatus:
        try:
            return await self._launcher.wait(held)
        except KeyError:
            # Its files are gone; that it has ended is all that is known.
            return ExitStatus(at=datetime.now(UTC))

    async def _either(self, waiting: Coroutine[Any, Any, T], seconds: float | None = None) -> T | None:
        """Wait for something; None where the journal changes before, or the time is over."""
        task, changed = asyncio.ensure_future(waiting), asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([task, changed], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            if not task.done():
                task.cancel()
        # A cancelled one may have come to its end all the same.
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    async def _over(self, launch: Launch, status: ExitStatus) -> None:
        self._launched = None
        level = logging.INFO if launch.phase is LaunchPhase.STOPPING else logging.WARNING
        log.log(level, "the process of %s (%s) ended: %s", launch.component_id, launch.instance_uuid, status.reason)
        if failpoints.ACTIVE:
            await failpoints.reach("launch.ended")
        await self._site.ended(launch, status)


def kept(site: Site, key: str) -> Launch | None:
    """Find the launch of a component that this server has to do something for."""
    launch = site.ours(key)
    return launch if launch is not None and launch.phase in _KEPT else None


class Keepers:
    """A keeper for each component that has a launch here."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._launcher: Launcher | None = None
        self._keepers: dict[str, tuple[Keeper, Task]] = {}
        self._strays: dict[str, set[Task]] = {}

    def __bool__(self) -> bool:
        return bool(self._keepers)

    def begin(self, launcher: Launcher) -> None:
        """Follow launches from now on."""
        self._launcher = launcher
        for key in self._site.view.launches:
            self.follow(key)

    def changed(self, key: str) -> None:
        """Something of a component has changed."""
        found = self._keepers.get(key)
        if found is not None:
            found[0].changed()

    def follow(self, component_id: str) -> None:
        """See to a launch, if it is this server's."""
        key = lookup_key(component_id)
        if self._launcher is None or key in self._keepers or kept(self._site, key) is None:
            return
        keeper = Keeper(self._site, self._launcher, key, lambda: self._strays.get(key, ()))
        task = asyncio.get_running_loop().create_task(keeper.run(), name=f"keep {key}")
        self._keepers[key] = keeper, task
        task.add_done_callback(lambda done: self._left(key))

    def drop(self, stray: Launched) -> None:
        """Stop what runs and is no launch any more; until it has ended no other copy of it begins."""
        key, launcher = lookup_key(stray.identity.component_id), self._launcher
        if launcher is None or any(one.get_name() == stray.identity.instance_uuid for one in self._strays.get(key, ())):
            return
        work = self._dropped(launcher, stray)
        task = asyncio.get_running_loop().create_task(work, name=stray.identity.instance_uuid)
        self._strays.setdefault(key, set()).add(task)
        task.add_done_callback(lambda done: self._gone(key, done))

    async def _dropped(self, launcher: Launcher, stray: Launched) -> None:
        failures = 0
        while True:
            try:
                return await self._site.ended(stray.identity, await launcher.stop(stray))
            except KeyError:
                return await self._site.ended(stray.identity, ExitStatus(at=datetime.now(UTC)))
            except (TektonError, OSError) as error:
                log.error("stopping a stray %s failed, trying again: %s", stray.identity.component_id, error)
                await asyncio.sleep(full_jitter(failures, base=0.2, ceiling=10.0))
                failures += 1

    def _gone(self, key: str, task: Task) -> None:
        self._strays[key].discard(task)
        if not self._strays[key]:
            del self._strays[key]

    def _left(self, key: str) -> None:
        del self._keepers[key]
        # A launch may have come in the turn of the loop in which its keeper ended.
        self.follow(key)

    async def close(self) -> None:
        """Follow nothing any more; what runs runs on."""
        self._launcher = None
        tasks = [task for _, task in self._keepers.values()]
        tasks += [task for some in self._strays.values() for task in some]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("a keeper had failed", exc_info=result)
