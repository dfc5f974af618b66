"""How launches end: asked to by an operator, or by themselves; and what becomes of their instances then."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from tekton.core.errors import RateLimitedError, ValidationError
from tekton.core.lifecycle import ComponentState, path
from tekton.core.records import CommandKind, CommandState
from tekton.core.view import (
    Cause,
    Change,
    Instance,
    InstanceChange,
    Launch,
    LaunchChange,
    LaunchDesired,
    LaunchPhase,
)
from tekton_server.domain import instance_commands, instances, limits
from tekton_server.domain.commands import Decision, PostCommand
from tekton_server.domain.healing import GAVE_UP, after_exit
from tekton_server.domain.launch_commands import EndLaunch, StopAsked, StopLaunch
from tekton_server.domain.launches import carried
from tekton_server.domain.overlay import Overlay

EXITED, NOT_BEGUN, ENDED = "process_exited", "startup_failed", "ended"
_REASONS = {LaunchPhase.BACKOFF: "restart_due", LaunchPhase.GAVE_UP: GAVE_UP}
_ENDING = (ComponentState.STOPPING, ComponentState.STOPPED)
_GONE = "its server is gone, and it holds no lease"
SHUTDOWN = (CommandKind.STOP, CommandKind.RESTART)
"""The commands by which an instance ends."""


def stop(view: Overlay, command: StopLaunch, now: datetime) -> Decision:
    """Decide what of a component stops: its launch, and what holds a lease without one of ours.

    Nothing to stop is no error. The last operator's word stands, so a stop ends a back-off, and of two stops under way
    the shorter patience counts, and the force of either.

    Raises:
        ValidationError: the patience is none, or there are too many instances.
        ComponentNotFoundError, RegistrationError, StaleSessionError: there is no such component or instance.
    """
    if not 0 <= command.seconds <= limits.COMMAND_SECONDS:
        most = limits.COMMAND_SECONDS
        raise ValidationError.of("timeout", f"must be between 0 and {most:g} seconds", "range", limit=most)
    launch = _addressed(view, command)
    if command.epoch is not None and not _runs_as(launch, command.epoch):
        return Decision((), StopAsked(None, ()))
    ours = launch is not None and launch.active and carried(launch, command.holder)
    own = view.instance(launch.instance_uuid) if ours and launch is not None else None
    others = [one for one in _leased(view, command) if own is None or one.instance_uuid != own.instance_uuid]
    changes: list[Change] = []
    asked = launch
    if launch is not None:
        asked = _stopping(launch, command, now) if ours else _dropped(launch, command, now)
        if asked != launch:
            asked = msgspec.structs.replace(asked, revision=view.revision)
            changes.append(LaunchChange(launch, asked, Cause(command.reason)))
    for one in (*([own] if own is not None and own.leased else []), *others):
        changes += _told(view, one, command, now)
    return Decision(tuple(changes), StopAsked(asked if ours else None, tuple(others)))


def _runs_as(launch: Launch | None, epoch: int) -> bool:
    """Tell whether that very launch runs, and nobody has said that it shall not."""
    if launch is None or launch.epoch != epoch:
        return False
    return launch.phase is LaunchPhase.RUNNING and launch.desired is LaunchDesired.RUNNING


def _addressed(view: Overlay, command: StopLaunch) -> Launch | None:
    """Find the launch that is meant: an instance that is named may be another."""
    launch = view.launch(command.component_id)
    if command.instance_uuid:
        return launch if launch is not None and launch.instance_uuid == command.instance_uuid else None
    if launch is None and view.definition(command.component_id) is None:
        raise instances.absent(command.component_id)
    return launch


def _leased(view: Overlay, command: StopLaunch) -> list[Instance]:
    if not command.instance_uuid:
        found = [one for one in view.instances_of(command.component_id) if one.leased]
        if len(found) > limits.COMMAND_TARGETS:
            what = f"must be given: the component has {len(found)} leased instances"
            raise ValidationError.of("instance_uuid", what, "max_items", limit=limits.COMMAND_TARGETS)
        return found
    launch = view.launch(command.component_id)
    if view.instance(command.instance_uuid) is None and launch and launch.instance_uuid == command.instance_uuid:
        return []
    instance = instances.owned(view, command.component_id, command.instance_uuid, None)
    return [instance] if instance.leased else []


def _stopping(launch: Launch, command: StopLaunch, now: datetime) -> Launch:
    until, under_way = now + timedelta(seconds=command.seconds), launch.phase is LaunchPhase.STOPPING
    return msgspec.structs.replace(
        launch,
        desired=command.desired,
        phase=LaunchPhase.STOPPING,
        since=launch.since if under_way else now,
        stop_by=min(launch.stop_by, until) if under_way and launch.stop_by else until,
        force=command.force or (under_way and launch.force),
    )


def _dropped(launch: Launch, command: StopLaunch, now: datetime) -> Launch:
    """Give a launch of which nothing runs, or that nobody carries any more, as one that is to stay so."""
    if command.desired is LaunchDesired.RUNNING:
        return launch
    over = launch.active or launch.phase is LaunchPhase.BACKOFF
    return msgspec.structs.replace(
        launch,
        desired=LaunchDesired.STOPPED,
        phase=LaunchPhase.ENDED if over else launch.phase,
        since=now if over else launch.since,
        last_exit=_GONE if launch.active else launch.last_exit,
        next_attempt_at=None,
    )


def _told(view: Overlay, instance: Instance, command: StopLaunch, now: datetime) -> list[Change]:
    """Give an instance the command, unless such a one waits for its answer, or too many others do."""
    for known in view.commands_of(instance.instance_uuid):
        if known.pending and known.kind in SHUTDOWN and known.deadline > now and known.granted == instance.granted:
            return []
    post = PostCommand(
        component_id=instance.component_id,
        kind=command.kind,
        seed=command.seed,
        instance_uuid=instance.instance_uuid,
        deadline_seconds=max(1.0, command.seconds),
    )
    with suppress(RateLimitedError):
        return list(instance_commands.post(view, post, now).changes)
    return []


def end(view: Overlay, command: EndLaunch, now: datetime) -> Decision:
    """Decide what follows from the end of a process: its instance ends at once, whatever its lease says."""
    launch = view.launch(command.component_id)
    named = (command.epoch, command.instance_uuid)
    if launch is None or not launch.active or (launch.epoch, launch.instance_uuid) != named:
        return Decision(tuple(_instance_ends(view, command, now, asked=False)), launch)
    asked = launch.phase is LaunchPhase.STOPPING
    changes = _instance_ends(view, command, now, asked=asked)
    if not asked and view.instance(command.instance_uuid) is None:
        changes = _never_registered(view, command, now)
    after = _after(view, launch, command, now)
    if after is not None and after.phase is LaunchPhase.GAVE_UP:
        changes = _given_up(view, changes, command, now)
    reason = _REASONS.get(after.phase, ENDED) if after is not None else ENDED
    return Decision((*changes, LaunchChange(launch, after, Cause(reason, evidence=command.evidence))), after)


def _given_up(view: Overlay, changes: list[Change], command: EndLaunch, now: datetime) -> list[Change]:
    """Have the failed instance say that nothing more is tried: as it fails, or where it had failed before its end."""
    cause = Cause(GAVE_UP, evidence=command.evidence)
    last = changes[-1] if changes else None
    if isinstance(last, InstanceChange) and last.new is not None and last.new.state is ComponentState.FAILED:
        return [*changes[:-1], InstanceChange(last.old, msgspec.structs.replace(last.new, reason=GAVE_UP), cause)]
    instance = view.instance(command.instance_uuid)
    if instance is None or instance.state is not ComponentState.FAILED:
        return changes
    return [*changes, *instances.walk(instance, (ComponentState.FAILED,), cause, now=now, revision=view.revision)]


def _after(view: Overlay, launch: Launch, command: EndLaunch, now: datetime) -> Launch | None:
    common = {"last_exit": command.exit, "stop_by": None, "force": False, "since": now, "revision": view.revision}
    if launch.desired is LaunchDesired.STOPPED and view.definition(launch.component_id) is None:
        # It was removed, and has only waited for its process.
        return None
    if launch.phase is LaunchPhase.STOPPING and launch.desired is LaunchDesired.RUNNING:
        return msgspec.structs.replace(
            launch,
            epoch=launch.epoch + 1,
            instance_uuid=command.next_uuid,
            phase=LaunchPhase.CLAIMED,
            restart_count=0,
            restarts=(),
            **common,
        )
    asked = _asked_to(view, command.instance_uuid)
    # Whoever asked for the start was told that it did not begin, and why; not where its server ended before it could.
    told = launch.phase is LaunchPhase.CLAIMED and not launch.restart_count and not command.began
    if command.restart is None or told or asked is CommandKind.STOP:
        return msgspec.structs.replace(launch, phase=LaunchPhase.ENDED, **common)
    clean = command.clean and asked is not CommandKind.RESTART
    verdict = after_exit(command.restart, launch, clean, now, command.draw)
    return msgspec.structs.replace(launch, **verdict._asdict(), **common)


def _asked_to(view: Overlay, instance_uuid: str) -> CommandKind | None:
    """Tell what somebody had asked an instance to do that ends it, without asking it of its launch."""
    instance = view.instance(instance_uuid)
    if instance is not None and instance.state in _ENDING and instance.reason == "stop_requested":
        return CommandKind.STOP
    accepted = [one for one in view.commands_of(instance_uuid) if one.state is CommandState.ACCEPTED]
    return next((one.kind for one in reversed(accepted) if one.kind in SHUTDOWN), None)


def _instance_ends(view: Overlay, command: EndLaunch, now: datetime, *, asked: bool) -> list[Change]:
    instance = view.instance(command.instance_uuid)
    evidence = command.evidence
    if instance is None or instance.state is ComponentState.STOPPED:
        return []
    if asked or (instance.state is ComponentState.STOPPING and command.clean):
        # The way out that it had begun itself ends here too.
        cause = Cause("stop_requested" if asked else EXITED, evidence=evidence)
        return [*instances.end(instance, cause, now=now, revision=view.revision)]
    if not instance.leased:
        return []
    states = path(instance.state, ComponentState.FAILED) or (ComponentState.FAILED,)
    cause = Cause(EXITED, evidence=evidence)
    return [*instances.walk(instance, states, cause, now=now, revision=view.revision, leased=False)]


def _never_registered(view: Overlay, command: EndLaunch, now: datetime) -> list[Change]:
    """Show a process that ended before it had registered as the failed instance that it is."""
    definition = view.definition(command.component_id)
    if definition is None or view.tombstone(command.instance_uuid) is not None:
        return []
    reason = EXITED if command.began else NOT_BEGUN
    cause = Cause(reason, evidence=command.evidence)
    born = Instance(
        instance_uuid=command.instance_uuid,
        component_id=definition.component_id,
        version="",
        state=ComponentState.REGISTERING,
        state_since=now,
        reason=reason,
        registered_at=now,
        leased=False,
        granted=view.revision,
        revision=view.revision,
    )
    implied = InstanceChange(None, born, Cause(reason, implied=True, evidence=command.evidence))
    return [implied, *instances.walk(born, (ComponentState.FAILED,), cause, now=now, revision=view.revision)]


def removed(view: Overlay, component_id: str, cause: Cause, now: datetime) -> list[Change]:
    """Give what becomes of the launch of a component that is removed: what runs of it is stopped at once."""
    launch = view.launch(component_id)
    if launch is None:
        return []
    if not launch.active:
        return [LaunchChange(launch, None, cause)]
    stopped = msgspec.structs.replace(
        launch,
        desired=LaunchDesired.STOPPED,
        phase=LaunchPhase.STOPPING,
        since=now,
        stop_by=now,
        force=True,
        revision=view.revision,
    )
    return [LaunchChange(launch, stopped, cause)]
