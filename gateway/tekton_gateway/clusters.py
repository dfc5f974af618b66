"""The ways to the server: one for streams and one for unary calls, so that neither can starve the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tekton_gateway import several
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
    sockets = [settings.upstream] if isinstance(settings.upstream, Path) else settings.servers
    return {
        "name": name,
        **(_found_by_name(settings) if settings.servers else {"type": "STATIC"}),
        "connect_timeout": seconds(settings.connect_timeout),
        "per_connection_buffer_limit_bytes": settings.buffer_bytes,
        "circuit_breakers": _circuit_breakers(settings),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _http2(settings),
        },
        "upstream_connection_options": {"tcp_keepalive": keepalive()} if settings.servers else {},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(one)}} for one in sockets]}],
        },
    }


def _found_by_name(settings: GatewaySettings) -> Json:
    """Servers in containers: there may be several, any of them may be down or come back under another address."""
    return {
        # A container's name must be resolved again and again; each address it stands for is a server.
        "type": "STRICT_DNS",
        # localhost is 127.0.0.1 first, as where the server listens.
        "dns_lookup_family": "V4_PREFERRED",
        # Streams last: in turn, a server that came back would get none of those that were moved away from it.
        "lb_policy": "LEAST_REQUEST",
        "health_checks": [several.health_check() if several.are_there(settings) else _health_check()],
        **({"outlier_detection": several.outliers()} if several.are_there(settings) else {}),
        # Where none looks well any is tried: an answer that comes late under load must not become an outage.
        "common_lb_config": {
            "healthy_panic_threshold": {"value": 1.0},
            # By default what becomes of a server is told to the workers up to a second late.
            **({"update_merge_window": "0s"} if several.are_there(settings) else {}),
        },
    }


def _health_check() -> Json:
    """Ask each server whether it serves: one that says no gets no call, and one that says nothing the third time."""
    return {
        "grpc_health_check": {},
        "timeout": "2s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_interval": "0.5s",
        "healthy_threshold": 1,
        "unhealthy_threshold": 3,
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
                **(several.keepalive() if several.are_there(settings) else {}),
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
