"""request_id: the same request sent again is answered again and not done again."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.support.client import Stubs, new_id, refused, registration, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster


async def test_a_registration_sent_again_gets_the_same_instance(api: Stubs) -> None:
    """Without an instance_uuid of its own, the request_id alone makes it repeatable."""
    request = registration(request_id=new_id("request"))
    first = await api.registry.RegisterComponent(request)
    second = await api.registry.RegisterComponent(request)
    assert (first.created, second.created) == (True, False)
    assert (second.instance_uuid, second.fencing_token) == (first.instance_uuid, first.fencing_token)
    found = await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=request.component_id))
    assert len(found.instances) == 1


async def test_the_same_request_many_times_at_once_is_done_once(api: Stubs) -> None:
    """Within one batch too."""
    request = registration(request_id=new_id("request"))
    answers = await asyncio.gather(*(api.registry.RegisterComponent(request) for _ in range(16)))
    assert len({a.instance_uuid for a in answers}) == 1
    assert sum(a.created for a in answers) == 1


async def test_the_same_id_with_another_body_is_refused(api: Stubs) -> None:
    """request_mismatch, 409: an id stands for one request."""
    request = registration(request_id=new_id("request"))
    await api.registry.RegisterComponent(request)
    request.version = "2.0.0"
    with refused("request_mismatch"):
        await api.registry.RegisterComponent(request)


async def test_ids_of_different_rpcs_have_nothing_to_do_with_each_other(api: Stubs) -> None:
    """The scope is the caller and the RPC."""
    request_id = new_id("request")
    granted = await api.registry.RegisterComponent(registration(request_id=request_id))
    report = lifecycle_pb.UpdateComponentStateRequest(
        component_id=granted.component_id, instance_uuid=granted.instance_uuid, state="ready", request_id=request_id
    )
    first = await api.lifecycle.UpdateComponentState(report)
    again = await api.lifecycle.UpdateComponentState(report)
    assert again == first and first.previous_status != first.status


async def test_a_refused_request_may_be_tried_again_under_its_id(api: Stubs) -> None:
    """Refusals are not remembered: once the cause is gone the same request succeeds."""
    holder = registration()
    granted = await api.registry.RegisterComponent(holder)
    request = registration(host=holder.host, port=holder.port, request_id=new_id("request"))
    with refused("already_exists"):
        await api.registry.RegisterComponent(request)
    await api.registry.DeregisterComponent(
        registry_pb.DeregisterComponentRequest(component_id=granted.component_id, instance_uuid=granted.instance_uuid)
    )
    assert (await api.registry.RegisterComponent(request)).created


async def test_a_deregistration_sent_again_is_answered_again(api: Stubs) -> None:
    """Removing a component twice under one id is one success, told twice; without the id it is 1001."""
    granted = await api.register()
    whole = registry_pb.DeregisterComponentRequest(component_id=granted.component_id, request_id=new_id("request"))
    assert (await api.registry.DeregisterComponent(whole)).success
    assert (await api.registry.DeregisterComponent(whole)).success
    whole.request_id = ""
    with refused("component_not_found"):
        await api.registry.DeregisterComponent(whole)


async def test_a_request_id_too_long_is_refused(api: Stubs) -> None:
    """At most 128 characters."""
    with refused("validation_error") as failure:
        await api.registry.RegisterComponent(registration(request_id="r" * 129))
    assert "request_id" in failure.message


async def test_over_rest_the_second_answer_is_200(tekton: ControlPlane) -> None:
    """201, then 200."""
    body = {
        "component_id": new_id(), "component_name": "x", "component_type": "ui", "version": "1.0.0",
        "request_id": new_id("request"),
    }  # fmt: skip
    async with httpx.AsyncClient(base_url=tekton.http) as http:
        codes = [(await http.post("/api/tekton/components", json=body)).status_code for _ in range(2)]
    assert codes == [201, 200]


async def test_what_was_answered_is_remembered_over_a_restart(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The answer is stored in the transaction of the change itself."""
    database, request = cluster.new_database(), registration(request_id="over-a-restart")
    answers = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("r")
        async with control_plane(database, folder) as running, stubs(running.direct) as api:
            answers.append(await api.registry.RegisterComponent(request))
    assert answers[0].created and not answers[1].created
    assert answers[0].instance_uuid == answers[1].instance_uuid
