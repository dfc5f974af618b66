"""Launches: who may start a component, and who follows what runs. One copy of each, however many servers there are."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import (
    Cause,
    Change,
    DefinitionChange,
    Instance,
    Launch,
    LaunchChange,
    LaunchDesired,
    LaunchPhase,
    View,
)
from tekton_server.domain import built_in, healing
from tekton_server.domain.commands import Decision
from tekton_server.domain.fleet import needs_together
from tekton_server.domain.launch_commands import (
    AdoptLaunch,
    BeginLaunch,
    Claimed,
    ClaimLaunch,
    DeclareComponents,
    DropLaunch,
    ForgetLaunches,
    Holder,
    SettleLaunch,
)
from tekton_server.domain.overlay import Overlay

_ON_ITS_WAY = (ComponentState.FAILED, ComponentState.STOPPING, ComponentState.STOPPED)
RETENTION = "retention"
"""The reason of what is forgotten because it ended long ago."""
_RETENTION = Cause(RETENTION)


def claim(view: Overlay, command: ClaimLaunch, now: datetime) -> Decision:
    """Decide who starts a component: the first that asks, unless it runs.

    A claim counts for as long as its server stands or its instance holds a lease. What comes back after that finds the
    epoch moved on, and ends.

    Raises:
        AlreadyExistsError: the component is Tekton itself.
    """
    component, launch = command.component, view.launch(command.component.component_id)
    built_in.check_registrable(component.component_id)
    if command.after is not None and not _still_due(launch, command.after):
        return Decision((), Claimed(made=False, launch=launch))
    if launch is not None and launch.active and (carried(launch, command.holder) or leased(view, launch)):
        return Decision((), Claimed(made=False, launch=launch))
    running = _running(view, component.component_id, launch)
    if running is not None:
        return Decision((), Claimed(made=False, running=running))
    made = _made(view, command, launch, now)
    cause = Cause("start_requested" if command.after is None else "restarted")
    changes: list[Change] = [LaunchChange(launch, made, cause)]
    if view.definition(component.component_id) is None:
        changes.insert(0, DefinitionChange(None, component.definition(now, view.revision), Cause("configured")))
    return Decision(tuple(changes), Claimed(made=True, launch=made))


def _still_due(launch: Launch | None, epoch: int) -> bool:
    due = launch is not None and launch.epoch == epoch and launch.phase is LaunchPhase.BACKOFF
    return due and launch is not None and launch.desired is LaunchDesired.RUNNING


def carried(launch: Launch, holder: Holder) -> bool:
    """Tell whether there is a server that does what the launch says: the one that claimed it, or its successor."""
    return launch.server_id in holder.standing or (launch.place != "" and launch.place == holder.place)


def instance_of(view: View | Overlay, launch: Launch) -> Instance | None:
    """Find the instance of a launch; one that has registered as another component is none of it."""
    instance = view.instance(launch.instance_uuid)
    ours = instance is not None and lookup_key(instance.component_id) == lookup_key(launch.component_id)
    return instance if ours else None


def leased(view: Overlay, launch: Launch) -> bool:
    """Tell whether the instance of a launch holds a lease."""
    instance = view.instance(launch.instance_uuid)
    return instance is not None and instance.leased


def _running(view: Overlay, component_id: str, launch: Launch | None) -> Instance | None:
    """Find an instance that Tekton did not launch and that is not on its way out.

    What registered before the last launch ended may be of that launch under a uuid of its own, and is not counted.
    """
    since = launch.since if launch is not None else None
    running = [
        one
        for one in view.instances_of(component_id)
        if one.leased and one.state not in _ON_ITS_WAY and (since is None or one.registered_at > since)
    ]
    return running[-1] if running else None


def _made(view: Overlay, command: ClaimLaunch, launch: Launch | None, now: datetime) -> Launch:
    definition = view.definition(command.component.component_id)
    again = launch if command.after is not None else None
    policy = command.component.spec.restart
    restart_count, restarts = healing.restarted(policy, again, now) if again is not None else (0, ())
    return Launch(
        component_id=definition.component_id if definition else command.component.component_id,
        epoch=launch.epoch + 1 if launch else 1,
        instance_uuid=command.instance_uuid,
        server_id=command.holder.server_id,
        host=command.holder.host,
        place=command.holder.place,
        restart_count=restart_count,
        restarts=restarts,
        last_exit=launch.last_exit if launch else "",
        since=now,
        revision=view.revision,
    )


def begin(view: Overlay, command: BeginLaunch, now: datetime) -> Decision:
    """Record that the program runs; a stop that came meanwhile stands."""
    launch = view.launch(command.component_id)
    if launch is None or launch.epoch != command.epoch or launch.phase is not LaunchPhase.CLAIMED:
        return Decision((), None)
    begun = msgspec.structs.replace(launch, phase=LaunchPhase.RUNNING, since=now, revision=view.revision)
    return Decision((LaunchChange(launch, begun, Cause("began")),), None)


def settle(view: Overlay, command: SettleLaunch, now: datetime) -> Decision:
    """Begin the pauses of one that is well anew. Its restarts stay, until they are older than their interval."""
    launch = view.launch(command.component_id)
    if launch is None or launch.epoch != command.epoch or launch.phase is not LaunchPhase.RUNNING:
        return Decision((), None)
    if not launch.restart_count:
        return Decision((), None)
    settled = msgspec.structs.replace(launch, restart_count=0, revision=view.revision)
    return Decision((LaunchChange(launch, settled, Cause("recovered")),), None)


def adopt(view: Overlay, command: AdoptLaunch, now: datetime) -> Decision:
    """Have another server follow a launch. What the registry knows better, a newer epoch, is left alone."""
    launch, holder = view.launch(command.component_id), command.holder
    if launch is None:
        return _found(view, command, now)
    if (launch.epoch, launch.instance_uuid) != (command.epoch, command.instance_uuid):
        return Decision((), launch)
    named = (launch.server_id, launch.host, launch.place)
    if named == (holder.server_id, holder.host, holder.place):
        return Decision((), launch)
    adopted = msgspec.structs.replace(
        launch, server_id=holder.server_id, host=holder.host, place=holder.place, revision=view.revision
    )
    return Decision((LaunchChange(launch, adopted, Cause("adopted")),), adopted)


def drop(view: Overlay, command: DropLaunch, now: datetime) -> Decision:
    """End a back-off that nobody keeps any more."""
    launch = view.launch(command.component_id)
    if launch is None or launch.epoch != command.epoch or launch.phase is not LaunchPhase.BACKOFF:
        return Decision((), None)
    over = msgspec.structs.replace(
        launch, phase=LaunchPhase.ENDED, next_attempt_at=None, since=now, revision=view.revision
    )
    return Decision((LaunchChange(launch, over, Cause("ended")),), None)


def _found(view: Overlay, command: AdoptLaunch, now: datetime) -> Decision:
    """Record a launch that the registry has lost: it was restored from before, or removed the component."""
    if command.component is None:
        return Decision((), None)
    found = Launch(
        component_id=command.component_id,
        epoch=command.epoch,
        instance_uuid=command.instance_uuid,
        server_id=command.holder.server_id,
        host=command.holder.host,
        place=command.holder.place,
        phase=LaunchPhase.RUNNING,
        since=now,
        revision=view.revision,
    )
    changes: list[Change] = [LaunchChange(None, found, Cause("adopted"))]
    if view.definition(command.component_id) is None:
        changes.insert(0, DefinitionChange(None, command.component.definition(now, view.revision), Cause("configured")))
    return Decision(tuple(changes), found)


def declare(view: Overlay, command: DeclareComponents, now: datetime) -> Decision:
    """Make the definitions of components that were never there, and renew those whose file has changed since.

    What has said itself what it is stays so; what its operator says that it needs is added.
    """
    changes: list[Change] = []
    for component in command.components:
        component_id = component.component_id
        known = view.definition(component_id)
        there = view.launch(component_id) or view.count_instances(component_id)
        if lookup_key(component_id) in built_in.KEYS or (there and known is None):
            continue
        if there and known is not None:
            needs = needs_together(component.dependencies, known.dependencies)
            made = msgspec.structs.replace(known, dependencies=needs)
        else:
            made = component.definition(known.created_at if known else now, known.revision if known else view.revision)
        if made != known:
            made = msgspec.structs.replace(made, revision=view.revision)
            changes.append(DefinitionChange(known, made, Cause("configured")))
    return Decision(tuple(changes), None)


def forget(view: Overlay, command: ForgetLaunches, now: datetime) -> Decision:
    """Forget launches that ended long ago, with components of which nothing else is there."""
    changes: list[Change] = []
    for component_id in command.component_ids:
        launch, definition = view.launch(component_id), view.definition(component_id)
        if launch is None or launch.since >= command.before or not forgettable(launch):
            continue
        if view.instances_of(component_id):
            continue
        changes.append(LaunchChange(launch, None, _RETENTION))
        if definition is not None:
            changes.append(DefinitionChange(definition, None, _RETENTION))
    return Decision(tuple(changes), None)


def forgettable(launch: Launch) -> bool:
    """Tell whether nothing of a launch runs, or is about to."""
    return not launch.active and launch.phase is not LaunchPhase.BACKOFF
