"""Records to messages: the only place that knows both, together with `read`, its other direction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from tekton.core.ids import Token
from tekton.core.lifecycle import ComponentState
from tekton.core.view import (
    Cause,
    Component,
    Definition,
    DefinitionChange,
    Instance,
    InstanceChange,
    RegistryChange,
)
from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain.commands import Registered, StateReported
from tekton_server.live.beats import BeatEvent
from tekton_server.live.lease import Lease, Timing
from tekton_server.live.leases import LeaseTable, Stamp

STATES = {state: pb.ComponentState.Value.Value(state.value) for state in ComponentState}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(at: datetime | None) -> Timestamp | None:
    """Convert a time; None stays absent."""
    if at is None:
        return None
    since = at - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def struct(value: dict[str, Any]) -> Struct:
    """Convert free-form data."""
    message = Struct()
    message.update(value)
    return message


def uptime(since: datetime | None, now: datetime) -> tuple[str, float]:
    """Give the time since as "HH:MM:SS" and in seconds; zero when it has not begun."""
    seconds = max(0.0, (now - since).total_seconds()) if since else 0.0
    return _clock(int(seconds)), seconds


@lru_cache(256)
def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}"


@lru_cache(16)
def lease_terms(timing: Timing) -> pb.Lease:
    """Convert the terms of a lease. The message is shared: put it into another one, which copies it."""
    return pb.Lease(interval_seconds=timing.interval, timeout_seconds=timing.timeout)


def definition(record: Definition) -> pb.Definition:
    """Convert a definition."""
    return pb.Definition(
        component_id=record.component_id,
        component_name=record.component_name,
        component_type=record.component_type,
        capabilities=record.capabilities,
        dependencies=record.dependencies,
        health_check=record.health_check,
        metadata=struct(record.metadata),
        created_at=timestamp(record.created_at),
        revision=record.revision,
    )


def instance(record: Instance, history_id: str, lease: Lease | None = None) -> pb.Instance:
    """Convert an instance, with its liveness where a lease is given."""
    return pb.Instance(
        instance_uuid=record.instance_uuid,
        status=STATES[record.state],
        created_at=timestamp(record.registered_at),
        version=record.version,
        host=record.host,
        port=record.port,
        component_id=record.component_id,
        status_since=timestamp(record.state_since),
        status_reason=record.reason,
        ready_at=timestamp(record.ready_at),
        ended_at=timestamp(record.ended_at),
        suspect=lease.suspect if lease else False,
        last_heartbeat=timestamp(lease.beat_at) if lease else None,
        fencing_token="" if record.built_in else str(Token(history_id, record.granted)),
        revision=record.revision,
        machine=record.machine,
        leased=record.leased,
    )


def lasting_summary(found: Component) -> pb.ComponentSummary:
    """Convert what changes with the journal only."""
    best = found.best
    return pb.ComponentSummary(
        component_id=found.definition.component_id,
        component_name=found.definition.component_name,
        component_type=found.definition.component_type,
        version=best.version if best else "",
        status=STATES[found.status],
        host=best.host if best else "",
        port=best.port if best else 0,
        capabilities=found.definition.capabilities,
        dependencies=found.definition.dependencies,
        instance_uuid=best.instance_uuid if best else "",
    )


def passing_summary(message: pb.ComponentSummary, found: Component, leases: LeaseTable) -> None:
    """Fill in what changes with every beat."""
    best = found.best
    if best is not None:
        lease = leases.get(best.instance_uuid)
        message.suspect = lease is not None and lease.suspect
        set_time(message.last_heartbeat, leases.last_beat(best))


def component(found: Component, leases: LeaseTable, history_id: str, now: datetime) -> pb.Component:
    """Convert a component with all its instances, newest first."""
    message = lasting_component(found, history_id)
    beaten(message, found, [leases.stamp(one) for one in found.instances.values()])
    message.MergeFrom(up(up_since(found.best), now))
    return message


def lasting_component(found: Component, history_id: str) -> pb.Component:
    """Convert what changes with the journal only."""
    best = found.best
    record = found.definition
    return pb.Component(
        component_id=record.component_id,
        component_name=record.component_name,
        component_type=record.component_type,
        version=best.version if best else "",
        status=STATES[found.status],
        host=best.host if best else "",
        port=best.port if best else 0,
        capabilities=record.capabilities,
        dependencies=record.dependencies,
        health_check=record.health_check,
        startup_time=timestamp(best.ready_at) if best else None,
        metadata=struct(record.metadata),
        instances=[instance(one, history_id) for one in reversed(found.instances.values())],
        created_at=timestamp(record.created_at),
        revision=record.revision,
    )


def beaten(message: pb.Component, found: Component, stamps: Sequence[Stamp]) -> None:
    """Fill in what changes with every beat; the stamps are in the order of the instances."""
    for shown, record, stamp in zip(reversed(message.instances), found.instances.values(), stamps, strict=True):
        shown.suspect = stamp.suspect
        set_time(shown.last_heartbeat, stamp.beat_at)
        if record is found.best:
            set_time(message.last_heartbeat, stamp.beat_at)


def up(since: datetime | None, now: datetime) -> pb.Component:
    """Give what changes with time alone, as a message that holds nothing else."""
    text, seconds = uptime(since, now)
    return pb.Component(uptime=text, uptime_seconds=seconds)


def set_time(message: Timestamp, at: datetime) -> None:
    """Fill a time in."""
    since = at - _EPOCH
    message.seconds, message.nanos = since.days * 86_400 + since.seconds, since.microseconds * 1000


def up_since(best: Instance | None) -> datetime | None:
    """Tell since when a component is up: an instance that is no longer there is not."""
    return best.ready_at if best is not None and (best.leased or best.built_in) else None


def status(found: Component, leases: LeaseTable, now: datetime) -> lifecycle_pb.GetComponentStatusResponse:
    """Convert a component to its state at a glance."""
    best = found.best
    if best is None:
        return lifecycle_pb.GetComponentStatusResponse(
            component_id=found.definition.component_id, status=STATES[found.status]
        )
    lease = leases.get(best.instance_uuid)
    spent, seconds = uptime(up_since(best), now)
    health = {"overall": _overall(found.status)} | (dict(lease.health) if lease else {})
    return lifecycle_pb.GetComponentStatusResponse(
        component_id=found.definition.component_id,
        status=STATES[found.status],
        last_heartbeat=timestamp(leases.last_beat(best)),
        uptime=spent,
        uptime_seconds=seconds,
        instance_uuid=best.instance_uuid,
        health_status=health,
        status_reason=best.reason,
        status_since=timestamp(best.state_since),
        suspect=lease.suspect if lease else False,
        metrics=lease.figures if lease else None,
    )


def _overall(state: ComponentState) -> str:
    known = {ComponentState.READY: "healthy", ComponentState.DEGRADED: "degraded", ComponentState.FAILED: "failed"}
    return known.get(state, "unknown")


GrantT = TypeVar("GrantT", registry_pb.RegisterComponentResponse, registry_pb.BatchRegisterComponentsResponse.Result)


def registered(kind: type[GrantT], answer: Registered, history_id: str, timing: Timing) -> GrantT:
    """Convert the answer to a registration, alone or in a batch."""
    record = answer.instance
    return kind(
        success=True,
        message="Component registered successfully" if answer.created else "Component was registered already",
        instance_uuid=record.instance_uuid,
        component_id=record.component_id,
        fencing_token=str(Token(history_id, record.granted)),
        lease=lease_terms(timing),
        created=answer.created,
        revision=record.granted,
    )


def reported(answer: StateReported) -> lifecycle_pb.UpdateComponentStateResponse:
    """Convert the answer to a state report."""
    changed = answer.previous is not answer.instance.state
    return lifecycle_pb.UpdateComponentStateResponse(
        success=True,
        message=f"Component is {answer.instance.state}"
        if changed
        else f"Component was {answer.instance.state} already",
        status=STATES[answer.instance.state],
        previous_status=STATES[answer.previous],
        revision=answer.instance.revision,
    )


def registry_event(change: RegistryChange, revision: int, history_id: str) -> registry_pb.RegistryEvent:
    """Convert a change."""
    return _registry_event(change, revision, history_id, removed=change.new is None)


def left_filter(record: Definition | Instance, revision: int, history_id: str) -> registry_pb.RegistryEvent:
    """Make the event for a record that left a watcher's filter."""
    cause = Cause("left_filter")
    change: RegistryChange = (
        DefinitionChange(record, None, cause) if isinstance(record, Definition) else InstanceChange(record, None, cause)
    )
    return _registry_event(change, revision, history_id, removed=True)


def _registry_event(
    change: RegistryChange, revision: int, history_id: str, *, removed: bool
) -> registry_pb.RegistryEvent:
    kind = registry_pb.RegistryEvent.TYPE_REMOVED if removed else registry_pb.RegistryEvent.TYPE_PUT
    event = registry_pb.RegistryEvent(
        type=kind, revision=revision, key=change.key, reason=change.cause.reason, implied=change.cause.implied
    )
    if isinstance(change, DefinitionChange):
        event.definition.CopyFrom(definition(change.new) if change.new else pb.Definition(component_id=change.key))
    elif change.new is not None:
        event.instance.CopyFrom(instance(change.new, history_id))
    else:
        event.instance.CopyFrom(pb.Instance(instance_uuid=change.key, component_id=change.component_id))
    return event


def state_change(change: InstanceChange, revision: int, at: datetime) -> lifecycle_pb.StateChange | None:
    """Convert a change of state; None when the state did not change."""
    before = change.old.state if change.old else ComponentState.UNKNOWN
    if change.new is None or before is change.new.state:
        return None
    metadata = dict(change.cause.evidence)
    if change.new.state is ComponentState.READY and change.new.ready_at == change.new.state_since:
        metadata["startup_duration"] = (change.new.state_since - change.new.registered_at).total_seconds()
    if change.cause.implied:
        metadata["implied"] = True
    return lifecycle_pb.StateChange(
        event="state_change",
        component_id=change.component_id,
        previous_state=STATES[before],
        new_state=STATES[change.new.state],
        timestamp=timestamp(at),
        metadata=struct(metadata),
        instance_uuid=change.key,
        reason=change.cause.reason,
        implied=change.cause.implied,
        revision=revision,
    )


def beat_event(event: BeatEvent) -> heartbeat_pb.HeartbeatEvent:
    """Convert a beat for watchers."""
    return heartbeat_pb.HeartbeatEvent(
        event="heartbeat",
        component_id=event.component_id,
        timestamp=timestamp(event.at),
        status=STATES[event.state],
        metrics=event.metrics,
        instance_uuid=event.instance_uuid,
    )
