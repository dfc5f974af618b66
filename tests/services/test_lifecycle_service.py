"""LifecycleService over native gRPC: reports, implied states, status, and what a watcher sees."""

from __future__ import annotations

import asyncio

import grpc

from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.support.client import Stubs, refused

S = pb.ComponentState


def report(
    granted: registry_pb.RegisterComponentResponse, state: str, **fields: object
) -> lifecycle_pb.UpdateComponentStateRequest:
    """Make a state report for a registered instance."""
    return lifecycle_pb.UpdateComponentStateRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, state=state, **fields
    )


async def test_a_report_of_ready_walks_the_start_up_in_one_revision(api: Stubs) -> None:
    """A watcher sees one event per hop, the skipped ones marked implied, all of one revision."""
    granted = await api.register()
    watch = api.lifecycle.WatchStates(lifecycle_pb.WatchStatesRequest(component_ids=[granted.component_id]))
    first = await watch.read()
    answer = await api.lifecycle.UpdateComponentState(report(granted, "ready"))
    assert (answer.status, answer.previous_status) == (S.ready, S.registering)
    message = await asyncio.wait_for(watch.read(), 5)
    assert first.revision < message.revision == answer.revision
    assert [(c.previous_state, c.new_state, c.implied) for c in message.changes] == [
        (S.registering, S.initializing, True),
        (S.initializing, S.starting, True),
        (S.starting, S.ready, False),
    ]
    assert all(c.event == "state_change" and c.revision == answer.revision for c in message.changes)
    assert message.changes[-1].metadata.fields["startup_duration"].number_value >= 0
    watch.cancel()


async def test_an_illegal_transition_is_1012_and_lists_what_is_allowed(api: Stubs) -> None:
    """The error names from, to and allowed; nothing changes."""
    granted = await api.register()
    await api.lifecycle.UpdateComponentState(report(granted, "ready"))
    with refused("invalid_transition") as failure:
        await api.lifecycle.UpdateComponentState(report(granted, "registering"))
    assert failure.status is grpc.StatusCode.FAILED_PRECONDITION and failure.code == 1012
    assert '"from": "ready"' in failure.details and '"stopping"' in failure.details


async def test_an_unknown_state_is_answered_with_the_allowed_ones(api: Stubs) -> None:
    """A state is a string, so that the refusal can teach."""
    granted = await api.register()
    with refused("validation_error") as failure:
        await api.lifecycle.UpdateComponentState(report(granted, "READY"))
    assert "degraded" in failure.message


async def test_status_is_another_name_for_state(api: Stubs) -> None:
    """Either is taken; two that differ are refused."""
    granted = await api.register()
    answer = await api.lifecycle.UpdateComponentState(report(granted, "", status="starting"))
    assert answer.status == S.starting
    with refused("validation_error"):
        await api.lifecycle.UpdateComponentState(report(granted, "ready", status="failed"))


async def test_a_report_with_another_grants_token_changes_nothing(api: Stubs) -> None:
    """Fencing: the token is compared, whatever the uuid says."""
    granted = await api.register()
    history = granted.fencing_token.split(".")[0]
    with refused("stale_session"):
        await api.lifecycle.UpdateComponentState(report(granted, "ready", fencing_token=f"{history}.999999"))
    asked = lifecycle_pb.GetComponentStatusRequest(component_id=granted.component_id)
    assert (await api.lifecycle.GetComponentStatus(asked)).status == S.registering


async def test_the_status_shows_what_the_instance_reported(api: Stubs) -> None:
    """Health and metrics of the last beat, uptime since ready, overall derived from the state."""
    granted = await api.register()
    beat = heartbeat_pb.SendHeartbeatRequest(
        component_id=granted.component_id,
        instance_uuid=granted.instance_uuid,
        state="ready",
        metrics={"cpu_percent": 15.25},
        health={"database": "healthy"},
    )
    await api.heartbeat.SendHeartbeat(beat)
    asked = lifecycle_pb.GetComponentStatusRequest(component_id=granted.component_id)
    status = await api.lifecycle.GetComponentStatus(asked)
    assert status.status == S.ready and status.instance_uuid == granted.instance_uuid
    assert dict(status.health_status) == {"overall": "healthy", "database": "healthy"}
    assert dict(status.metrics) == {"cpu_percent": 15.25}
    assert status.uptime.startswith("00:00:0") and status.uptime_seconds >= 0


async def test_a_state_watch_resumes_after_its_token_without_a_gap(api: Stubs) -> None:
    """What happened between two watches is seen by the second one."""
    granted = await api.register()
    watch = api.lifecycle.WatchStates(lifecycle_pb.WatchStatesRequest(component_ids=[granted.component_id]))
    token = (await watch.read()).resume_token
    watch.cancel()
    for state in ("initializing", "ready", "degraded", "ready"):
        await api.lifecycle.UpdateComponentState(report(granted, state))
    resumed = api.lifecycle.WatchStates(
        lifecycle_pb.WatchStatesRequest(component_ids=[granted.component_id], after_revision=token)
    )
    seen: list[int] = []
    while len(seen) < 5:
        message = await asyncio.wait_for(resumed.read(), 5)
        seen += [c.new_state for c in message.changes]
    assert seen == [S.initializing, S.starting, S.ready, S.degraded, S.ready]
    resumed.cancel()
