"""A part of a running Tekton dies: it is started again, and whoever asks meanwhile is told the truth."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import registry_service_pb2_grpc as registry_grpc
from tekton.v1 import system_service_pb2 as system_pb
from tekton.v1 import system_service_pb2_grpc as system_grpc
from tests.faults.running import until
from tests.support.ports import free_port
from tests.support.processes import Up

BODY: dict[str, Any] = {"component_name": "Part", "component_type": "ui", "version": "1.0.0"}


def register(up: Up, component_id: str) -> httpx.Response:
    """Register over REST."""
    return httpx.post(f"{up.url}/api/tekton/components", json=BODY | {"component_id": component_id}, timeout=20)


def get(up: Up, path: str) -> httpx.Response:
    """Ask over REST."""
    return httpx.get(up.url + path, timeout=20)


def restarts(up: Up, part: str) -> float:
    """How often a part was started again, as the metrics tell it."""
    for family in text_string_to_metric_families(get(up, "/metrics").text):
        for sample in family.samples:
            if sample.name == "tekton_part_restarts_total" and sample.labels["part"] == part:
                return float(sample.value)
    raise AssertionError(f"no figure for {part}")


def test_postgresql_that_dies_is_started_again_and_reads_go_on(tmp_path: Path) -> None:
    """Reads from the view with their revision, writes 503 with Retry-After, never a "not found"; then all is well."""
    with Up(tmp_path / "data", free_port()) as up:
        up.ready()
        granted = register(up, "before").json()
        version = tmp_path / "data" / "postgres" / "PG_VERSION"
        shutil.move(version, tmp_path / "PG_VERSION")  # it cannot start before this is back
        up.child("postgres").kill()
        until(lambda: up.status() == 503)
        ready = get(up, "/api/ready").json()["error"]
        assert ready["reason"] == "unavailable" and "PostgreSQL" in ready["details"]["checks"]["database"]
        health = get(up, "/api/health")
        assert health.status_code == 200
        assert (health.json()["status"], health.json()["checks"]["database"]) == ("degraded", "failing")
        found = get(up, "/api/tekton/components/before")
        assert found.status_code == 200
        assert found.headers["tekton-revision"].endswith(f".{granted['revision']}")
        missing = get(up, "/api/tekton/components/missing")
        assert (missing.status_code, missing.json()["error"]["reason"]) == (503, "unavailable")
        refused = register(up, "during")
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
        shutil.move(tmp_path / "PG_VERSION", version)
        until(lambda: up.status() == 200)
        assert register(up, "after").status_code == 201
        assert get(up, "/api/tekton/components/missing").status_code == 404
        assert restarts(up, "database") == 1
        assert "PostgreSQL ended unexpectedly (killed by signal 9" in up.text and "PostgreSQL runs again" in up.text
        assert "Traceback" not in up.text
        assert up.stop() == 0


def test_leases_outlive_a_restart_of_postgresql(tmp_path: Path) -> None:
    """A component that goes on beating is ready before, during and after."""
    with Up(tmp_path / "data", free_port()) as up:
        up.ready()
        granted = register(up, "alive").json()
        path = "/api/tekton/components/alive/heartbeat"
        beat = {"instance_uuid": granted["instance_uuid"], "state": "ready"}
        assert httpx.post(up.url + path, json=beat).json()["status"] == "ready"
        up.child("postgres").kill()
        until(lambda: restarts(up, "database") == 1)
        assert httpx.post(up.url + path, json=beat, timeout=20).json()["status"] == "ready"
        assert get(up, "/api/tekton/components/alive").json()["status"] == "ready"
        assert up.stop() == 0


def test_envoy_that_dies_is_started_again_and_direct_calls_go_on(tmp_path: Path) -> None:
    """While it cannot start it is tried again, and the direct port says what is wrong."""
    direct = free_port()
    with Up(tmp_path / "data", free_port(), "--grpc-port", str(direct)) as up:
        up.ready()
        register(up, "before")
        with grpc.insecure_channel(f"127.0.0.1:{direct}") as channel:
            system = system_grpc.SystemServiceStub(channel)
            registry = registry_grpc.RegistryServiceStub(channel)
            directory = tmp_path / "data" / "gateway"
            directory.chmod(0o755)  # it does not start where others could reach its admin socket
            up.child("envoy").kill()

            def down() -> bool:
                return system.Health(system_pb.HealthRequest()).checks["gateway"] == "failing"

            until(down)
            with pytest.raises(grpc.RpcError) as told:
                system.Ready(system_pb.ReadyRequest())
            assert told.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "the gateway (Envoy)" in str(told.value.details())
            assert registry.GetComponent(registry_pb.GetComponentRequest(component_id="before")).component_id
            assert up.status() is None
            directory.chmod(0o700)
            until(lambda: up.status() == 200)
        assert get(up, "/api/tekton/components/before").status_code == 200
        assert restarts(up, "gateway") == 1
        assert up.stop() == 0


def test_a_listener_that_is_gone_is_opened_again(tmp_path: Path) -> None:
    """Somebody tidies the sockets away: new connections work again within seconds."""
    with Up(tmp_path / "data", free_port()) as up:
        up.ready()
        register(up, "before")
        (tmp_path / "data" / "gateway" / "server.sock").unlink()
        up.until("the server's listener runs again")
        assert (tmp_path / "data" / "gateway" / "server.sock").is_socket()
        until(lambda: get(up, "/api/tekton/components/before").status_code == 200)
        assert restarts(up, "api") == 1
        assert up.stop() == 0
