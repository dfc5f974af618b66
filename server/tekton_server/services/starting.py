"""Starts, stops and restarts as messages, and how far a launch is."""

from __future__ import annotations

from tekton.core.view import Launch
from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton_server.live.starting import Ending, Outcome, Started, Starter, Stopped
from tekton_server.services import convert, read


async def start(starter: Starter, request: lifecycle_pb.StartComponentRequest) -> lifecycle_pb.StartComponentResponse:
    """Start a component, and wait for it where that is asked for."""
    found = await starter.start(request.component_id)
    return lifecycle_pb.StartComponentResponse(
        success=True,
        message=await _waited(starter, found) if request.wait else found.message,
        instance_uuid=found.instance_uuid,
        component_id=found.component_id,
        already_running=found.already,
    )


async def stop(starter: Starter, request: lifecycle_pb.StopComponentRequest) -> lifecycle_pb.StopComponentResponse:
    """Stop a component, or one instance of it."""
    found = await starter.stop(
        request.component_id,
        instance_uuid=read.instance_uuid(request.instance_uuid) if request.instance_uuid else None,
        force=request.force,
        timeout=request.timeout if request.HasField("timeout") else None,
    )
    return lifecycle_pb.StopComponentResponse(
        success=True, message=_said(found), component_id=found.component_id, instances=map(_ending, found.endings)
    )


async def restart(
    starter: Starter, request: lifecycle_pb.RestartComponentRequest
) -> lifecycle_pb.RestartComponentResponse:
    """Restart a component, and wait for it where that is asked for."""
    found = await starter.restart(
        request.component_id,
        instance_uuid=read.instance_uuid(request.instance_uuid) if request.instance_uuid else None,
        force=request.force,
        timeout=request.timeout if request.HasField("timeout") else None,
    )
    return lifecycle_pb.RestartComponentResponse(
        success=True,
        message=await _waited(starter, found) if request.wait else found.message,
        instance_uuid=found.instance_uuid,
        component_id=found.component_id,
    )


async def _waited(starter: Starter, found: Started) -> str:
    await starter.ready(found.component_id, found.instance_uuid)
    return f"{found.message}; it is ready" if found.already else "Component is ready"


def _said(found: Stopped) -> str:
    if not found.endings:
        return "Component was not running"
    told = [one for one in found.endings if one.outcome is not Outcome.STOPPED or not one.launched]
    if not told:
        return "Component stopped successfully"
    more = f"; and {len(told) - 1} more" if len(told) > 1 else ""
    whose = "" if told[0].launched else "Tekton had not launched it: "
    return f"Component stopped successfully; {whose}{told[0].message}{more}"


def _ending(one: Ending) -> lifecycle_pb.StoppedInstance:
    return lifecycle_pb.StoppedInstance(
        instance_uuid=one.instance_uuid, launched=one.launched, outcome=one.outcome.value, message=one.message
    )


def detail(launch: Launch | None) -> pb.StatusDetail | None:
    """Convert how far a launch is; None where there is none."""
    if launch is None:
        return None
    return pb.StatusDetail(
        phase=pb.LaunchPhase.Value.Value(launch.phase.value),
        desired=launch.desired.value,
        restart_count=launch.restart_count,
        next_attempt_at=convert.timestamp(launch.next_attempt_at) if launch.next_attempt_at else None,
        last_exit=launch.last_exit,
        since=convert.timestamp(launch.since),
        epoch=launch.epoch,
        instance_uuid=launch.instance_uuid,
        host=launch.host,
        server_id=launch.server_id,
    )
