"""Tekton is not running: who never reached it is told so soon, in one sentence, without the inner life of the SDK."""

from __future__ import annotations

import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
import pytest_asyncio

from tekton.client import TektonClient, UnavailableError
from tekton.v1 import registry_service_pb2 as pb
from tekton.v1.component_pb2 import Component
from tekton.v1.registry_service_pb2_grpc import RegistryServiceServicer, add_RegistryServiceServicer_to_server
from tests.sdk.fleet import component
from tests.support.ports import free_port

# Far below the timeout of a call, and far above what a try or two take.
SOON = 5.0


@pytest_asyncio.fixture
async def nowhere() -> AsyncIterator[TektonClient]:
    """A client as everybody makes it, with nobody where it looks."""
    async with TektonClient("localhost", free_port(), timeout=60.0) as client:
        yield client


CALLS: dict[str, Callable[[TektonClient], Awaitable[Any]]] = {
    "register": lambda client: client.register_component(component()),
    "read": lambda client: client.get_component("athena"),
    "find": lambda client: client.find_component("athena"),
    "watch": lambda client: anext(aiter(client.watch())),
    "watch_states": lambda client: anext(aiter(client.watch_states())),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_first_call_fails_soon(nowhere: TektonClient, call: Callable[[TektonClient], Awaitable[Any]]) -> None:
    """After connect_timeout, however long a call may take otherwise."""
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await call(nowhere)
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_the_error_is_one_sentence_that_says_where_and_what_to_do(
    call: Callable[[TektonClient], Awaitable[Any]],
) -> None:
    """And its traceback goes from the caller to the SDK: no frames of the retries, nothing that happened "during"."""
    port = free_port()
    async with TektonClient("localhost", port, connect_timeout=0.2) as client:
        with pytest.raises(UnavailableError) as caught:
            await call(client)
    assert str(caught.value) == (
        f"Tekton does not answer at localhost:{port}: is it running? "
        "Start it with `tekton up`, or set TEKTON_HOST and TEKTON_PORT to where it runs"
    )
    shown = "".join(traceback.format_exception(caught.value))
    assert "tenacity" not in shown
    assert "AioRpcError" not in shown
    assert "During handling" not in shown and "direct cause" not in shown


class Starting(RegistryServiceServicer):
    """Listens, and cannot answer so many times."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    def GetComponent(self, request: pb.GetComponentRequest, context: grpc.ServicerContext) -> Component:
        """Refuse, or answer."""
        if self.refusals:
            self.refusals -= 1
            context.set_trailing_metadata((("tekton-request-id", "1"),))
            context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        return Component(component_id=request.component_id)


@contextmanager
def _serving(servicer: Starting, port: int) -> Iterator[None]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_RegistryServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()


async def test_a_tekton_that_listens_and_is_starting_is_waited_for() -> None:
    """Somebody answers, so it is the right place: the whole timeout is there for it."""
    starting, port = Starting(2), free_port()
    with _serving(starting, port):
        async with TektonClient("127.0.0.1", port, timeout=20.0, connect_timeout=0.0) as client:
            assert (await client.get_component("athena"))["component_id"] == "athena"
    assert starting.refusals == 0


async def test_a_new_client_is_not_held_back_by_the_failures_of_an_older_one() -> None:
    """It dials for itself, so that nobody is told of a Tekton that was away a moment ago."""
    port = free_port()
    async with TektonClient("127.0.0.1", port) as older:
        with pytest.raises(UnavailableError):
            await older.get_component("athena")
        with _serving(Starting(0), port):
            async with TektonClient("127.0.0.1", port, connect_timeout=0.0) as newer:
                assert (await newer.get_component("athena"))["component_id"] == "athena"
            # And the older one dials again within the time that it has.
            assert (await older.get_component("athena"))["component_id"] == "athena"
