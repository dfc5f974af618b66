"""Raw generated stubs on one channel, for tests that speak the contract itself."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import aio

from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1.error_report_service_pb2_grpc import ErrorReportServiceStub
from tekton.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub
from tekton.v1.lifecycle_service_pb2_grpc import LifecycleServiceStub
from tekton.v1.registry_service_pb2_grpc import RegistryServiceStub
from tekton.v1.resource_service_pb2_grpc import ResourceServiceStub
from tekton.v1.routing_service_pb2_grpc import RoutingServiceStub
from tekton.v1.system_service_pb2_grpc import SystemServiceStub

_numbers = count(1)


class Stubs:
    """Every service of the contract."""

    def __init__(self, channel: aio.Channel) -> None:
        self.channel = channel
        self.registry = RegistryServiceStub(channel)
        self.lifecycle = LifecycleServiceStub(channel)
        self.heartbeat = HeartbeatServiceStub(channel)
        self.routing = RoutingServiceStub(channel)
        self.resources = ResourceServiceStub(channel)
        self.errors = ErrorReportServiceStub(channel)
        self.system = SystemServiceStub(channel)

    async def register(self, component_id: str | None = None, **fields: Any) -> registry_pb.RegisterComponentResponse:
        """Register a component with sensible fields where none are given."""
        return await self.registry.RegisterComponent(registration(component_id, **fields), timeout=10)


@asynccontextmanager
async def stubs(target: str) -> AsyncIterator[Stubs]:
    """Open a channel to a target."""
    async with aio.insecure_channel(target) as channel:
        yield Stubs(channel)


def new_id(prefix: str = "component") -> str:
    """Make a component id that no other test uses."""
    return f"{prefix}-{next(_numbers)}-{uuid.uuid4().hex[:6]}"


def registration(component_id: str | None = None, **fields: Any) -> registry_pb.RegisterComponentRequest:
    """Make a registration; each gets an address of its own."""
    number = next(_numbers)
    given: dict[str, Any] = {
        "component_id": component_id or new_id(),
        "component_name": "A component",
        "component_type": "service",
        "version": "1.0.0",
        "host": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        "port": 8500,
    }
    return registry_pb.RegisterComponentRequest(**(given | fields))


@dataclass
class Failure:
    """What a refused call said."""

    reason: str = ""
    code: int = 0
    message: str = ""
    status: grpc.StatusCode | None = None
    details: str = ""


@contextmanager
def refused(reason: str) -> Iterator[Failure]:
    """Expect a call to be refused for a reason, told in the status details."""
    failure = Failure()
    with pytest.raises(aio.AioRpcError) as caught:
        yield failure
    info, failure.message, failure.status = error_info(caught.value), caught.value.details() or "", caught.value.code()
    failure.reason, failure.code = info.reason, int(info.metadata["code"])
    failure.details = info.metadata["details"]
    assert failure.reason == reason, failure


def error_info(error: aio.AioRpcError) -> ErrorInfo:
    """Unpack the ErrorInfo of an error."""
    metadata = dict(error.trailing_metadata() or ())
    assert "grpc-status-details-bin" in metadata, error
    status = Status.FromString(metadata["grpc-status-details-bin"])  # type: ignore[arg-type]
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    return info
