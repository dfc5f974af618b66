"""Which call takes which way. REST calls are matched by the path of their RPC, since the transcoder comes first."""

from __future__ import annotations

from typing import Any

from tekton_gateway import clusters, contract, several
from tekton_gateway.clusters import seconds
from tekton_gateway.settings import GatewaySettings

Json = dict[str, Any]

OTHER_STREAMS = (
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
"""Streams of the services that gRPC tools expect and the contract does not hold."""
OTHER_UNARY = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/List")

PATIENT = frozenset(f"/tekton.v1.LifecycleService/{name}Component" for name in ("Start", "Stop", "Restart"))
"""Unary calls that wait for processes to begin and to end, as long as their callers say."""

CLIENT_ADDRESS = "x-tekton-client"
"""The header by which the server is told the client's IP address, as seen here and not as the client says.

Not x-forwarded-for: for a client on this machine Envoy puts the machine's outer address there.
"""

_NO_LIMIT = "0s"


def render(settings: GatewaySettings) -> Json:
    """Give the route table. What it does not name is answered 404."""
    methods = contract.methods()
    streams = [method.path for method in methods if method.streams] + list(OTHER_STREAMS)
    unary = [method.path for method in methods if not method.streams] + list(OTHER_UNARY)
    routes = [_stream(path) for path in streams] + [_unary(path, settings) for path in unary]
    return {
        "name": "tekton",
        "virtual_hosts": [{"name": "tekton", "domains": ["*"], "routes": routes}],
        "request_headers_to_add": [_client_address()],
    }


def _client_address() -> Json:
    header = {"key": CLIENT_ADDRESS, "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}
    return {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _stream(path: str) -> Json:
    """A stream lasts as long as both sides want, silent or not, and is never retried: its events are not idempotent."""
    action = {
        "cluster": clusters.STREAMS,
        "timeout": _NO_LIMIT,
        "idle_timeout": _NO_LIMIT,
        "max_stream_duration": {"max_stream_duration": _NO_LIMIT},
    }
    return {"match": {"path": path}, "route": action, "typed_per_filter_config": _unbuffered()}


def _unary(path: str, settings: GatewaySettings) -> Json:
    """A unary call has the client's deadline, or ours; it is retried only while nothing of it has been processed."""
    usual, most = settings.unary_timeout, settings.max_unary_timeout
    if path in PATIENT:
        usual = most = settings.patient_timeout
    action = {
        "cluster": clusters.UNARY,
        "timeout": _NO_LIMIT,  # max_stream_duration alone honours grpc-timeout
        "max_stream_duration": {
            "max_stream_duration": seconds(usual),
            "grpc_timeout_header_max": seconds(most),
        },
        # Nothing is sent meanwhile.
        **({"idle_timeout": _NO_LIMIT} if path in PATIENT else {}),
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream",
            # Where there are several: until the one that cannot be reached is left out, and any other is tried.
            "num_retries": 5 if several.are_there(settings) else 2,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.100s"},
            **(_elsewhere() if settings.servers else {}),
        },
    }
    return {"match": {"path": path}, "route": action, "typed_per_filter_config": _unbuffered()}


def _elsewhere() -> Json:
    """Try another server: one that could not be reached will not be there a moment later either."""
    kind = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    return {
        "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": kind}}
        ],
        "host_selection_retry_max_attempts": 5,
    }


def _unbuffered() -> Json:
    """A native gRPC call is passed on message by message: buffering would wait for the end of an open stream."""
    return {
        "envoy.filters.http.buffer": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
            "disabled": True,
        }
    }
