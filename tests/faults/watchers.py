"""Ways to watch Tekton that record what they are told, one connection long; each gives the token to resume from."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
from grpc import aio

from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tests.faults.callers import OPTIONS
from tests.faults.history import Watch
from tests.support.client import Stubs

Follow = Callable[[Watch, str], Awaitable[str]]
_P = registry_pb.WatchRegistryResponse


def grpc_watch(port: int) -> Follow:
    """Watch the registry over gRPC; gives the token to resume from when it ends."""

    async def follow(watch: Watch, token: str) -> str:
        events: list[tuple[int, str]] = []
        async with aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
            call = Stubs(channel).registry.WatchRegistry(registry_pb.WatchRegistryRequest(after_revision=token))
            with suppress(aio.AioRpcError):
                async for message in call:
                    if message.phase == _P.PHASE_SNAPSHOT_END:
                        await watch.began(message.revision)
                    elif message.phase == _P.PHASE_LIVE:
                        events += [(event.revision, event.key) for event in message.events]
                    if message.complete and message.resume_token:
                        await _flush(watch, events)
                        token = message.resume_token
        return token

    return follow


def state_watch(port: int) -> Follow:
    """Watch state changes over gRPC."""

    async def follow(watch: Watch, token: str) -> str:
        events: list[tuple[int, str]] = []
        async with aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
            call = Stubs(channel).lifecycle.WatchStates(lifecycle_pb.WatchStatesRequest(after_revision=token))
            with suppress(aio.AioRpcError):
                async for message in call:
                    if message.reset or not token:
                        await watch.began(message.revision)
                    for one in message.changes:
                        state = pb.ComponentState.Value.Name(one.new_state)
                        events.append((one.revision, f"{one.instance_uuid} {state}"))
                    if message.resume_token:
                        await _flush(watch, events)
                        token = message.resume_token
        return token

    return follow


def sse_watch(url: str) -> Follow:
    """Watch the registry as a browser does, with Last-Event-ID."""

    async def follow(watch: Watch, token: str) -> str:
        headers = {"Last-Event-ID": token} if token else {}
        events: list[tuple[int, str]] = []
        path, name, last = f"{url}/events/tekton/registry", "", ""
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(timeout=None) as http, http.stream("GET", path, headers=headers) as stream:
                if stream.status_code != httpx.codes.OK:
                    return token
                async for line in stream.aiter_lines():
                    word, _, value = line.partition(": ")
                    if word == "id":
                        last = value
                    elif word == "event":
                        name = value
                    elif word == "data":
                        data: dict[str, Any] = json.loads(value)
                        if name == "snapshot_end":
                            await watch.began(int(data["revision"]))
                        elif name == "registry":
                            events.append((int(data["revision"]), data["key"]))
                    elif not line and last:
                        await _flush(watch, events)
                        token, last = last, ""
        return token

    return follow


async def _flush(watch: Watch, events: list[tuple[int, str]]) -> None:
    """Record what is complete, a revision at a time; a revision that a cut left incomplete comes again as a whole."""
    while events:
        revision = events[0][0]
        keys = tuple(key for one, key in events if one == revision)
        del events[: len(keys)]
        await watch.saw(revision, keys)
