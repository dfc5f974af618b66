"""What needs no server: what a beat says, and how the watched view is folded."""

from __future__ import annotations

import pytest

from tekton._calls import Calls
from tekton._channel import Target
from tekton._lease import KeptLease, KeptLeases, Phase
from tekton._registry import WatchedRegistry
from tekton._results import Lease, RegistrationResult
from tekton.core.errors import RegistrationError
from tekton.v1 import component_pb2
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton.v1 import registry_service_pb2 as registry_pb

Message = registry_pb.WatchRegistryResponse
READY = component_pb2.ComponentState.ready


def _lease(**fields: object) -> KeptLease:
    lease = KeptLease("engram", "uuid", "token")
    for name, value in fields.items():
        setattr(lease, name, value)
    return lease


def test_a_claim_is_said_until_it_is_acknowledged() -> None:
    """And not again: it could undo what was recorded since."""
    lease = _lease(claim="ready", handle=1)
    assert [lease.beat(0.0).state, lease.beat(1.0).state] == ["ready", "ready"]
    lease.ack(pb.Ack(sequence=2, handle=1), "ready")
    assert lease.beat(2.0).state == ""


def test_an_acknowledgement_of_before_does_not_clear_a_newer_claim() -> None:
    """The application said something else while the beat was under way."""
    lease = _lease(claim="ready", handle=1)
    lease.beat(0.0)
    lease.claim, lease.claim_sequence = "degraded", 0
    lease.ack(pb.Ack(sequence=1, handle=1), "ready")
    assert lease.beat(1.0).state == "degraded"


def test_beats_come_a_little_early_and_never_late() -> None:
    """With jitter, so that many processes do not beat together."""
    lease = _lease(terms=Lease(10.0, 30.0))
    dues = []
    for _ in range(200):
        lease.beat(100.0)
        dues.append(lease.due - 100.0)
    assert 8.0 <= min(dues) < max(dues) <= 10.0
    assert len(set(dues)) > 100


def test_registering_again_repeats_what_the_application_was() -> None:
    """A new instance is told the state of before, unless that says nothing."""
    for state, claim in (("ready", "ready"), ("degraded", "degraded"), ("registering", ""), ("stopped", "")):
        lease = _lease(state=state)
        lease.again()
        assert lease.claim == claim


def test_a_degradation_that_tekton_judged_is_not_repeated_for_a_new_instance() -> None:
    """It was for the lag of before; by its own word the application was ready, or it was not."""
    for word, claim in (("ready", "ready"), ("degraded", "degraded"), ("", "degraded")):
        lease = _lease(state="degraded", word=word)
        lease.again()
        assert lease.claim == claim


def test_a_lease_is_found_under_every_uuid_it_had() -> None:
    """And forgotten under all of them."""
    leases, lease = KeptLeases(), _lease()
    leases.add(lease)
    lease.instance_uuid = "second"
    leases.add(lease)
    assert leases.find("uuid") is leases.find("second") is lease
    leases.forget(lease)
    assert leases.find("uuid") is leases.find("second") is None


def test_ended_leases_give_way_to_their_successor() -> None:
    """What is remembered stays bounded by what is registered."""
    leases, ended = KeptLeases(), _lease(phase=Phase.ENDED)
    leases.add(ended)
    leases.add(KeptLease("engram", "next"))
    assert leases.find("uuid") is None


def test_the_result_of_a_registration_is_a_pair() -> None:
    """Equal to one, and unpacked like one."""
    refused = RegistrationResult.refused(RegistrationError("no"))
    assert refused == (False, None)
    success, instance_uuid = RegistrationResult("uuid", "done")
    assert (success, instance_uuid) == (True, "uuid")


def _registry() -> WatchedRegistry:
    return WatchedRegistry(Calls(Target("localhost", 1), 1.0))


def _definition(name: str, *capabilities: str) -> registry_pb.RegistryEvent:
    event = registry_pb.RegistryEvent(type=registry_pb.RegistryEvent.TYPE_PUT, key=name)
    event.definition.CopyFrom(component_pb2.Definition(component_id=name, capabilities=capabilities))
    return event


def _instance(
    name: str, status: component_pb2.ComponentState.Value.ValueType = READY, port: int = 1, **more: str
) -> registry_pb.RegistryEvent:
    event = registry_pb.RegistryEvent(type=registry_pb.RegistryEvent.TYPE_PUT, key=f"{name}-uuid")
    event.instance.CopyFrom(
        component_pb2.Instance(
            instance_uuid=f"{name}-uuid", component_id=name, status=status, host="h", port=port, **more
        )
    )
    return event


def _removed(name: str) -> registry_pb.RegistryEvent:
    event = registry_pb.RegistryEvent(type=registry_pb.RegistryEvent.TYPE_REMOVED, key=name)
    event.definition.CopyFrom(component_pb2.Definition(component_id=name))
    return event


def _take(
    registry: WatchedRegistry, phase: Message.Phase.ValueType, *events: registry_pb.RegistryEvent, complete: bool = True
) -> None:
    registry._take(Message(phase=phase, events=events, revision=7, history_id="0000000a", complete=complete))


def _loaded(*events: registry_pb.RegistryEvent) -> WatchedRegistry:
    registry = _registry()
    _take(registry, Message.PHASE_SNAPSHOT, *events)
    _take(registry, Message.PHASE_SNAPSHOT_END)
    return registry


def test_a_snapshot_is_seen_whole_or_not_at_all() -> None:
    """Whatever the order of its records."""
    registry = _registry()
    _take(registry, Message.PHASE_SNAPSHOT, _instance("a"))
    assert registry.lookup("a") is None
    assert not registry.ready
    _take(registry, Message.PHASE_SNAPSHOT, _definition("a"))
    _take(registry, Message.PHASE_SNAPSHOT_END)
    assert registry.ready
    assert registry.lookup("a") is not None
    assert (registry.view.history_id, registry.view.revision) == ("0000000a", 7)


def test_half_a_commit_is_never_seen() -> None:
    """A commit in fragments is folded when it is complete."""
    registry = _loaded()
    _take(registry, Message.PHASE_LIVE, _definition("a"), _instance("a"), complete=False)
    assert registry.lookup("a") is None
    _take(registry, Message.PHASE_LIVE, _definition("b"), _instance("b"))
    assert registry.lookup("a") is not None
    assert registry.lookup("b") is not None


def test_a_reset_keeps_answering_until_the_new_snapshot_is_there() -> None:
    """And then knows what that holds, nothing else."""
    registry = _loaded(_definition("a"), _instance("a"))
    _take(registry, Message.PHASE_RESET)
    assert registry.lookup("a") is not None
    _take(registry, Message.PHASE_SNAPSHOT, _definition("b"), _instance("b"))
    _take(registry, Message.PHASE_SNAPSHOT_END)
    assert registry.lookup("a") is None
    assert registry.lookup("b") is not None


def test_a_removed_component_is_not_found() -> None:
    """At once."""
    registry = _loaded(_definition("a", "can"), _instance("a"))
    assert [one.component_id for one in registry.providers("can")] == ["a"]
    _take(registry, Message.PHASE_LIVE, _removed("a"))
    assert registry.lookup("a") is None
    assert registry.providers("can") == []


def test_an_instance_that_timed_out_serves_no_more() -> None:
    """It holds no lease, so a component with a ready instance beside it is ready and not degraded."""
    registry = _loaded(
        _definition("a"), _instance("a", component_pb2.ComponentState.failed, status_reason="lease_expired")
    )
    instance = registry.view.instance("a-uuid")
    assert instance is not None
    assert not instance.leased
    assert registry.lookup("a") is None


@pytest.mark.parametrize(("port", "same"), [(1, True), (2, False)])
def test_a_found_client_stays_the_same_object_while_its_address_does(port: int, same: bool) -> None:
    """Changes that do not move it keep it."""
    registry = _loaded(_definition("a"), _instance("a"))
    before = registry.lookup("a")
    _take(registry, Message.PHASE_LIVE, _instance("a", component_pb2.ComponentState.degraded, port=port))
    assert (registry.lookup("a") is before) is same
