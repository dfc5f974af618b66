"""RegistryService over native gRPC, on the direct port and through the gateway."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from tekton.core.ids import new_uuid
from tekton.v1 import component_pb2 as pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.support.client import Stubs, new_id, refused, registration

States = pb.ComponentState


async def test_a_registered_component_is_found_with_everything_it_said(api: Stubs) -> None:
    """Reading gives back the definition and one instance in the state registering."""
    metadata = Struct()
    metadata.update({"description": "x", "nested": {"list": [1, "a", None, True]}})
    request = registration(
        capabilities=["b", "a", "b"], dependencies=["engram"], health_check="/api/health", metadata=metadata
    )
    granted = await api.registry.RegisterComponent(request)
    found = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=request.component_id))
    assert granted.success and granted.created and granted.lease.timeout_seconds == 2
    assert list(found.capabilities) == ["b", "a"]
    assert list(found.dependencies) == ["engram"]
    assert (found.host, found.port, found.version) == (request.host, request.port, "1.0.0")
    assert found.metadata == metadata
    assert found.status == States.registering
    assert [i.instance_uuid for i in found.instances] == [granted.instance_uuid]
    assert found.last_heartbeat == found.instances[0].created_at


async def test_a_component_is_found_under_dashes_and_underscores_alike(api: Stubs) -> None:
    """`-` and `_` are distinct in display and equal in look-up."""
    component_id = new_id("with-dash")
    await api.register(component_id)
    asked = registry_pb.GetComponentRequest(component_id=component_id.replace("-", "_"))
    assert (await api.registry.GetComponent(asked)).component_id == component_id


async def test_registering_again_with_the_uuid_gives_the_same_lease_and_no_new_revision(api: Stubs) -> None:
    """A retry is answered as the first call was, marked not created."""
    request = registration()
    first = await api.registry.RegisterComponent(request)
    request.instance_uuid = first.instance_uuid
    second = await api.registry.RegisterComponent(request)
    assert (second.instance_uuid, second.fencing_token, second.created) == (
        first.instance_uuid,
        first.fencing_token,
        False,
    )


async def test_two_calls_with_one_uuid_at_once_make_one_instance(api: Stubs) -> None:
    """Whoever comes second in the batch is told that it was registered already."""
    request = registration(instance_uuid=new_uuid())
    answers = await asyncio.gather(*(api.registry.RegisterComponent(request) for _ in range(8)))
    assert sorted(a.created for a in answers) == [False] * 7 + [True]
    found = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=request.component_id))
    assert len(found.instances) == 1


async def test_a_quick_restart_supersedes_its_predecessor(api: Stubs) -> None:
    """The same component on the same address is taken over at once; the old instance is stopped and fenced."""
    request = registration()
    first = await api.registry.RegisterComponent(request)
    second = await api.registry.RegisterComponent(request)
    found = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=request.component_id))
    assert [(i.instance_uuid, i.status) for i in found.instances] == [
        (second.instance_uuid, States.registering),
        (first.instance_uuid, States.stopped),
    ]
    assert found.instances[1].status_reason == "superseded"
    leave = registry_pb.DeregisterComponentRequest(
        component_id=request.component_id, instance_uuid=first.instance_uuid, fencing_token=first.fencing_token
    )
    with refused("stale_session"):
        await api.registry.DeregisterComponent(leave)


async def test_an_address_of_another_component_is_refused_unless_replaced(api: Stubs) -> None:
    """1011 names who holds the address; replace=true takes it."""
    holder = registration()
    await api.registry.RegisterComponent(holder)
    intruder = registration(host=holder.host, port=holder.port)
    with refused("already_exists") as failure:
        await api.registry.RegisterComponent(intruder)
    assert failure.status is grpc.StatusCode.ALREADY_EXISTS and failure.code == 1011
    assert holder.component_id in failure.message
    intruder.replace = True
    assert (await api.registry.RegisterComponent(intruder)).created


async def test_only_one_of_many_components_gets_an_address_they_all_want_at_once(api: Stubs) -> None:
    """Commands of one batch see each other's changes before they are committed."""
    host = registration().host
    wanted = [registration(host=host, port=9) for _ in range(20)]
    answers = await asyncio.gather(
        *(api.registry.RegisterComponent(request) for request in wanted), return_exceptions=True
    )
    assert sum(isinstance(a, registry_pb.RegisterComponentResponse) for a in answers) == 1


async def test_a_missing_component_is_1001(api: Stubs) -> None:
    """Not found carries its documented code and the id."""
    with refused("component_not_found") as failure:
        await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id="nobody"))
    assert failure.status is grpc.StatusCode.NOT_FOUND and failure.code == 1001 and "nobody" in failure.message


@pytest.mark.parametrize(
    ("fields", "reason", "named"),
    [
        ({"component_id": "Big"}, "registration_invalid", "component_id"),
        ({"version": "one"}, "registration_invalid", "version"),
        ({"component_name": ""}, "registration_invalid", "component_name"),
        ({"port": 0}, "registration_invalid", "port"),
        ({"port": 65536}, "validation_error", "port"),
        ({"port": -1}, "validation_error", "port"),
        ({"capabilities": ["x"] * 257}, "validation_error", "capabilities"),
        ({"component_name": "a\0b"}, "validation_error", "component_name"),
        ({"instance_uuid": "nope"}, "validation_error", "instance_uuid"),
    ],
)
async def test_a_bad_registration_names_the_field_and_stores_nothing(
    api: Stubs, fields: dict[str, object], reason: str, named: str
) -> None:
    """Shape, type and size are validation_error; broken rules are registration_invalid."""
    request = registration(**fields)
    with refused(reason) as failure:
        await api.registry.RegisterComponent(request)
    assert named in failure.message and named in failure.details
    if request.component_id.islower():
        with refused("component_not_found"):
            await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=request.component_id))


async def test_lists_are_filtered_by_status_type_and_capability(api: Stubs) -> None:
    """All filters have to hold."""
    kind = new_id("kind")
    one = await api.register(component_type=kind, capabilities=["read"])
    two = await api.register(component_type=kind, capabilities=["read", "write"])

    async def listed(**filters: str) -> set[str]:
        page = await api.registry.ListComponents(registry_pb.ListComponentsRequest(type=kind, **filters))
        return {row.component_id for row in page.components}

    assert await listed() == {one.component_id, two.component_id}
    assert await listed(capability="write") == {two.component_id}
    assert await listed(status="registering") == {one.component_id, two.component_id}
    assert await listed(status="ready") == set()
    with refused("validation_error") as failure:
        await listed(status="sleeping")
    assert "registering" in failure.message


async def test_pages_give_every_component_once_in_order(api: Stubs) -> None:
    """Following next_page_token walks the whole list."""
    kind = new_id("paged")
    ids = {(await api.register(component_type=kind)).component_id for _ in range(7)}
    seen: list[str] = []
    token = ""
    while True:
        asked = registry_pb.ListComponentsRequest(type=kind, page_size=3, page_token=token)
        page = await api.registry.ListComponents(asked)
        seen += [row.component_id for row in page.components]
        token = page.next_page_token
        if not token:
            break
    assert set(seen) == ids and len(seen) == 7
    with refused("validation_error"):
        await api.registry.ListComponents(registry_pb.ListComponentsRequest(page_token="?!"))


async def test_a_search_looks_in_id_name_type_and_capabilities(api: Stubs) -> None:
    """Without case, "-" as "_", together with the other filters."""
    mark = new_id("mark")
    found = {
        (await api.register(f"{mark}-by-id")).component_id,
        (await api.register(component_name=f"By Name {mark.upper()}")).component_id,
        (await api.register(component_type=f"{mark}-type")).component_id,
        (await api.register(capabilities=["x", f"cap-{mark}"])).component_id,
    }
    await api.register()

    async def listed(**filters: str) -> set[str]:
        page = await api.registry.ListComponents(registry_pb.ListComponentsRequest(**filters))
        return {row.component_id for row in page.components}

    for text in (mark, mark.upper(), mark.replace("-", "_"), f"  {mark} "):
        assert await listed(q=text) == found
    assert await listed(q=mark, type=f"{mark}-type") < found
    assert await listed(q=mark, status="failed") == set()
    assert await listed(q=f"{mark} {mark}") == set()
    for text in ("x" * 129, "a\0b", "a\nb"):
        with refused("validation_error") as failure:
            await listed(q=text)
        assert failure.message.startswith("q ")


async def test_the_pages_of_a_search_give_every_match_once(api: Stubs) -> None:
    """What does not match takes no place on a page."""
    mark = new_id("paged")
    ids = {(await api.register(f"{mark}-{n}")).component_id for n in range(5)}
    for number in range(5):
        await api.register(f"between-{number}-{new_id()}")
    seen: list[str] = []
    token = ""
    while True:
        asked = registry_pb.ListComponentsRequest(q=mark, page_size=2, page_token=token)
        page = await api.registry.ListComponents(asked)
        assert len(page.components) <= 2
        seen += [row.component_id for row in page.components]
        token = page.next_page_token
        if not token:
            break
    assert set(seen) == ids and seen == sorted(seen) and len(seen) == 5


async def test_deregistering_an_instance_stops_it_and_keeps_the_component(api: Stubs) -> None:
    """The definition stays, as stopped; doing it twice is no error."""
    granted = await api.register()
    leave = registry_pb.DeregisterComponentRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, fencing_token=granted.fencing_token
    )
    assert (await api.registry.DeregisterComponent(leave)).success
    assert (await api.registry.DeregisterComponent(leave)).success
    found = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=granted.component_id))
    assert found.status == States.stopped


async def test_removing_a_component_removes_everything(api: Stubs) -> None:
    """Without instance_uuid the component is gone: 1001 afterwards."""
    granted = await api.register()
    whole = registry_pb.DeregisterComponentRequest(component_id=granted.component_id)
    assert (await api.registry.DeregisterComponent(whole)).success
    with refused("component_not_found"):
        await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=granted.component_id))
    with refused("component_not_found"):
        await api.registry.DeregisterComponent(whole)


async def test_expected_revision_is_a_compare_and_set(api: Stubs) -> None:
    """0 means that there must be none yet."""
    request = registration(expected_revision=0)
    granted = await api.registry.RegisterComponent(request)
    with refused("conflict") as failure:
        await api.registry.RegisterComponent(request)
    assert failure.status is grpc.StatusCode.ABORTED and str(granted.revision) in failure.message
    request.expected_revision = granted.revision
    assert (await api.registry.RegisterComponent(request)).created


async def test_every_reply_carries_the_revision(api: Stubs) -> None:
    """tekton-revision is in the metadata of answers and of errors, never smaller than before."""
    call = api.registry.RegisterComponent(registration())
    granted = await call
    metadata = dict(await call.trailing_metadata())
    history, revision = str(metadata["tekton-revision"]).split(".")
    assert granted.fencing_token.split(".")[0] == history
    assert int(revision) >= granted.revision


async def test_a_message_nested_too_deep_for_the_parser_is_a_documented_error(api: Stubs) -> None:
    """protobuf refuses over 100 levels before any handler runs; it is still validation_error."""
    value = b"\x20\x01"
    for _ in range(150):
        entry = b"\x0a\x01a" + _field(b"\x12", value)
        struct = _field(b"\x0a", entry)
        value = _field(b"\x2a", struct)
    request = _field(b"\x52", struct)
    call = api.channel.unary_unary("/tekton.v1.RegistryService/RegisterComponent")
    with refused("validation_error"):
        await call(request)


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
