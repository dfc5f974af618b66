"""What the bootstrap promises, without an Envoy; the last tests let Envoy read it."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from tekton.core import errors
from tekton_gateway import GatewayError, GatewaySettings, bootstrap, contract, filters, local_replies, routes
from tekton_gateway.envoy import binary
from tekton_gateway.settings import MAX_CONNECTION_WINDOW, STREAM_WINDOW

UNIX = GatewaySettings(upstream=Path("/run/tekton/server.sock"))
TCP = GatewaySettings(upstream=("server", 8011), host="0.0.0.0")
SEVERAL = GatewaySettings(upstream=(("a", 8011), ("b", 8011)))


def manager(settings: GatewaySettings = UNIX) -> dict[str, Any]:
    listener = bootstrap.render(settings)["static_resources"]["listeners"][0]
    return dict(listener["filter_chains"][0]["filters"][0]["typed_config"])


def clusters(settings: GatewaySettings = UNIX) -> dict[str, dict[str, Any]]:
    return {cluster["name"]: cluster for cluster in bootstrap.render(settings)["static_resources"]["clusters"]}


def table() -> dict[str, dict[str, Any]]:
    return {row["match"]["path"]: row["route"] for row in routes.render(UNIX)["virtual_hosts"][0]["routes"]}


def test_every_service_of_the_contract_is_served_as_json() -> None:
    """The services come from the descriptor set: a new one needs no line in the gateway."""
    transcoder = next(one for one in filters.render(UNIX) if one["name"].endswith("transcoder"))
    assert transcoder["typed_config"]["services"] == list(contract.services())
    assert {"tekton.v1.RegistryService", "tekton.v1.HeartbeatService"} <= set(contract.services())


@pytest.mark.parametrize("method", contract.methods(), ids=lambda method: method.name)
def test_every_call_has_a_route_and_streams_have_a_cluster_of_their_own(method: contract.Method) -> None:
    """Whatever streams in either direction goes to the streams cluster, everything else to the unary one."""
    assert table()[method.path]["cluster"] == ("tekton_streams" if method.streams else "tekton_unary")


def test_a_stream_with_a_rest_path_is_server_sent_events() -> None:
    """The filter tells a failed stream by its content type, so every REST stream must bring its own."""
    over_rest = [method for method in contract.methods() if method.streams and method.rest]
    assert over_rest
    assert all(method.sse for method in over_rest)


def test_streams_have_no_timeout_and_are_never_retried() -> None:
    """Neither silence nor age ends a stream."""
    route = table()["/tekton.v1.HeartbeatService/Connect"]
    assert route["timeout"] == route["idle_timeout"] == route["max_stream_duration"]["max_stream_duration"] == "0s"
    assert "retry_policy" not in route


def test_unary_calls_have_a_timeout_and_are_retried_only_when_nothing_was_processed() -> None:
    """A mutation must not happen twice."""
    route = table()["/tekton.v1.RegistryService/RegisterComponent"]
    assert route["max_stream_duration"] == {"max_stream_duration": "15.000s", "grpc_timeout_header_max": "300.000s"}
    assert route["retry_policy"]["retry_on"] == "connect-failure,refused-stream"


@pytest.mark.parametrize("limit", [1, 8192, 32767])
def test_the_connection_window_holds_the_windows_of_all_streams(limit: int) -> None:
    """Else a few readers that stall take the window from everybody."""
    settings = GatewaySettings(upstream=UNIX.upstream, stream_limit=limit)
    options = [manager(settings)["http2_protocol_options"]]
    for cluster in clusters(settings).values():
        (protocol,) = cluster["typed_extension_protocol_options"].values()
        options.append(protocol["explicit_http_config"]["http2_protocol_options"])
    for one in options:
        assert one["initial_stream_window_size"] == STREAM_WINDOW
        assert limit * STREAM_WINDOW <= one["initial_connection_window_size"] <= MAX_CONNECTION_WINDOW


def test_the_circuit_breakers_are_the_stream_limit() -> None:
    """The default of 1,024 would turn calls away long before."""
    for cluster in clusters().values():
        (threshold,) = cluster["circuit_breakers"]["thresholds"]
        assert threshold["max_requests"] == threshold["max_pending_requests"] == UNIX.stream_limit


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"stream_limit": 32768}, "stream_limit is 32768: choose 1 to 32767"),
        ({"port": 70000}, "port is 70000"),
        ({"log_level": "loud"}, "log_level is 'loud': choose one of trace"),
        ({"allowed_hosts": ("http://a",)}, "allowed_hosts has 'http://a': name hosts only"),
        ({"allowed_hosts": ("a", 'b"] = 1 --')}, "allowed_hosts has"),
        ({"host": "example"}, "host is 'example': choose an IP address"),
        ({"admin": Path("/" + "a" * 107)}, "too long for a socket"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_remedy(wrong: dict[str, Any], named: str) -> None:
    """Before Envoy would, and in one sentence."""
    with pytest.raises(GatewayError, match=named):
        GatewaySettings(upstream=UNIX.upstream, **wrong)


def test_the_admin_interface_is_a_private_socket_or_absent() -> None:
    """It is never a TCP port."""
    assert "admin" not in bootstrap.render(UNIX)
    settings = GatewaySettings(upstream=UNIX.upstream, admin=Path("/run/tekton/admin.sock"))
    assert bootstrap.render(settings)["admin"] == {
        "address": {"pipe": {"path": "/run/tekton/admin.sock", "mode": 0o600}}
    }


def test_nothing_is_logged_per_call_and_the_port_is_not_shared() -> None:
    """No access log; no SO_REUSEPORT, by which a second process could take half of the clients."""
    assert "access_log" not in manager()
    assert bootstrap.render(UNIX)["static_resources"]["listeners"][0]["enable_reuse_port"] is False


def test_dead_clients_are_noticed_and_the_number_of_clients_is_limited() -> None:
    """A machine that vanished says no goodbye, and each client costs a descriptor."""
    rendered = bootstrap.render(UNIX)
    assert rendered["static_resources"]["listeners"][0]["tcp_keepalive"]["keepalive_time"] == 30
    (monitor,) = rendered["overload_manager"]["resource_monitors"]
    assert monitor["typed_config"]["max_active_downstream_connections"] == UNIX.connection_limit


def test_a_server_in_another_container_is_found_by_its_name() -> None:
    """The name is resolved again and again, since the container may move."""
    for cluster in clusters(TCP).values():
        assert cluster["type"] == "STRICT_DNS"
        endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        assert endpoint["address"] == {"socket_address": {"address": "server", "port_value": 8011}}


def test_every_reply_of_the_gateway_is_an_error_of_the_table() -> None:
    """Code, reason and component are those of tekton.core.errors, and 400 alone quotes the transcoder."""
    for reply in local_replies.replies(UNIX):
        body = reply.error.body()["error"]
        assert errors.BY_REASON[body["reason"]].number == body["code"]
        assert body["component"] == "tekton_core"
        assert ("%LOCAL_REPLY_BODY%" in body["message"]) == (reply.header == (local_replies.MARK, "1"))


def test_the_descriptors_reach_envoy_without_their_comments() -> None:
    """They are only for the OpenAPI document, and most of the bytes."""
    files = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(contract.descriptors_without_comments())).file
    assert [file.name for file in files if file.HasField("source_code_info")] == []


@pytest.mark.parametrize("settings", [UNIX, TCP, SEVERAL], ids=["unix", "tcp", "several"])
def test_envoy_accepts_the_bootstrap(settings: GatewaySettings, tmp_path: Path) -> None:
    """For a child of ours and for a container alike."""
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(bootstrap.render(settings)))
    checked = subprocess.run(
        [binary(), "--mode", "validate", "-c", file, "--log-level", "warning"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert checked.returncode == 0, checked.stderr
    assert "deprecated" not in checked.stderr.lower()
