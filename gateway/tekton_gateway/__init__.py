"""The gateway: one port for gRPC, gRPC-Web, JSON over HTTP and server-sent events. Envoy does the work."""

from tekton_gateway.envoy import Envoy
from tekton_gateway.failures import GatewayError, PortInUseError
from tekton_gateway.settings import Collector, GatewaySettings

__all__ = ["Collector", "Envoy", "GatewayError", "GatewaySettings", "PortInUseError"]
