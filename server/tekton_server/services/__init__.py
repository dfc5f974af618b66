"""The servicers: one for each service of the contract. `register` is what the composition root calls."""

from __future__ import annotations

from grpc import aio

from tekton.v1.error_report_service_pb2_grpc import add_ErrorReportServiceServicer_to_server
from tekton.v1.heartbeat_service_pb2_grpc import add_HeartbeatServiceServicer_to_server
from tekton.v1.lifecycle_service_pb2_grpc import add_LifecycleServiceServicer_to_server
from tekton.v1.registry_service_pb2_grpc import add_RegistryServiceServicer_to_server
from tekton.v1.resource_service_pb2_grpc import add_ResourceServiceServicer_to_server
from tekton.v1.routing_service_pb2_grpc import add_RoutingServiceServicer_to_server
from tekton.v1.system_service_pb2_grpc import add_SystemServiceServicer_to_server
from tekton_server.live.metrics import Telemetry
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.system import SystemState
from tekton_server.services.caller import Networks
from tekton_server.services.error_reports import ErrorReportServicer
from tekton_server.services.heartbeat import HeartbeatServicer
from tekton_server.services.lifecycle import LifecycleServicer
from tekton_server.services.registry import RegistryServicer
from tekton_server.services.resources import ResourceServicer
from tekton_server.services.routing import RoutingServicer
from tekton_server.services.system import SystemServicer

SERVICES = (
    "tekton.v1.RegistryService",
    "tekton.v1.LifecycleService",
    "tekton.v1.HeartbeatService",
    "tekton.v1.RoutingService",
    "tekton.v1.ResourceService",
    "tekton.v1.ErrorReportService",
    "tekton.v1.SystemService",
)


def register(
    server: aio.Server,
    live: LiveRegistry,
    state: SystemState,
    telemetry: Telemetry,
    trusted: Networks = (),
    *,
    metrics: bool = True,
) -> None:
    """Add every servicer to a server.

    trusted: where gateways call from that are believed who their clients are.
    metrics: whether every figure is told as OpenMetrics text.
    """
    add_RegistryServiceServicer_to_server(RegistryServicer(live, trusted), server)
    add_LifecycleServiceServicer_to_server(LifecycleServicer(live), server)
    add_HeartbeatServiceServicer_to_server(HeartbeatServicer(live), server)
    add_RoutingServiceServicer_to_server(RoutingServicer(live), server)
    add_ResourceServiceServicer_to_server(ResourceServicer(live), server)
    add_ErrorReportServiceServicer_to_server(ErrorReportServicer(live), server)
    add_SystemServiceServicer_to_server(SystemServicer(live, state, telemetry, metrics=metrics), server)
