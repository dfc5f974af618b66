"""Health and reflection as every gRPC tool expects them, on the direct port and through the gateway."""

from __future__ import annotations

import asyncio

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

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


async def test_reflection_lists_the_services(api: Stubs) -> None:
    """Tools work without the .proto files."""
    stub = reflection_pb2_grpc.ServerReflectionStub(api.channel)
    stream = stub.ServerReflectionInfo()
    await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    answer = await asyncio.wait_for(stream.read(), 5)
    assert set(SERVICES) <= {one.name for one in answer.list_services_response.service}
    stream.cancel()


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
