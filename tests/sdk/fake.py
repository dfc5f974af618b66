"""A Tekton that says what a test wants on the heartbeat stream, and keeps what it hears. It has a thread of its own."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from grpc import aio

from tekton.client import TektonClient
from tekton.v1 import component_pb2, registry_service_pb2, registry_service_pb2_grpc
from tekton.v1 import heartbeat_service_pb2 as pb
from tekton.v1 import heartbeat_service_pb2_grpc as heartbeat_grpc
from tests.sdk.fleet import component

Register = registry_service_pb2.RegisterComponentRequest
Registered = registry_service_pb2.RegisterComponentResponse
BatchResult = registry_service_pb2.BatchRegisterComponentsResponse.Result
HISTORY = "0badcafe"
READY = component_pb2.ComponentState.ready


class FakeTekton(heartbeat_grpc.HeartbeatServiceServicer, registry_service_pb2_grpc.RegistryServiceServicer):
    """Registers everybody, welcomes and acknowledges everything. `heard` is what came, with when it came."""

    def __init__(self, interval: float, timeout: float) -> None:
        self.terms = component_pb2.Lease(interval_seconds=interval, timeout_seconds=timeout)
        self.port = 0
        self.heard: list[tuple[float, pb.ConnectRequest]] = []
        self.registered: list[Register] = []
        self.waiting: list[component_pb2.Command] = []
        self.refused: set[str] = set()
        self._numbers = itertools.count(1)
        self._out: asyncio.Queue[pb.ConnectResponse] = asyncio.Queue()
        self._loop = asyncio.new_event_loop()

    # What a test asks for, from its own thread.

    def say(self, **message: Any) -> None:
        """Say something on the newest stream."""
        self._loop.call_soon_threadsafe(self._out.put_nowait, pb.ConnectResponse(**message))

    def command(self, kind: str, instance_uuid: str, command_id: str = "c1", **fields: Any) -> None:
        """Give a command."""
        self.say(command=order(kind, instance_uuid, command_id, **fields))

    def all(self, kind: str) -> list[Any]:
        """Everything of a kind that was heard."""
        return [getattr(message, kind) for _, message in self.heard if message.WhichOneof("message") == kind]

    async def until(self, holds: Callable[[], Any], within: float = 5.0) -> Any:
        """Wait until something holds, and give it."""
        give_up = time.monotonic() + within
        while not (found := holds()):
            assert time.monotonic() < give_up, self.heard[-5:]
            await asyncio.sleep(0.01)
        return found

    async def answers(self, *expected: tuple[str, bool]) -> None:
        """Wait until commands were answered so, in this order."""
        await self.until(lambda: len(self.all("command_ack")) >= len(expected))
        assert [(ack.command_id, ack.accepted) for ack in self.all("command_ack")] == list(expected)

    # What it serves, on its thread.

    async def RegisterComponent(self, request: Register, context: Any) -> Registered:
        return Registered(**self._grant(request))

    async def BatchRegisterComponents(
        self, request: registry_service_pb2.BatchRegisterComponentsRequest, context: Any
    ) -> registry_service_pb2.BatchRegisterComponentsResponse:
        results = [BatchResult(**self._grant(one)) for one in request.components]
        return registry_service_pb2.BatchRegisterComponentsResponse(results=results)

    def _grant(self, request: Register) -> dict[str, Any]:
        self.registered.append(request)
        return {
            "success": True,
            "component_id": request.component_id,
            "instance_uuid": request.instance_uuid,
            "fencing_token": f"{HISTORY}.{next(self._numbers)}",
            "lease": self.terms,
            "created": True,
        }

    async def SendHeartbeat(self, request: pb.SendHeartbeatRequest, context: Any) -> pb.SendHeartbeatResponse:
        return pb.SendHeartbeatResponse(success=True, status=READY, commands=self.waiting)

    async def Connect(
        self, requests: AsyncIterator[pb.ConnectRequest], context: Any
    ) -> AsyncIterator[pb.ConnectResponse]:
        self._out = out = asyncio.Queue()
        reader = asyncio.create_task(self._read(requests, out))
        try:
            while True:
                yield await out.get()
        finally:
            reader.cancel()

    async def _read(self, requests: AsyncIterator[pb.ConnectRequest], out: asyncio.Queue[pb.ConnectResponse]) -> None:
        handles = itertools.count(1)
        async for request in requests:
            self.heard.append((time.monotonic(), request))
            match request.WhichOneof("message"):
                case "hello":
                    out.put_nowait(self._welcome(request.hello, handles, out))
                case "beat":
                    ack = pb.Ack(sequence=request.beat.sequence, handle=request.beat.handle, state=READY)
                    out.put_nowait(pb.ConnectResponse(ack=ack))
                case "beat_batch":
                    out.put_nowait(pb.ConnectResponse(ack=pb.Ack(sequence=request.beat_batch.sequence)))

    def _welcome(
        self, hello: pb.Hello, handles: Iterator[int], out: asyncio.Queue[pb.ConnectResponse]
    ) -> pb.ConnectResponse:
        grants = []
        for claim in hello.leases:
            if claim.instance_uuid in self.refused:
                superseded = pb.LeaseLost.REASON_SUPERSEDED
                lost = pb.LeaseLost(instance_uuid=claim.instance_uuid, reason=superseded)
                out.put_nowait(pb.ConnectResponse(lease_lost=lost))
            else:
                grants.append(pb.Grant(instance_uuid=claim.instance_uuid, handle=next(handles), state=READY))
        return pb.ConnectResponse(welcome=pb.Welcome(lease=self.terms, session_epoch=1, grants=grants))

    def run(self, started: threading.Event, stop: asyncio.Event) -> None:
        """Serve on this thread until told to stop."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started, stop))
        self._loop.close()

    async def _serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        server = aio.server()
        heartbeat_grpc.add_HeartbeatServiceServicer_to_server(self, server)
        registry_service_pb2_grpc.add_RegistryServiceServicer_to_server(self, server)
        self.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        started.set()
        await stop.wait()
        await server.stop(0)
        # What gRPC still does for the calls that were cut.
        if rest := [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
            await asyncio.wait(rest, timeout=2)

    def end(self, stop: asyncio.Event) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(stop.set)


def order(kind: str, instance_uuid: str, command_id: str = "c1", **fields: Any) -> component_pb2.Command:
    """Make a command."""
    number = component_pb2.Command.Kind.Value(f"KIND_{kind.upper()}")
    return component_pb2.Command(command_id=command_id, kind=number, instance_uuid=instance_uuid, **fields)


@contextmanager
def fake_tekton(interval: float = 0.4, timeout: float = 4.0) -> Iterator[FakeTekton]:
    """Run a fake Tekton."""
    fake, started, stop = FakeTekton(interval, timeout), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=fake.run, args=(started, stop))
    thread.start()
    try:
        assert started.wait(10)
        yield fake
    finally:
        fake.end(stop)
        thread.join(10)


async def registered(client: TektonClient) -> tuple[str, str]:
    """Register a component; gives its id and its instance."""
    registration = component()
    result = await client.register_component(registration)
    assert result.instance_uuid is not None
    return registration.component_id, result.instance_uuid


async def dropped(client: TektonClient) -> None:
    """Close a client of a fake without the goodbye, which that does not answer."""
    for lease in client._heart.leases.active():
        client._heart.release(lease)
    client._heartbeats.clear()
    await client.close()
