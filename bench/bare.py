"""The floor: a bare grpc.aio server that answers Tekton's RPCs with constant bytes, behind an Envoy like Tekton's.

It runs in a process of its own, as the server does; what it prints first says where it listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

from tekton_gateway import Envoy, GatewaySettings
from tekton_server import server as tekton_server

REGISTRY = "tekton.v1.RegistryService"
HEARTBEAT = "tekton.v1.HeartbeatService"

if TYPE_CHECKING:
    Methods = dict[str, grpc.RpcMethodHandler[Any, Any]]


class Bare:
    """The handlers. They take and give raw bytes."""

    def __init__(self, replies: dict[str, str]) -> None:
        self._replies = {name: bytes.fromhex(data) for name, data in replies.items()}
        self._watchers: set[asyncio.Queue[bytes]] = set()

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Give what a server serves."""
        registry: Methods = {
            "GetComponent": grpc.unary_unary_rpc_method_handler(self._constant("GetComponent")),
            "RegisterComponent": grpc.unary_unary_rpc_method_handler(self._register()),
            "Echo": grpc.unary_unary_rpc_method_handler(_echo),
            "WatchRegistry": grpc.unary_stream_rpc_method_handler(self._watch),
        }
        heartbeat: Methods = {"Connect": grpc.stream_stream_rpc_method_handler(self._connect())}
        return [
            grpc.method_handlers_generic_handler(REGISTRY, registry),
            grpc.method_handlers_generic_handler(HEARTBEAT, heartbeat),
        ]

    def _constant(self, name: str) -> Any:
        reply = self._replies.get(name, b"")

        async def answer(request: bytes, context: Any) -> bytes:
            return reply

        return answer

    def _register(self) -> Any:
        reply = self._replies.get("RegisterComponent", b"")

        async def answer(request: bytes, context: Any) -> bytes:
            for watcher in self._watchers:
                watcher.put_nowait(request)
            return reply

        return answer

    async def _watch(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        mine: asyncio.Queue[bytes] = asyncio.Queue()
        self._watchers.add(mine)
        try:
            yield b""
            while True:
                yield await mine.get()
        finally:
            self._watchers.discard(mine)

    def _connect(self) -> Any:
        reply = self._replies.get("Connect", b"")

        async def answer(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for _ in requests:
                yield reply

        return answer


async def _echo(request: bytes, context: Any) -> bytes:
    return request


async def _serve(replies: dict[str, str], directory: Path) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # The same options: what they cost is the stack's, not Tekton's.
    server = aio.server(options=tekton_server._OPTIONS)
    server.add_generic_rpc_handlers(Bare(replies).handlers())
    socket = directory / "bare.sock"
    server.add_insecure_port(f"unix:{socket}")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    settings = GatewaySettings(upstream=socket, port=0, admin=directory / "admin.sock")
    envoy = await Envoy.start(settings, work_dir=directory, log_path=directory / "envoy.log")
    print(json.dumps({"port": port, "gateway": envoy.port, "envoy": envoy.pid}), flush=True)
    await stopped.wait()
    await envoy.stop()
    await server.stop(0)


def main() -> None:
    """Serve until told to stop; the replies come as one line of JSON on stdin."""
    replies = json.loads(sys.stdin.readline())
    with tempfile.TemporaryDirectory(prefix="bare-") as name, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(replies, Path(name)))


if __name__ == "__main__":
    main()
