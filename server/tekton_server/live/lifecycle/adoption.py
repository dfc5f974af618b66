"""What a server that launches does first: it goes on with what earlier servers on this data directory have launched, by
the locks of the processes, and has what it can launch be seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tekton.core.ids import lookup_key, new_uuid
from tekton.core.view import Launch, LaunchPhase
from tekton_server.domain.launch_commands import AdoptLaunch, DeclareComponents, DropLaunch, StopLaunch
from tekton_server.live.launching import ExitStatus, Launched, LaunchIdentity
from tekton_server.live.lifecycle.site import Means, Site, identity

log = logging.getLogger(__name__)

# So many definitions in one commit.
_AT_ONCE = 256
_NOT_BEGUN = "its server ended before it was started"


async def take_over(site: Site, means: Means, drop: Callable[[Launched], None]) -> None:
    """Follow the launches of this place from now on, and `drop` what runs here and is no launch any more.

    Whether a launch runs is asked of its lock. A claim of another place is left alone, but where no other server can be
    using this database: then it is nobody's.

    Raises:
        TektonError: the registry, or a process, does not answer now. Doing it again does no harm.
    """
    running = {one.instance_uuid: one for one in await means.launcher.alive()}
    # Whatever the journal names as well is looked at as a launch; nothing waits in between.
    launches = list(site.view.launches.values())
    named = {one.instance_uuid for one in launches if one.active}
    # Strays first: while one of them ends no other copy of its component begins.
    await asyncio.gather(*(_stray(site, means, one, drop) for uuid, one in running.items() if uuid not in named))
    await asyncio.gather(*(_launch(site, means, one, running) for one in launches))


async def declare(site: Site, means: Means) -> None:
    """Have what can be started here be seen before anybody starts it.

    Raises:
        TektonError: the registry does not answer now. Doing it again does no harm.
    """
    components = tuple(means.fleet.values())
    for start in range(0, len(components), _AT_ONCE):
        await site.writer.submit(DeclareComponents(components=components[start : start + _AT_ONCE]))


async def _launch(site: Site, means: Means, launch: Launch, running: dict[str, LaunchIdentity]) -> None:
    here = launch.place == means.place
    runs = launch.active and launch.instance_uuid in running
    if not here and not runs:
        if means.alone and launch.active:
            await site.ended(launch, ExitStatus(at=site.now()))
        elif means.alone:
            await site.record(DropLaunch(component_id=launch.component_id, epoch=launch.epoch))
        return
    if not launch.active and launch.phase is not LaunchPhase.BACKOFF:
        return
    if means.orphans == "stop" and launch.phase is LaunchPhase.CLAIMED and not runs:
        status = await means.launcher.ended(identity(launch))
        await site.ended(launch, status or ExitStatus(at=site.now(), error=_NOT_BEGUN))
        return
    await _adopt(site, launch)
    if means.orphans == "stop":
        await _stop(site, launch)


async def _adopt(site: Site, launch: Launch | LaunchIdentity) -> Launch | None:
    adopted: Launch | None = await site.writer.submit(
        AdoptLaunch(
            component=site.fleet.get(lookup_key(launch.component_id)),
            component_id=launch.component_id,
            epoch=launch.epoch,
            instance_uuid=launch.instance_uuid,
            holder=site.holder,
        )
    )
    return adopted


async def _stop(site: Site, launch: Launch | LaunchIdentity) -> None:
    """Stop an orphan as an operator would, with all the time that its specification gives."""
    log.info("%s (%s) outlived its server and is stopped", launch.component_id, launch.instance_uuid)
    await site.writer.submit(
        StopLaunch(
            component_id=launch.component_id,
            holder=site.holder,
            seed=new_uuid(),
            instance_uuid=launch.instance_uuid,
            seconds=site.stop_timeout(launch.component_id),
            force=True,
            reason="orphaned",
        )
    )


async def _stray(site: Site, means: Means, found: LaunchIdentity, drop: Callable[[Launched], None]) -> None:
    """See to a process that no launch names: the registry has lost it, or has moved on without it."""
    known = site.launch(found.component_id)
    if known is None and lookup_key(found.component_id) in means.fleet:
        adopted = await _adopt(site, found)
        if adopted is not None and adopted.instance_uuid == found.instance_uuid:
            if means.orphans == "stop":
                await _stop(site, found)
            return
    log.warning("%s (%s) runs, and no launch is it: it is stopped", found.component_id, found.instance_uuid)
    launched = await means.launcher.adopt(found)
    if launched is not None:
        drop(launched)
