"""Every error class, end to end: raised in a servicer, seen over gRPC and over REST, and raised by the SDK."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
import pytest_asyncio
from grpc import aio

from tekton.client import TektonClient
from tekton.core.errors import ALL, BY_REASON, TektonError, ValidationError
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import registry_service_pb2_grpc as registry_grpc
from tekton_gateway import Envoy, GatewaySettings
from tekton_server.live.metrics import Calls
from tests.support.client import error_info, stubs
from tests.support.registry_server import registry_server

DETAILS = {"number": 5, "text": "naïve \"quoted\"\n", "list": ["a", 1, None], "violations": [
    {"field": "port", "message": "is wrong", "rule": "range"}
]}  # fmt: skip


class Raising(registry_grpc.RegistryServiceServicer):
    """Raises the class whose reason is asked for, or something that nobody expected."""

    async def GetComponent(self, request: registry_pb.GetComponentRequest, context: object) -> None:  # type: ignore[override]
        if request.component_id == "unexpected":
            raise ZeroDivisionError("secret")
        if request.component_id == "huge":
            raise ValidationError("é" * 100_000, details={"blob": "x" * 100_000})
        raise BY_REASON[request.component_id]('it said: ünï\n"quoted"', "a_component", details=DETAILS)


Raising.__abstractmethods__ = frozenset()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def raising(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, int]]:
    """A server with the real interceptors, behind the real Envoy; gives its direct target and the gateway's port."""
    folder = tmp_path_factory.mktemp("r")
    server = registry_server(Raising(), Calls())
    socket = folder / "s"
    server.add_insecure_port(f"unix:{socket}")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    gateway = await Envoy.start(GatewaySettings(upstream=socket, port=0), folder / "gw", folder / "envoy.log")
    yield f"127.0.0.1:{port}", gateway.port
    await gateway.stop()
    await server.stop(0)


REASONS = [cls.default_reason for cls in ALL]


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("way", ["direct", "gateway"])
async def test_over_grpc_it_has_its_status_and_its_details(raising: tuple[str, int], reason: str, way: str) -> None:
    """ErrorInfo carries reason, code, component and details, whichever port was asked."""
    cls = BY_REASON[reason]
    async with stubs(raising[0] if way == "direct" else f"127.0.0.1:{raising[1]}") as api:
        with pytest.raises(aio.AioRpcError) as caught:
            await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=reason))
    assert caught.value.code() is grpc.StatusCode[cls.grpc_status]
    info = error_info(caught.value)
    assert (info.reason, info.domain) == (reason, "tekton")
    assert (info.metadata["code"], info.metadata["component"]) == (str(cls.number), "a_component")
    assert json.loads(info.metadata["details"]) == DETAILS
    assert dict(caught.value.trailing_metadata() or ())["tekton-revision"] == "0123abcd.7"


@pytest.mark.parametrize("reason", REASONS)
async def test_over_rest_it_has_its_http_status_and_the_documented_body(raising: tuple[str, int], reason: str) -> None:
    """success, message, code, reason, component, details; Retry-After where a retry can help."""
    cls = BY_REASON[reason]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{raising[1]}") as http:
        reply = await http.get(f"/api/tekton/components/{reason}")
    assert reply.status_code == cls.http_status
    assert reply.json() == {
        "success": False,
        "error": {
            "message": 'it said: ünï\n"quoted"',
            "code": cls.number,
            "reason": reason,
            "component": "a_component",
            "details": DETAILS,
        },
    }
    assert ("retry-after" in reply.headers) is (cls.retry_after is not None)
    assert reply.headers["tekton-revision"] == "0123abcd.7"
    assert not [name for name in reply.headers if name.startswith(("grpc-", "tekton-error", "tekton-http"))]


# What is unavailable is tried again until the SDK's patience ends: tests/sdk has that.
@pytest.mark.parametrize("reason", [r for r in REASONS if BY_REASON[r].grpc_status != "UNAVAILABLE"])
async def test_the_sdk_raises_the_class_the_server_raised(raising: tuple[str, int], reason: str) -> None:
    """With message, code, component and details intact."""
    async with TektonClient(port=raising[1], timeout=5) as client:
        with pytest.raises(TektonError) as caught:
            await client.get_component(reason)
    assert type(caught.value) is BY_REASON[reason]
    assert caught.value.message == 'it said: ünï\n"quoted"'
    assert (caught.value.component, caught.value.details) == ("a_component", DETAILS)


async def test_what_nobody_expected_is_a_fixed_sentence_with_a_request_id(raising: tuple[str, int]) -> None:
    """The cause goes to the log, never to the caller."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{raising[1]}") as http:
        reply = await http.get("/api/tekton/components/unexpected")
    assert reply.status_code == 500 and "secret" not in reply.text
    assert reply.json()["error"]["reason"] == "internal_error" and reply.json()["error"]["details"]["request_id"]


async def test_an_error_too_large_for_metadata_is_cut_and_still_documented(raising: tuple[str, int]) -> None:
    """The gateway refuses metadata over 16 kB with a body of its own; ours never gets there."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{raising[1]}") as http:
        reply = await http.get("/api/tekton/components/huge")
    assert reply.status_code == 400 and reply.json()["error"]["reason"] == "validation_error"
    assert reply.json()["error"]["details"]["truncated"] is True
    async with stubs(raising[0]) as api:
        with pytest.raises(aio.AioRpcError) as caught:
            await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id="huge"))
    assert error_info(caught.value).reason == "validation_error"
