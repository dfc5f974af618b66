"""What is told of starts and stops: that it went well, or what did not and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from tekton.core.errors import ConflictError, StartupError, TektonError, TektonTimeoutError
from tekton.core.lifecycle import ComponentState
from tekton.core.records import CommandState
from tekton.core.view import Instance, Launch, LaunchDesired, LaunchPhase
from tekton_server.domain.launch_commands import StopAsked
from tekton_server.live.lifecycle.patience import last_word
from tekton_server.live.lifecycle.site import Site, identity
from tekton_server.live.starting import Ending, Outcome, Started, Stopped

ENDING = (ComponentState.STOPPING, ComponentState.STOPPED, ComponentState.FAILED)
_LOG_LINES = 20
_NOT_OURS = "Tekton did not launch it and can only ask it"


def already(component_id: str, instance_uuid: str) -> Started:
    """Tell that an instance runs that Tekton did not launch now."""
    return Started(component_id, instance_uuid, "Component is already running", already=True)


def said_goodbye(site: Site, launch: Launch) -> bool:
    """Tell whether a launch runs whose instance has ended in good order."""
    instance = site.view.instance(launch.instance_uuid)
    return launch.phase is LaunchPhase.RUNNING and instance is not None and instance.state is ComponentState.STOPPED


def started(site: Site, launch: Launch, *, already: bool) -> Started:
    """Tell that a launch runs."""
    message = "Component is already running" if already else "Component starting"
    instance = site.view.instance(launch.instance_uuid)
    if already and instance is not None and instance.state is ComponentState.FAILED:
        message += "; it has failed, and a restart ends its process"
    return Started(launch.component_id, launch.instance_uuid, message, already)


async def not_started(site: Site, launch: Launch, present: Launch) -> TektonError:
    """Make the error of a launch that is over before its start has been answered."""
    known = site.failure(launch.instance_uuid)
    if known is not None:
        return type(known)(known.message, known.component, details=dict(known.details))
    if present.phase is LaunchPhase.STOPPING or present.desired is LaunchDesired.STOPPED:
        return stopped_meanwhile(launch)
    return await ended_early(site, launch, present)


async def ended_early(site: Site, launch: Launch, present: Launch) -> StartupError:
    """Make the error of a launch whose process ended before it was ready."""
    name, details = launch.component_id, {"instance_uuid": launch.instance_uuid, "last_exit": present.last_exit}
    if present.phase in (LaunchPhase.BACKOFF, LaunchPhase.GAVE_UP):
        details["phase"] = present.phase.value
    if site.means is not None and launch.place == site.means.place:
        details["log"] = await site.means.launcher.log_tail(identity(launch), _LOG_LINES)
    return StartupError(f"{name} ended before it was ready: {present.last_exit}", name, details=details)


def stopped_meanwhile(launch: Launch) -> ConflictError:
    """Make the error of a start that another operator's stop overtook."""
    sentence = f"{launch.component_id} was stopped meanwhile, so it does not run"
    return ConflictError(sentence, details={"component_id": launch.component_id, "instance_uuid": launch.instance_uuid})


def gone(site: Site, instance: Instance) -> bool:
    """Tell whether an instance holds no lease any more."""
    present = site.view.instance(instance.instance_uuid)
    return present is None or not present.leased


def refusal(site: Site, instance: Instance) -> str:
    """Give why an instance refuses to end; empty where it does not."""
    last = last_word(site, instance.instance_uuid)
    refused = last is not None and last.state is CommandState.REFUSED
    return (last.message or "it gave no reason") if refused and last is not None else ""


def answered(site: Site, instance: Instance) -> bool:
    """Tell whether an instance has answered the last command to end, or cannot any more."""
    last = last_word(site, instance.instance_uuid)
    return gone(site, instance) or last is None or not last.pending


def stopped(site: Site, component_id: str, asked: StopAsked, seconds: float) -> Stopped:
    """Tell what became of a stop.

    Raises:
        ConflictError, TektonTimeoutError: something of it runs on.
    """
    found = [] if asked.launch is None else [_of_launch(site, asked.launch)]
    found += [_of_other(site, one) for one in asked.others]
    endings = tuple(one for one in found if one is not None)
    if len(endings) < len(found):
        raise overdue(site, component_id, asked, seconds)
    return Stopped(component_id, endings)


def _of_launch(site: Site, launch: Launch) -> Ending | None:
    present = site.launch(launch.component_id)
    if present is not None and present.epoch == launch.epoch and present.active:
        return None
    how = present.last_exit if present is not None else ""
    outcome = Outcome.KILLED if "SIGKILL" in how else Outcome.STOPPED
    return Ending(launch.instance_uuid, True, outcome, how or "it ended")


def _of_other(site: Site, instance: Instance) -> Ending | None:
    if not gone(site, instance):
        return None
    present = site.view.instance(instance.instance_uuid)
    if present is None or present.state is ComponentState.STOPPED:
        return Ending(instance.instance_uuid, False, Outcome.STOPPED, "it was asked to stop, and said goodbye")
    return Ending(instance.instance_uuid, False, Outcome.LOST, "it was asked to stop, and its lease ran out")


def overdue(site: Site, component_id: str, asked: StopAsked, seconds: float) -> TektonError:
    """Make the error of a stop that left something running; it names each, and what can be done."""
    left: list[dict[str, object]] = []
    refused = asked.launch is None or _of_launch(site, asked.launch) is not None
    if not refused and asked.launch is not None:
        force = asked.launch.force
        how = "was killed, and is not gone yet" if force else "was signalled and runs on; force kills it"
        left.append(_left(asked.launch.instance_uuid, True, how))
    for one in asked.others:
        why = refusal(site, one)
        if not gone(site, one):
            refused = refused and bool(why)
            said = f"refused: {why}" if why else "has not ended"
            left.append(_left(one.instance_uuid, False, f"{said}; {_NOT_OURS}"))
    what = "; ".join(f"instance {one['instance_uuid']} {one['message']}" for one in left[:3])
    details = {"component_id": component_id, "instances": left}
    if refused:
        return ConflictError(f"{component_id} was not stopped: {what}", details=details)
    return TektonTimeoutError(
        f"{component_id} did not stop within {seconds:g} s: {what}", component_id, details=details
    )


def _left(instance_uuid: str, launched: bool, message: str) -> dict[str, object]:
    return {"instance_uuid": instance_uuid, "launched": launched, "message": message}


def told_to_restart(site: Site, component_id: str, others: Sequence[Instance]) -> Started:
    """Tell that instances which Tekton did not launch were asked to restart.

    Raises:
        ConflictError: each that is left refused.
        TektonTimeoutError: some have not answered.
    """
    silent = [one for one in others if not answered(site, one)]
    refusing = [one for one in others if not gone(site, one) and refusal(site, one)]
    details = {"component_id": component_id}
    if silent:
        sentence = f"{component_id} has not answered the command to restart; {_NOT_OURS}"
        raise TektonTimeoutError(sentence, component_id, details=details)
    if len(refusing) == len(others):
        sentence = f"{component_id} refused to restart: {refusal(site, refusing[0])}; {_NOT_OURS}"
        raise ConflictError(sentence, details=details)
    message = "Component was asked to restart; Tekton did not launch it, so whoever did starts it again"
    return Started(component_id, others[-1].instance_uuid, message)
