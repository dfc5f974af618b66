"""Why a component is not ready, and how it came there, over native gRPC."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.support.client import Stubs, new_id, refused

S = pb.ComponentState


async def explained(api: Stubs, component_id: str) -> lifecycle_pb.ExplainComponentResponse:
    """Explain a component."""
    return await api.lifecycle.ExplainComponent(lifecycle_pb.ExplainComponentRequest(component_id=component_id))


async def history(api: Stubs, component_id: str, **fields: object) -> lifecycle_pb.ListTransitionsResponse:
    """Read a page of a component's history."""
    request = lifecycle_pb.ListTransitionsRequest(component_id=component_id, **fields)  # type: ignore[arg-type]
    return await api.lifecycle.ListTransitions(request)


async def report(api: Stubs, component_id: str, instance_uuid: str, state: str, **metadata: object) -> None:
    """Report a state."""
    request = lifecycle_pb.UpdateComponentStateRequest(
        component_id=component_id, instance_uuid=instance_uuid, state=state
    )
    request.metadata.update(metadata)
    await api.lifecycle.UpdateComponentState(request)


async def test_the_chain_is_told_with_since_when_and_evidence(api: Stubs) -> None:
    """As in the issue: a gateway that starts, a memory that failed, and a proxy that nobody registered."""
    gateway, memory, proxy = (new_id(name) for name in ("gateway", "memory", "proxy"))
    granted = await api.register(memory, dependencies=[proxy, "hermes"])
    await report(api, memory, granted.instance_uuid, "failed", disk_percent=98)
    started = await api.register(gateway, dependencies=[memory])
    await report(api, gateway, started.instance_uuid, "starting")
    found = await explained(api, gateway.replace("-", "_"))
    assert (found.component_id, found.status, found.well, found.complete) == (gateway, S.starting, False, True)
    first, second, third = found.conditions
    assert (first.component_id, list(first.waits_for), first.root_cause) == (gateway, [memory], False)
    assert (second.status, list(second.waits_for)) == (S.failed, [proxy])
    assert MessageToDict(second.evidence) == {"disk_percent": 98}
    assert (second.instance_uuid, second.status_reason) == (granted.instance_uuid, "reported")
    assert second.status_since.seconds and not second.HasField("last_heartbeat")
    assert (third.component_id, third.registered, third.root_cause) == (proxy, False, True)
    assert list(found.root_causes) == [proxy]
    assert found.message.endswith(f"the cause: {proxy} is not registered")


async def test_an_expired_lease_tells_how_long_it_was_silent(direct: Stubs) -> None:
    """With the last heartbeat; before that, its silence is a note. Why one had failed before it fell silent is told."""
    name, broken = new_id(), new_id()
    failed = await direct.register(broken)
    await direct.lifecycle.UpdateComponentState(
        lifecycle_pb.UpdateComponentStateRequest(
            component_id=broken, instance_uuid=failed.instance_uuid, state="failed", reason="out of memory"
        )
    )
    granted = await direct.register(name)
    await report(direct, name, granted.instance_uuid, "ready")
    assert list((await explained(direct, name)).conditions[0].notes) == ["it has never beaten"]
    async with asyncio.timeout(10):
        while (found := await explained(direct, name)).status != S.failed:
            await asyncio.sleep(0.1)
        while (failure := (await explained(direct, broken)).conditions[0]).status_reason != "lease_expired":
            await asyncio.sleep(0.1)
    [condition] = found.conditions
    assert condition.status_reason == "lease_expired" and condition.root_cause
    evidence = MessageToDict(condition.evidence)
    assert evidence["silent_seconds"] >= evidence["timeout_seconds"] and evidence["last_heartbeat"]
    assert "silent_seconds" in failure.evidence
    [note] = failure.notes
    assert note.startswith("it was failed already since ") and note.endswith("Z: out of memory")
    [expired, *_] = (await history(direct, name)).transitions
    assert (expired.reason, expired.new_state) == ("lease_expired", S.failed)
    assert expired.metadata["silent_seconds"] == evidence["silent_seconds"]


async def test_a_waiting_command_is_noted_and_a_part_of_tekton_is_well(direct: Stubs) -> None:
    name = new_id()
    await direct.register(name)
    await direct.lifecycle.PostCommand(lifecycle_pb.PostCommandRequest(component_id=name, kind="stop"))
    notes = (await explained(direct, name)).conditions[0].notes
    assert [note for note in notes if note.startswith("a stop command waits for its answer since ")]
    found = await explained(direct, "tekton-core")
    assert found.well and found.conditions[0].status == S.ready and not found.root_causes


async def test_a_cycle_is_told_with_its_path(direct: Stubs) -> None:
    one, two = sorted((new_id("a"), new_id("b")))
    await direct.register(one, dependencies=[two])
    await direct.register(two, dependencies=[one])
    found = await explained(direct, one)
    assert [[value.string_value for value in path.values] for path in found.circular_dependencies] == [[one, two, one]]
    assert list(found.root_causes) == [one, two]


async def test_a_component_that_is_not_there_is_1001(api: Stubs) -> None:
    """Of both calls."""
    for call in (explained, history):
        with refused("component_not_found") as failure:
            await call(api, new_id("nobody"))
        assert failure.status is grpc.StatusCode.NOT_FOUND and failure.code == 1001


async def test_every_hop_is_in_the_history_the_newest_first(api: Stubs) -> None:
    """With its reason, what was implied, what came with it, its revision and when it was recorded."""
    name = new_id()
    granted = await api.register(name)
    await report(api, name, granted.instance_uuid, "ready", warm=True)
    second = await api.register(name)
    found = await history(api, name.replace("-", "_"))
    told = [(one.previous_state, one.new_state, one.reason, one.implied) for one in found.transitions]
    assert told == [
        (S.unknown, S.registering, "registered", False),
        (S.starting, S.ready, "reported", False),
        (S.initializing, S.starting, "reported", True),
        (S.registering, S.initializing, "reported", True),
        (S.unknown, S.registering, "registered", False),
    ]
    ready = found.transitions[1]
    assert ready.metadata["warm"] is True and ready.metadata["startup_duration"] >= 0
    assert ready.instance_uuid == granted.instance_uuid and found.transitions[0].instance_uuid == second.instance_uuid
    revisions = [one.revision for one in found.transitions]
    assert revisions == sorted(revisions, reverse=True) and revisions[-1] == granted.revision
    assert found.kept_since.seconds and found.transitions[-1].timestamp.seconds >= found.kept_since.seconds
    assert found.next_page_token == ""
    own = await history(api, name, instance_uuid=second.instance_uuid)
    assert [one.instance_uuid for one in own.transitions] == [second.instance_uuid]


async def test_pages_are_whole_and_cut_by_bytes_too(direct: Stubs) -> None:
    """None is told twice, none is left out, also inside one revision."""
    name = new_id()
    granted = await direct.register(name)
    await report(direct, name, granted.instance_uuid, "ready")
    whole = list((await history(direct, name)).transitions)
    for size in (1, 2, 3):
        found, token = [], ""
        while True:
            page = await history(direct, name, page_size=size, page_token=token)
            assert len(page.transitions) <= size
            found += page.transitions
            token = page.next_page_token
            if not token:
                break
        assert found == whole
    for number in range(20):
        state = "degraded" if number % 2 == 0 else "ready"
        await report(direct, name, granted.instance_uuid, state, padding="x" * 60_000)
    page = await history(direct, name)
    assert 10 < len(page.transitions) < 20 and page.next_page_token
    rest = await history(direct, name, page_token=page.next_page_token)
    assert len(page.transitions) + len(rest.transitions) == 20 + len(whole)


async def test_the_history_outlives_its_component(direct: Stubs) -> None:
    """As long as the journal is kept. A part of Tekton has none."""
    name = new_id()
    granted = await direct.register(name)
    await direct.registry.DeregisterComponent(
        registry_pb.DeregisterComponentRequest(component_id=name, instance_uuid=granted.instance_uuid)
    )
    await direct.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=name))
    found = await history(direct, name)
    assert [one.new_state for one in found.transitions] == [S.stopped, S.stopping, S.failed, S.registering]
    assert not (await history(direct, "tekton_core")).transitions


@pytest.mark.parametrize(
    "fields",
    [{"page_size": 1001}, {"page_size": -1}, {"page_token": "soon"}, {"page_token": "1.-1"}, {"instance_uuid": "x"}],
)
async def test_what_cannot_be_a_page_is_refused(direct: Stubs, fields: dict[str, object]) -> None:
    """By its name."""
    with refused("validation_error") as failure:
        await history(direct, "tekton_core", **fields)
    assert next(iter(fields)) in failure.message
