"""A request over 1 MiB is the documented error over gRPC too, and its stream or connection goes on for others."""

from __future__ import annotations

import pytest
from grpc import StatusCode, aio

from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain import limits
from tests.support.client import Stubs, error_info, registration


@pytest.mark.parametrize("size", [limits.REQUEST_BYTES, 3 * 1024 * 1024, 9 * 1024 * 1024])
async def test_a_unary_request_that_is_too_large_is_named_with_the_limit(api: Stubs, size: int) -> None:
    """Nothing is stored."""
    request = registration(health_check="x" * size)
    with pytest.raises(aio.AioRpcError) as caught:
        await api.registry.RegisterComponent(request)
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
    info = error_info(caught.value)
    assert info.reason == "too_large" and str(limits.REQUEST_BYTES) in info.metadata["details"]
    with pytest.raises(aio.AioRpcError) as caught:
        await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=request.component_id))
    assert caught.value.code() is StatusCode.NOT_FOUND


async def test_a_message_of_a_stream_that_is_too_large_ends_the_stream_with_the_reason(api: Stubs) -> None:
    """The heartbeat stream takes ten thousand handles a message, and no megabyte."""
    stream = api.heartbeat.Connect()
    await stream.write(heartbeat_pb.ConnectRequest(hello=heartbeat_pb.Hello()))
    assert (await stream.read()).WhichOneof("message") == "welcome"
    reason = "x" * limits.REQUEST_BYTES
    await stream.write(heartbeat_pb.ConnectRequest(goodbye=heartbeat_pb.Goodbye(reason=reason)))
    with pytest.raises(aio.AioRpcError) as caught:
        await stream.read()
    assert error_info(caught.value).reason == "too_large"
