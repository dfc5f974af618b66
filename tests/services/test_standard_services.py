"""Health and reflection as every gRPC tool expects them, on the direct port and through the gateway."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from tekton.v1 import system_service_pb2 as pb
from tekton_server.services import SERVICES
from tests.support.client import Stubs, refused, stubs
from tests.support.control_plane import control_plane
from tests.support.postgres import Cluster

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("service", ["", *SERVICES])
async def test_every_service_is_serving(api: Stubs, service: str) -> None:
    """grpc.health.v1, overall and by name."""
    health = health_pb2_grpc.HealthStub(api.channel)
    assert (await health.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING


@pytest.mark.parametrize("service", ["", *SERVICES])
async def test_the_health_of_every_service_can_be_watched(api: Stubs, service: str) -> None:
    """The first message comes at once."""
    watch = health_pb2_grpc.HealthStub(api.channel).Watch(health_pb2.HealthCheckRequest(service=service))
    assert (await asyncio.wait_for(watch.read(), 5)).status == SERVING
    watch.cancel()


async def test_the_health_of_a_service_that_does_not_exist_is_not_found(api: Stubs) -> None:
    """As the health protocol says."""
    with pytest.raises(aio.AioRpcError) as caught:
        await health_pb2_grpc.HealthStub(api.channel).Check(health_pb2.HealthCheckRequest(service="tekton.v1.Nothing"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


REFLECTIONS = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


async def reflect(api: Stubs, name: str, **question: str) -> reflection_pb2.ServerReflectionResponse:
    """Ask reflection under one of its names; the messages of both are the same on the wire."""
    stream = api.channel.stream_stream(
        f"/{name}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )()
    await stream.write(reflection_pb2.ServerReflectionRequest(**question))
    answer: reflection_pb2.ServerReflectionResponse = await asyncio.wait_for(stream.read(), 5)
    stream.cancel()
    return answer


@pytest.mark.parametrize("name", REFLECTIONS)
async def test_reflection_lists_the_services(api: Stubs, name: str) -> None:
    """Tools work without the .proto files, whichever version they ask for."""
    answer = await reflect(api, name, list_services="")
    listed = {one.name for one in answer.list_services_response.service}
    assert listed == {*SERVICES, *REFLECTIONS, "grpc.health.v1.Health"}


@pytest.mark.parametrize("name", REFLECTIONS)
async def test_reflection_describes_everything_that_it_lists(api: Stubs, name: str) -> None:
    """The files of every listed service, reflection's own included, build a pool that knows the service."""
    for service in (*SERVICES, *REFLECTIONS, "grpc.health.v1.Health"):
        answer = await reflect(api, name, file_containing_symbol=service)
        sent = [FileDescriptorProto.FromString(f) for f in answer.file_descriptor_response.file_descriptor_proto]
        pool, held = DescriptorPool(), set[str]()
        while ready := [file for file in sent if file.name not in held and held.issuperset(file.dependency)]:
            for file in ready:
                pool.AddSerializedFile(file.SerializeToString())
                held.add(file.name)
        assert pool.FindServiceByName(service).methods, service


@pytest.mark.parametrize("name", REFLECTIONS)
async def test_reflection_says_so_when_there_is_no_such_symbol(api: Stubs, name: str) -> None:
    """NOT_FOUND in the answer; the stream goes on."""
    answer = await reflect(api, name, file_containing_symbol="tekton.v1.Nothing")
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_health_and_readiness_turn_before_the_server_stops(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A watcher of health hears NOT_SERVING; Ready is unavailable and says why."""
    async with (
        control_plane(cluster.new_database(), tmp_path_factory.mktemp("h")) as running,
        stubs(running.direct) as api,
    ):
        watch = health_pb2_grpc.HealthStub(api.channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        assert (await api.system.Ready(pb.ReadyRequest())).status == "ready"
        running.app.state.stopping = True
        with refused("unavailable") as failure:
            await api.system.Ready(pb.ReadyRequest())
        assert "stopping" in failure.details
        await running.app.server.set_serving(False)
        assert (await asyncio.wait_for(watch.read(), 5)).status == NOT_SERVING
        watch.cancel()
