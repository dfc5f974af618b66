"""Request ids: each call has a name, its caller's own where that is well-formed, by which the log tells of it."""

from __future__ import annotations

import json
import logging
from typing import Any
from uuid import UUID

import httpx
import pytest
from grpc import aio

from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import system_service_pb2 as system_pb
from tests.support.client import new_id, refused, registration, stubs
from tests.support.control_plane import ControlPlane

ID = "x-request-id"
BAD = ("", "two words", 'quoted"', "a" * 129, "semi;colon", "über", "one,two")
GOOD = ("a", "a" * 128, "6f1c2d3e-0000-4000-8000-000000000001", "Root=1-67891233:abc_def.~/+@")


async def test_over_rest_a_caller_gets_its_own_id_back(tekton: ControlPlane) -> None:
    """On success, on a failure of the server, and where the gateway alone answers."""
    async with httpx.AsyncClient(base_url=tekton.http) as client:
        for path, status in (("/api/health", 200), (f"/api/tekton/components/{new_id()}", 404), ("/nowhere", 404)):
            for name in GOOD:
                answer = await client.get(path, headers={ID: name})
                assert (answer.status_code, answer.headers.get_list(ID)) == (status, [name])


async def test_over_rest_a_call_without_an_id_gets_one(tekton: ControlPlane) -> None:
    """The gateway makes it."""
    async with httpx.AsyncClient(base_url=tekton.http) as client:
        answers = [await client.get(path) for path in ("/api/health", "/api/health", "/nowhere")]
    assert len({UUID(answer.headers[ID]) for answer in answers}) == 3


async def test_over_rest_what_is_no_id_is_replaced(tekton: ControlPlane) -> None:
    """It would not fit into a line of the log."""
    async with httpx.AsyncClient(base_url=tekton.http) as client:
        for path in ("/api/health", "/nowhere"):
            found = [(await client.get(path, headers={ID: name.encode()})).headers.get_list(ID) for name in BAD]
            assert not {name for (name,) in found} & set(BAD) and len({name for (name,) in found}) == len(BAD)


@pytest.mark.parametrize("way", ["direct", "gateway"])
async def test_over_grpc_a_caller_gets_its_own_id_back(tekton: ControlPlane, way: str) -> None:
    """With the trailers, of calls that succeed, of those that fail, and of streams."""
    async with stubs(getattr(tekton, way)) as api:
        for name in GOOD:
            call = api.registry.RegisterComponent(registration(), metadata=((ID, name),))
            await call
            assert _of(await call.trailing_metadata()) == [name]
        request = registry_pb.GetComponentRequest(component_id=new_id())
        with pytest.raises(aio.AioRpcError) as caught:
            await api.registry.GetComponent(request, metadata=((ID, "mine"),))
        assert _of(caught.value.trailing_metadata()) == ["mine"]
        watch = api.registry.WatchRegistry(
            registry_pb.WatchRegistryRequest(after_revision="nonsense"), metadata=((ID, "mine"),)
        )
        with pytest.raises(aio.AioRpcError):
            await watch.read()
        assert _of(await watch.trailing_metadata()) == ["mine"]


async def test_over_grpc_what_is_no_id_is_replaced(tekton: ControlPlane) -> None:
    """As over REST."""
    async with stubs(tekton.direct) as api:
        for name in BAD:
            if not name.isascii():
                continue  # gRPC itself refuses it
            call = api.system.Health(_health(), metadata=((ID, name),))
            await call
            (found,) = _of(await call.trailing_metadata())
            assert UUID(found)


async def test_over_grpc_a_call_is_named_once_there_is_something_to_tell(tekton: ControlPlane) -> None:
    """A failure is; a success that nobody named and nobody wrote of would only pay for it."""
    async with stubs(tekton.direct) as api:
        call = api.system.Health(_health())
        await call
        assert _of(await call.trailing_metadata()) == []
        with pytest.raises(aio.AioRpcError) as caught:
            await api.registry.GetComponent(registry_pb.GetComponentRequest(component_id=new_id()))
        assert UUID(_of(caught.value.trailing_metadata())[0])


async def test_a_fault_is_answered_and_logged_under_the_id_of_the_call(
    tekton: ControlPlane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One id in the header, in the body, and in the log."""

    async def fault() -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(tekton.app.live, "confirm", fault)
    async with httpx.AsyncClient(base_url=tekton.http) as client:
        answer = await client.get(f"/api/tekton/components/{new_id()}", headers={ID: "look-for-this"})
    assert answer.status_code == 500 and answer.headers[ID] == "look-for-this"
    assert answer.json()["error"]["details"]["request_id"] == "look-for-this"
    assert "look-for-this" in next(record.getMessage() for record in caplog.records if record.exc_info)
    async with stubs(tekton.direct) as api:
        with refused("internal_error") as failure:
            request = registry_pb.GetComponentRequest(component_id=new_id())
            await api.registry.GetComponent(request, metadata=((ID, "and-this"),))
        assert json.loads(failure.details)["request_id"] == "and-this"


async def test_at_debug_the_log_tells_whose_requests_a_batch_of_the_journal_holds(
    tekton: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal has the id of the batch, the log the names of its calls."""
    caplog.set_level(logging.DEBUG, "tekton_server.live.writer")
    async with stubs(tekton.direct) as api:
        await api.registry.RegisterComponent(registration(), metadata=((ID, "writes-this"),))
    records: list[Any] = [record for record in caplog.records if "writes-this" in getattr(record, "requests", ())]
    assert len(records) == 1
    assert UUID(str(records[0].args[0]))


def _of(metadata: Any) -> list[str]:
    return [value for key, value in metadata or () if key == ID]


def _health() -> system_pb.HealthRequest:
    return system_pb.HealthRequest()
