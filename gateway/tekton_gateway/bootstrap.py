"""The Envoy bootstrap: one listener, two clusters, and an admin interface that only the owner reaches."""

from __future__ import annotations

from typing import Any

from tekton_gateway import clusters, filters, local_replies, routes, telemetry
from tekton_gateway.clusters import keepalive, seconds, socket_address
from tekton_gateway.settings import STREAM_WINDOW, GatewaySettings

Json = dict[str, Any]

LISTENER = "tekton"
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_MOST_HEADER_KIB, _MOST_HEADERS = 96, 400
_HEADER_MUTATION = "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"


def render(settings: GatewaySettings) -> Json:
    """Give the bootstrap as Envoy reads it from JSON."""
    bootstrap: Json = {
        "node": {"id": "tekton", "cluster": "tekton"},
        "static_resources": {"listeners": [_listener(settings)], "clusters": _clusters(settings)},
        "overload_manager": {"resource_monitors": [_connection_limit(settings)]},
    }
    if settings.collector is not None:
        bootstrap["layered_runtime"] = telemetry.runtime()
    if settings.admin is not None:
        bootstrap["admin"] = {"address": {"pipe": {"path": str(settings.admin), "mode": 0o600}}}
    return bootstrap


def _clusters(settings: GatewaySettings) -> list[Json]:
    return clusters.render(settings) + telemetry.clusters(settings)


def _connection_limit(settings: GatewaySettings) -> Json:
    kind = (
        "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    )
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {"@type": kind, "max_active_downstream_connections": settings.connection_limit},
    }


def _listener(settings: GatewaySettings) -> Json:
    return {
        "name": LISTENER,
        "address": socket_address(settings.address),
        # With it a second process could bind the same port and take half of the connections without a word.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": settings.buffer_bytes,
        "tcp_keepalive": keepalive(),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": _connection_manager(settings)}]}],
    }


def _connection_manager(settings: GatewaySettings) -> Json:
    return {
        "@type": _HCM,
        "stat_prefix": "tekton",
        "codec_type": "AUTO",
        "server_name": "tekton",
        "http2_protocol_options": _http2(settings),
        # The Lua filter keeps to the limits, in words; here is only what nobody means to send.
        "max_request_headers_kb": _MOST_HEADER_KIB,
        "common_http_protocol_options": {"max_headers_count": _MOST_HEADERS},
        "request_headers_timeout": seconds(settings.request_idle_timeout),
        "stream_idle_timeout": seconds(settings.request_idle_timeout),
        # A stream that the server has ended does not wait for ever for a client that does not read.
        "stream_flush_timeout": seconds(settings.request_idle_timeout),
        "normalize_path": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "early_header_mutation_extensions": [_drop_internal_headers()],
        "local_reply_config": local_replies.render(settings),
        "http_filters": filters.render(settings),
        "route_config": routes.render(settings),
        # Whoever calls can name the call when they ask about it, whatever became of it.
        "always_set_request_id_in_response": True,
        **telemetry.of_calls(settings),
    }


def _http2(settings: GatewaySettings) -> Json:
    return {
        "max_concurrent_streams": settings.stream_limit,
        "initial_stream_window_size": STREAM_WINDOW,
        "initial_connection_window_size": STREAM_WINDOW * settings.stream_limit,
    }


def _drop_internal_headers() -> Json:
    """Clients may not speak the words by which the gateway and the server, or Envoy's filters, speak to each other."""
    return {
        "name": "internal_headers",
        "typed_config": {
            "@type": _HEADER_MUTATION,
            "mutations": [
                {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}},
                {"remove": "x-tekton-rest"},
                {"remove": local_replies.REFUSED},
                {"remove": local_replies.PARAMETER},
                {"remove": routes.CLIENT_ADDRESS},
                {"remove": "tekton-error"},
                {"remove": "tekton-http-status"},
            ],
        },
    }
