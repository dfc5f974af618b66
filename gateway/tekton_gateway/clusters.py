"""The ways to the server: one for streams and one for unary calls, so that neither can starve the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tekton_gateway.settings import STREAM_WINDOW, GatewaySettings, SocketAddress

Json = dict[str, Any]

STREAMS = "tekton_streams"
UNARY = "tekton_unary"


def render(settings: GatewaySettings) -> list[Json]:
    """Give both clusters."""
    return [_cluster(name, settings) for name in (STREAMS, UNARY)]


def socket_address(address: Path | SocketAddress) -> Json:
    """Give an Envoy address."""
    if isinstance(address, Path):
        return {"pipe": {"path": str(address)}}
    host, port = address
    return {"socket_address": {"address": host, "port_value": port}}


def seconds(value: float) -> str:
    """Give a protobuf duration in JSON."""
    return f"{value:.3f}s"


def keepalive() -> Json:
    """Notice within a minute and a half that the other machine is gone."""
    return {"keepalive_time": 30, "keepalive_interval": 15, "keepalive_probes": 4}


def _cluster(name: str, settings: GatewaySettings) -> Json:
    return {
        "name": name,
        # A container's name must be resolved again and again; a socket or an IP address never.
        "type": "STATIC" if isinstance(settings.upstream, Path) else "STRICT_DNS",
        "connect_timeout": seconds(settings.connect_timeout),
        "per_connection_buffer_limit_bytes": settings.buffer_bytes,
        "circuit_breakers": _circuit_breakers(settings),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _http2(settings),
        },
        "upstream_connection_options": {} if isinstance(settings.upstream, Path) else {"tcp_keepalive": keepalive()},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(settings.upstream)}}]}],
        },
    }


def _http2(settings: GatewaySettings) -> Json:
    """All streams share few connections, whose window must hold every stream's: else two stalled readers stop all."""
    return {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {
            "http2_protocol_options": {
                "max_concurrent_streams": settings.stream_limit,
                "initial_stream_window_size": STREAM_WINDOW,
                "initial_connection_window_size": STREAM_WINDOW * settings.stream_limit,
            }
        },
    }


def _circuit_breakers(settings: GatewaySettings) -> Json:
    """The stream limit everywhere (the default is 1,024), and few retries at a time."""
    limits = ("max_connections", "max_pending_requests", "max_requests")
    return {
        "thresholds": [
            dict.fromkeys(limits, settings.stream_limit)
            | {"retry_budget": {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 8}}
        ]
    }
