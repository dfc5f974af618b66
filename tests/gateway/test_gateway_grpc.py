"""Native gRPC through the gateway behaves as on the server's own port."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from tekton.v1 import (
    heartbeat_service_pb2,
    heartbeat_service_pb2_grpc,
    registry_service_pb2,
    registry_service_pb2_grpc,
)
from tests.gateway.canned_server import CannedServer, dying_server
from tests.gateway.clients import StartGateway, grpc_channel

pytestmark = pytest.mark.timeout(30)


def registry(channel: grpc.aio.Channel) -> registry_service_pb2_grpc.RegistryServiceAsyncStub:
    return registry_service_pb2_grpc.RegistryServiceStub(channel)


def get(component_id: str) -> registry_service_pb2.GetComponentRequest:
    return registry_service_pb2.GetComponentRequest(component_id=component_id)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Give the ErrorInfo.reason of the rich status."""
    return info_of(error).reason


def info_of(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    """Give the ErrorInfo of the rich status."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert status is not None and status.details[0].Unpack(info)
    return info


async def test_a_unary_call_and_its_trailers_arrive(channel: grpc.aio.Channel) -> None:
    """What the server sends after the message is there as well."""
    call = registry(channel).GetComponent(get("vector"))
    assert (await call).component_id == "vector"
    assert ("tekton-trailer", "kept") in tuple(await call.trailing_metadata())


async def test_a_failure_keeps_its_status_and_its_details(channel: grpc.aio.Channel) -> None:
    """The filter for REST leaves gRPC alone."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await registry(channel).GetComponent(get("missing"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == 'no "missing" here\n\u00e9'
    assert reason_of(caught.value) == "component_not_found"


async def test_a_failure_after_the_initial_metadata_keeps_its_details(channel: grpc.aio.Channel) -> None:
    """Also where the status comes in trailers of their own."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await registry(channel).GetComponent(get("late"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(caught.value) == "unavailable"


async def test_the_bidirectional_stream_answers_each_message_at_once_and_hears_the_half_close(
    channel: grpc.aio.Channel,
) -> None:
    """Nothing is buffered in either direction, and the end of the client's side reaches the server."""
    call = heartbeat_service_pb2_grpc.HeartbeatServiceStub(channel).Connect()
    async with asyncio.timeout(5):
        await call.write(heartbeat_service_pb2.ConnectRequest(hello={}))
        assert (await call.read()).WhichOneof("message") == "welcome"
        for _ in range(3):
            await call.write(heartbeat_service_pb2.ConnectRequest(beat={}))
            assert (await call.read()).WhichOneof("message") == "ack"
        await call.done_writing()
        assert (await call.read()).WhichOneof("message") == "go_away"
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        assert ("tekton-trailer", "kept") in tuple(await call.trailing_metadata())


async def test_a_silent_bidirectional_stream_stays_open(start_gateway: StartGateway, server: CannedServer) -> None:
    """No timeout of the gateway is for heartbeat streams: their two ends watch each other."""
    gateway = await start_gateway(unary_timeout=0.2, request_idle_timeout=0.2)
    async with grpc_channel(gateway) as channel:
        call = heartbeat_service_pb2_grpc.HeartbeatServiceStub(channel).Connect()
        await call.write(heartbeat_service_pb2.ConnectRequest(hello={}))
        await call.read()
        answer = asyncio.ensure_future(call.read())
        await asyncio.wait([answer], timeout=1.0)
        assert not answer.done()
        await call.write(heartbeat_service_pb2.ConnectRequest(beat={}))
        assert (await answer).WhichOneof("message") == "ack"
        call.cancel()


async def test_the_health_service_is_reachable(channel: grpc.aio.Channel) -> None:
    """Check and Watch, as probes use them."""
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
    watch = health.Watch(request)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


async def test_an_unknown_service_is_unimplemented(channel: grpc.aio.Channel) -> None:
    """As a gRPC server says it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/tekton.v1.NoService/Call")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert caught.value.details() == "There is no POST /tekton.v1.NoService/Call on this gateway."


async def test_a_call_without_a_server_is_unavailable_with_details(start_gateway: StartGateway) -> None:
    """The SDK sees the same error class as if the server had said it, and when to try again."""
    async with grpc_channel(await start_gateway()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await registry(channel).GetComponent(get("vector"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert caught.value.details() == "The server cannot be reached now; nothing was done. Try again."
    assert reason_of(caught.value) == "unavailable"


async def test_a_server_that_dies_during_a_call_leaves_the_outcome_unknown(
    start_gateway: StartGateway, short_dir: Path
) -> None:
    """The details say so: who takes the call for refused and makes it again would do it twice."""
    async with dying_server(short_dir / "server.sock") as calls, grpc_channel(await start_gateway()) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await registry(channel).GetComponent(get("minimal"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert info_of(caught.value).metadata["details"] == '{"outcome": "unknown"}'
    assert len(calls) == 1


async def test_the_deadline_of_the_client_is_honoured(start_gateway: StartGateway, server: CannedServer) -> None:
    """Longer than the gateway's own where the client says so; the gateway's own where it says nothing."""
    async with grpc_channel(await start_gateway(unary_timeout=0.2)) as channel:
        for timeout, at_least in ((None, 0.15), (0.8, 0.75)):
            started = time.monotonic()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await registry(channel).GetComponent(get("slow"), timeout=timeout)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED, caught.value.details()
            assert at_least < time.monotonic() - started < at_least + 0.5
        await server.until_idle()


async def test_native_calls_are_not_marked_as_rest(channel: grpc.aio.Channel, server: CannedServer) -> None:
    """Not even when the client asks for it: it would get words it cannot read."""
    await registry(channel).GetComponent(get("vector"), metadata=(("x-tekton-rest", "1"), ("x-envoy-any", "1")))
    ((_, metadata),) = server.calls
    assert not {"x-tekton-rest", "x-envoy-any"} & set(metadata)


async def test_the_server_is_told_the_address_of_the_client_as_the_gateway_sees_it(
    channel: grpc.aio.Channel, server: CannedServer
) -> None:
    """Whatever the client says itself."""
    forged = (("x-tekton-client", "10.0.0.7"), ("x-tekton-client", "10.0.0.8"), ("x-forwarded-for", "10.0.0.9"))
    await registry(channel).GetComponent(get("vector"), metadata=forged)
    ((_, metadata),) = server.calls
    assert metadata["x-tekton-client"] == "127.0.0.1"
