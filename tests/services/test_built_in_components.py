"""tekton_core and hermes: there from the first moment, for readers and for watchers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from tekton.v1 import component_pb2 as pb
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.support.client import Stubs, new_id, refused, registration
from tests.support.control_plane import ControlPlane

States = pb.ComponentState
Event = registry_pb.RegistryEvent
Phase = registry_pb.WatchRegistryResponse


class Picture:
    """What a watcher holds: it follows the events, as any client does."""

    def __init__(self, watch: AsyncIterator[registry_pb.WatchRegistryResponse]) -> None:
        self._watch = watch
        self.records: dict[str, pb.Definition | pb.Instance] = {}

    async def next(self) -> list[tuple[str, str]]:
        """Follow one message; gives what was put and what was removed, by key."""
        message = await asyncio.wait_for(self._watch.read(), 5)  # type: ignore[attr-defined]
        told = []
        for event in message.events:
            put = event.type == Event.TYPE_PUT
            told.append(("+" if put else "-", event.key))
            if put:
                self.records[event.key] = event.definition if event.HasField("definition") else event.instance
            else:
                del self.records[event.key]
        return told

    async def snapshot(self) -> None:
        """Follow the snapshot to its end."""
        while await self.next():
            pass

    @property
    def names(self) -> list[str]:
        """The names of the components."""
        return sorted(one.component_name for one in self.records.values() if isinstance(one, pb.Definition))


async def get(api: Stubs, component_id: str) -> pb.Component:
    return await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=component_id))


async def remove_hermes(api: Stubs) -> None:
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id="hermes"))


@pytest.mark.parametrize("component_id", ["tekton_core", "tekton-core", "hermes"])
async def test_they_are_ready_at_the_address_of_tekton(api: Stubs, tekton: ControlPlane, component_id: str) -> None:
    """Reading, and the status at a glance; no grant, no revision."""
    found = await get(api, component_id)
    assert (found.component_type, found.status) == ("core", States.ready)
    assert (found.host, found.port, found.health_check) == (tekton.host, tekton.port, "/api/health")
    assert (found.revision, found.instances[0].revision, found.instances[0].fencing_token) == (0, 0, "")
    assert found.uptime_seconds > 0
    asked = lifecycle_pb.GetComponentStatusRequest(component_id=component_id)
    status = await api.lifecycle.GetComponentStatus(asked)
    assert (status.status, status.health_status["overall"], status.suspect) == (States.ready, "healthy", False)
    assert status.uptime_seconds > 0 and status.status_reason == "built_in"


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ({}, True),
        ({"type": "core"}, True),
        ({"status": "ready"}, True),
        ({"capability": "event_bus"}, True),
        ({"q": "HERM"}, True),
        ({"status": "failed"}, False),
        ({"type": "service"}, False),
        ({"capability": "none"}, False),
        ({"q": "nothing like it"}, False),
    ],
    ids=str,
)
async def test_lists_show_them_under_every_filter(api: Stubs, filters: dict[str, str], shown: bool) -> None:
    """As any other component."""
    page = await api.registry.ListComponents(registry_pb.ListComponentsRequest(**filters))
    assert ("hermes" in [row.component_id for row in page.components]) is shown


async def test_pages_hold_them_in_their_place(api: Stubs) -> None:
    """Ordered by id among the registered ones, each once."""
    before, between = [await api.register(new_id(prefix)) for prefix in ("aaa", "iii")]
    seen, token = [], ""
    ours = {before.component_id, between.component_id, "hermes", "tekton_core"}
    while True:
        page = await api.registry.ListComponents(registry_pb.ListComponentsRequest(page_size=1, page_token=token))
        seen += [row.component_id for row in page.components if row.component_id in ours]
        token = page.next_page_token
        if not token:
            break
    assert [one.partition("-")[0] for one in seen] == ["aaa", "hermes", "iii", "tekton_core"]


async def test_a_watcher_sees_the_real_hermes_take_the_place_and_the_built_in_return(api: Stubs) -> None:
    """The picture is right at each step, and what changed came in one message."""
    picture = Picture(api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=["hermes"])))
    await picture.snapshot()
    assert picture.names == ["Hermes"] and len(picture.records) == 2
    [own] = [key for key, one in picture.records.items() if isinstance(one, pb.Instance)]
    granted = await api.register("hermes", component_name="Mine")
    told = await picture.next()
    assert told == [("-", own), ("+", "hermes"), ("+", granted.instance_uuid)]
    assert picture.names == ["Mine"] and granted.created
    assert [one.instance_uuid for one in (await get(api, "hermes")).instances] == [granted.instance_uuid]
    await remove_hermes(api)
    while own not in picture.records:
        await picture.next()
    assert picture.names == ["Hermes"] and len(picture.records) == 2
    assert (await get(api, "hermes")).component_name == "Hermes"


async def test_a_watcher_of_a_type_sees_it_leave_and_return(api: Stubs) -> None:
    """The real one has another type: the built-in one is removed for this watcher, and comes back."""
    picture = Picture(api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_types=["core"])))
    await picture.snapshot()
    assert picture.names == ["Hermes", "Tekton Core"]
    await api.register("hermes", component_type="bus")
    assert [sign for sign, _ in await picture.next()] == ["-", "-"]
    assert picture.names == ["Tekton Core"] and len(picture.records) == 2
    await remove_hermes(api)
    assert [sign for sign, _ in await picture.next()] == ["+", "+"]
    assert picture.names == ["Hermes", "Tekton Core"] and len(picture.records) == 4


async def test_a_watcher_that_resumes_sees_the_change_it_missed(api: Stubs) -> None:
    """What came and went while it was away comes in order."""
    picture = Picture(api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=["hermes"])))
    await picture.snapshot()
    token = str(dict(await _trailers(api))["tekton-revision"])
    await api.register("hermes", component_name="Mine")
    await remove_hermes(api)
    again = api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_ids=["hermes"], after_revision=token))
    resumed = Picture(again)
    resumed.records = dict(picture.records)
    await resumed.next()
    assert resumed.names == ["Hermes"] and len(resumed.records) == 2


async def _trailers(api: Stubs) -> list[tuple[str, str]]:
    call = api.registry.GetComponent(registry_pb.GetComponentRequest(component_id="hermes"))
    await call
    return list(await call.trailing_metadata())


async def test_a_watcher_of_something_else_hears_nothing_of_them(api: Stubs) -> None:
    """Filters hold."""
    kind = new_id("kind")
    picture = Picture(api.registry.WatchRegistry(registry_pb.WatchRegistryRequest(component_types=[kind])))
    await picture.snapshot()
    assert picture.records == {}
    await api.register("hermes", component_type="bus")
    await remove_hermes(api)
    granted = await api.register(component_type=kind)
    assert ("+", granted.component_id) in await picture.next()


async def test_nobody_registers_changes_or_removes_tekton_core(api: Stubs) -> None:
    """1011 for a registration, 1002 for the rest, each with what to do instead."""
    with refused("already_exists") as failure:
        await api.register("tekton-core", replace=True)
    assert failure.code == 1011 and failure.status is grpc.StatusCode.ALREADY_EXISTS
    assert "another component_id" in failure.message
    own = (await get(api, "tekton_core")).instances[0].instance_uuid
    with refused("registration_invalid") as failure:
        await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id="tekton_core"))
    assert failure.code == 1002 and "another component_id" in failure.message
    with refused("registration_invalid"):
        await api.registry.DeregisterComponent(
            registry_pb.DeregisterComponentRequest(component_id="tekton_core", instance_uuid=own)
        )
    with refused("registration_invalid"):
        await api.registry.UpdateComponent(
            registry_pb.UpdateComponentRequest(component_id="tekton_core", patch=Struct())
        )
    with refused("registration_invalid"):
        await api.lifecycle.UpdateComponentState(
            lifecycle_pb.UpdateComponentStateRequest(component_id="tekton_core", instance_uuid=own, state="failed")
        )
    with refused("registration_invalid"):
        await api.heartbeat.SendHeartbeat(
            heartbeat_pb.SendHeartbeatRequest(component_id="tekton_core", instance_uuid=own)
        )
    assert (await get(api, "tekton_core")).status == States.ready


async def test_the_built_in_hermes_cannot_be_removed_and_says_how_to_replace_it(api: Stubs) -> None:
    with refused("registration_invalid") as failure:
        await remove_hermes(api)
    assert "register a hermes of your own" in failure.message


async def test_a_stream_that_claims_tekton_itself_loses_only_that_claim(api: Stubs) -> None:
    """One bad claim does not end the leases beside it."""
    granted = await api.register()
    own = (await get(api, "tekton_core")).instances[0].instance_uuid
    claims = [
        heartbeat_pb.LeaseClaim(component_id="tekton_core", instance_uuid=own),
        heartbeat_pb.LeaseClaim(component_id=granted.component_id, instance_uuid=granted.instance_uuid),
    ]
    stream = api.heartbeat.Connect()
    await stream.write(heartbeat_pb.ConnectRequest(hello=heartbeat_pb.Hello(leases=claims)))
    lost, welcome = [await asyncio.wait_for(stream.read(), 5) for _ in range(2)]
    assert lost.WhichOneof("message") == "lease_lost" and lost.lease_lost.instance_uuid == own
    assert [one.instance_uuid for one in welcome.welcome.grants] == [granted.instance_uuid]
    stream.cancel()


async def test_tektons_own_address_is_nobodys(api: Stubs, tekton: ControlPlane) -> None:
    """The built-in components are exempt from the rule of addresses."""
    granted = await api.registry.RegisterComponent(registration(host=tekton.host, port=tekton.port))
    assert granted.created
    await api.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=granted.component_id))
