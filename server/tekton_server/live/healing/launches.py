"""Healing's hands on the launches of this server: claims in the journal, and the launcher where one has to end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tekton.core.ids import lookup_key, new_uuid
from tekton.core.view import InstanceChange, Launch
from tekton_server.domain.launch_commands import ClaimLaunch
from tekton_server.domain.launch_spec import LaunchSpec
from tekton_server.domain.launches import instance_of
from tekton_server.domain.startup import asked_for
from tekton_server.live.healing.hands import Hands
from tekton_server.live.lifecycle.site import Site, identity
from tekton_server.live.starting import Starter
from tekton_server.storage.transitions import LastChange

LastChanges = Callable[[Mapping[str, int]], Awaitable[Mapping[str, LastChange]]]


class Launches(Hands):
    """See live.healing.hands.Hands. The keeper of a launch begins what is claimed, and records what ends."""

    def __init__(self, site: Site, starter: Starter, last_changes: LastChanges) -> None:
        self._site = site
        self._starter = starter
        self._last_changes = last_changes

    def spec(self, component_id: str) -> LaunchSpec | None:
        """See Hands."""
        component = self._site.fleet.get(lookup_key(component_id))
        return component.spec if component is not None else None

    def ours(self, launch: Launch) -> bool:
        """See Hands."""
        return launch.server_id == self._site.server_id

    async def again(self, launch: Launch, guard: Callable[[], bool]) -> None:
        """See Hands."""
        claim = ClaimLaunch(
            component=self._site.fleet[lookup_key(launch.component_id)],
            instance_uuid=new_uuid(),
            holder=self._site.holder,
            after=launch.epoch,
        )
        await self._site.writer.submit_nowait(claim, guard=guard)

    async def end(self, launch: Launch, why: str) -> None:
        """See Hands."""
        means, spec = self._site.means, self.spec(launch.component_id)
        launched = await means.launcher.adopt(identity(launch)) if means is not None else None
        if means is None or launched is None:
            return
        self._site.blamed[launch.instance_uuid] = why
        try:
            await means.launcher.stop(launched, spec.stop_timeout if spec is not None else None)
        except KeyError:
            # It has ended meanwhile, and its files are gone.
            return

    async def ready(self, component_id: str, instance_uuid: str) -> None:
        """See Hands."""
        await self._starter.ready(component_id, instance_uuid)

    async def asked_for(self, launch: Launch) -> float:
        """See Hands."""
        instance = instance_of(self._site.view, launch)
        if instance is None:
            return 0.0
        last = (await self._last_changes({instance.instance_uuid: instance.revision})).get(instance.instance_uuid)
        return (asked_for(InstanceChange(None, instance, last.cause)) or 0.0) if last is not None else 0.0

    async def restart(self, launch: Launch) -> object:
        """See Hands."""
        return await self._starter.restart(launch.component_id, force=True, epoch=launch.epoch)
