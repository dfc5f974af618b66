"""What the gateway tells of each call where somebody has asked for it: a span by OTLP, and a line in the access log."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from tekton_gateway.failures import GatewayError
from tekton_gateway.settings import Collector, GatewaySettings

Json = dict[str, Any]

COLLECTOR = "otlp_collector"
SERVICE = "tekton-gateway"
REQUEST_ID = "x-request-id"
_TYPE = "type.googleapis.com/envoy"
# Envoy keeps what it writes for so long, in milliseconds.
ACCESS_LOG_DELAY = 1000

# Without the query, which may hold what is nobody's business.
_LINE = {
    "timestamp": "%START_TIME%",
    "request_id": f"%REQ({REQUEST_ID})%",
    "trace_id": "%TRACE_ID%",
    "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "rpc": "%PATH(NQ:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS_NUMBER%",
    "flags": "%RESPONSE_FLAGS%",
    "duration_ms": "%DURATION%",
    "upstream_ms": "%COMMON_DURATION(US_TX_BEG:US_RX_END:ms)%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "client": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    "user_agent": "%REQ(USER-AGENT):256%",
}


def of_calls(settings: GatewaySettings) -> Json:
    """Give what the connection manager does about it."""
    found: Json = {}
    if settings.access_log is not None:
        found["access_log"] = [_access_log(settings.access_log)]
    if settings.collector is not None:
        found |= {"tracing": _tracing(), "request_id_extension": _unchanged_ids()}
    return found


def clusters(settings: GatewaySettings) -> list[Json]:
    """Give the way to the collector."""
    return [] if settings.collector is None else [_collector(settings.collector)]


def runtime() -> Json:
    """Send spans in hundreds, where Envoy would send five, and as soon as the server does."""
    values = {"tracing.opentelemetry.min_flush_spans": 512, "tracing.opentelemetry.flush_interval_ms": 1000}
    return {"layers": [{"name": "tracing", "static_layer": values}]}


def _tracing() -> Json:
    return {
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": f"{_TYPE}.config.trace.v3.OpenTelemetryConfig",
                "grpc_service": {"envoy_grpc": {"cluster_name": COLLECTOR}, "timeout": "5s"},
                "service_name": SERVICE,
            },
        },
        "custom_tags": [{"tag": "tekton.request_id", "request_header": {"name": REQUEST_ID}}],
    }


def _unchanged_ids() -> Json:
    """By default Envoy writes into a client's UUID whether the call is traced."""
    return {
        "typed_config": {
            "@type": f"{_TYPE}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
            "pack_trace_reason": False,
            "use_request_id_for_trace_sampling": False,
        }
    }


def _collector(collector: Collector) -> Json:
    address = {"socket_address": {"address": collector.host, "port_value": collector.port}}
    http2 = {
        "@type": f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    cluster: Json = {
        "name": COLLECTOR,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {
            "cluster_name": COLLECTOR,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    if collector.tls:
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{_TYPE}.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": collector.host,
                "common_tls_context": {"validation_context": _trust(collector.host)},
            },
        }
    return cluster


def _trust(host: str) -> Json:
    name = {"san_type": "DNS", "matcher": {"exact": host}}
    authorities = ssl.get_default_verify_paths().cafile
    if authorities is None:
        raise GatewayError("this machine has no file of certificate authorities: install one, or set SSL_CERT_FILE.")
    return {"trusted_ca": {"filename": authorities}, "match_typed_subject_alt_names": [name]}


def _access_log(path: Path) -> Json:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPE}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": _LINE, "omit_empty_values": True},
        },
    }
