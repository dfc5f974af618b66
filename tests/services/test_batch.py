"""BatchRegisterComponents: many registrations in one call, each answered on its own."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tekton.core.ids import new_uuid
from tekton.v1 import errors_pb2
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.support.client import Stubs, new_id, refused, registration
from tests.support.control_plane import ControlPlane

Reply = registry_pb.BatchRegisterComponentsResponse
Request = registry_pb.BatchRegisterComponentsRequest


async def batch(api: Stubs, *components: registry_pb.RegisterComponentRequest) -> Reply:
    """Register components in one call."""
    return await api.registry.BatchRegisterComponents(Request(components=components), timeout=10)


async def test_every_item_is_registered_and_answered_in_its_place(api: Stubs) -> None:
    """With everything that a registration of its own would answer; the leases are good."""
    items = [registration() for _ in range(20)]
    reply = await batch(api, *items)
    assert (reply.success, reply.registered, reply.failed, len(reply.results)) == (True, 20, 0, 20)
    assert [one.component_id for one in reply.results] == [item.component_id for item in items]
    for one in reply.results:
        assert one.success and one.created and one.lease.timeout_seconds == 2 and not one.HasField("error")
        assert one.fencing_token.endswith(f".{one.revision}")
    last = reply.results[-1]
    leave = registry_pb.DeregisterComponentRequest(
        component_id=last.component_id, instance_uuid=last.instance_uuid, fencing_token=last.fencing_token
    )
    assert (await api.registry.DeregisterComponent(leave)).success


async def test_one_failed_item_fails_alone(api: Stubs) -> None:
    """Malformed, against a rule, or held by its neighbour: its own documented error, and the others are registered."""
    good, last = registration(), registration()
    bad = [
        registration(port=70000),
        registration(version="latest"),
        registration(host=good.host, port=good.port),
        registration("tekton_core"),
    ]
    bad[0].metadata.update({"number": 1})
    reply = await batch(api, good, *bad, last)
    assert (reply.success, reply.registered, reply.failed) == (False, 2, 4)
    assert [one.success for one in reply.results] == [True, False, False, False, False, True]
    reasons = [errors_pb2.ErrorReason.Value.Name(one.error.reason) for one in reply.results[1:5]]
    assert reasons == ["validation_error", "registration_invalid", "already_exists", "already_exists"]
    assert [one.error.code for one in reply.results[1:5]] == [1000, 1002, 1011, 1011]
    assert [one.component_id for one in reply.results[1:5]] == [item.component_id for item in bad]
    assert good.component_id in reply.results[3].error.message and reply.results[3].error.component == "tekton_core"
    assert not reply.results[1].HasField("instance_uuid") and not reply.results[1].HasField("lease")


async def test_a_number_that_is_not_finite_spoils_only_its_item(api: Stubs) -> None:
    """What cannot be read is refused before it is queued."""
    bad = registration()
    bad.metadata.update({"ratio": float("inf")})
    reply = await batch(api, bad, registration())
    assert [one.success for one in reply.results] == [False, True]
    assert dict(reply.results[0].error.details)["violations"][0]["field"] == "metadata"


async def test_the_items_share_commits(api: Stubs, tekton: ControlPlane) -> None:
    """A batch costs a few transactions and not one for each item."""
    batches: list[int] = []
    published = tekton.app.live.hub.wake

    def counted() -> None:
        batches.append(1)
        published()

    tekton.app.live.hub.wake = counted  # type: ignore[method-assign]
    try:
        reply = await batch(api, *(registration() for _ in range(500)))
    finally:
        tekton.app.live.hub.wake = published  # type: ignore[method-assign]
    revisions = [one.revision for one in reply.results]
    assert revisions == list(range(revisions[0], revisions[0] + 500))
    assert len(batches) <= 3


async def test_an_item_sent_twice_in_a_batch_is_registered_once(api: Stubs) -> None:
    """By instance_uuid and by request_id alike; the second is told that it was registered already."""
    by_uuid = registration(instance_uuid=new_uuid())
    by_id = registration(request_id=new_id("request"))
    reply = await batch(api, by_uuid, by_uuid, by_id, by_id)
    assert reply.success and [one.created for one in reply.results] == [True, False, True, False]
    assert reply.results[2].instance_uuid == reply.results[3].instance_uuid
    other = registration(request_id=by_id.request_id)
    mismatch = (await batch(api, other)).results[0].error
    assert mismatch.reason == errors_pb2.ErrorReason.request_mismatch
    # One by one or in a batch: it is the same request.
    assert not (await api.registry.RegisterComponent(by_id)).created


@pytest.mark.parametrize("count", [0, 1001])
async def test_no_item_or_more_than_a_thousand_is_refused_whole(api: Stubs, count: int) -> None:
    """Nothing is registered."""
    item = registration()
    with refused("validation_error") as failure:
        await batch(api, *[item] * count)
    assert "1 to 1000" in failure.message
    with refused("component_not_found"):
        await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=item.component_id))


async def test_a_thousand_refusals_fit_into_the_answer(api: Stubs) -> None:
    """However long each could be, a client with gRPC's default limit can read it."""
    bad = registration(capabilities=["\0"] * 256)
    reply = await batch(api, *[bad] * 1000)
    assert reply.failed == 1000 and reply.ByteSize() < 4 * 1024 * 1024
    assert reply.results[999].error.details.ByteSize() > 0


async def test_a_batch_whose_caller_is_out_of_time_says_what_is_unknown(tekton: ControlPlane, direct: Stubs) -> None:
    """The answer comes before the deadline, and the writes may still happen."""
    live = tekton.app.live
    held = asyncio.Event()
    begin = live.writer._session.begin

    async def slow() -> object:
        await held.wait()
        return await begin()

    live.writer._session.begin = slow  # type: ignore[assignment,method-assign]
    try:
        with refused("unavailable") as failure:
            await direct.registry.BatchRegisterComponents(Request(components=[registration()]), timeout=0.5)
        assert "unknown" in failure.details
    finally:
        live.writer._session.begin = begin  # type: ignore[method-assign]
        held.set()
    assert (await batch(direct, registration())).success


async def test_over_rest_the_reply_is_200_with_each_result_in_the_documented_form(tekton: ControlPlane) -> None:
    """A result has the fields of a registration's answer, or the documented error and nothing that is not so."""
    good = {
        "component_id": new_id("rest"), "component_name": "R", "component_type": "ui", "version": "1.0.0",
    }  # fmt: skip
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as http:
        reply = await http.post(
            "/api/tekton/components:batch", json={"components": [good, good | {"component_id": "Not An Id"}]}
        )
        empty = await http.post("/api/tekton/components:batch", json={})
    assert reply.status_code == 200
    body = reply.json()
    assert (body["success"], body["registered"], body["failed"]) == (False, 1, 1)
    assert set(body["results"][0]) == {
        "success", "message", "instance_uuid", "component_id", "fencing_token", "lease", "created", "revision",
    }  # fmt: skip
    assert body["results"][1] == {
        "success": False,
        "component_id": "Not An Id",
        "error": {
            "message": "component_id must match ^[a-z][a-z0-9_-]{0,62}$",
            "code": 1002,
            "reason": "registration_invalid",
            "component": "tekton_core",
            "details": {
                "violations": [
                    {"field": "component_id", "message": "must match ^[a-z][a-z0-9_-]{0,62}$", "rule": "pattern"}
                ]
            },
        },
    }
    assert empty.status_code == 400 and empty.json()["error"]["reason"] == "validation_error"


async def test_a_whole_batch_that_the_database_cannot_take_is_unavailable(tekton: ControlPlane, direct: Stubs) -> None:
    """503 for the call, so that clients try again, when nothing of it could be decided."""
    writer = tekton.app.live.writer
    writer._down_since = 0.0
    try:
        with refused("unavailable"):
            await batch(direct, registration(), registration())
    finally:
        writer._down_since = None
