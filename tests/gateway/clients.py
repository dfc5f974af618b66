"""How the tests reach a gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc
import httpx

from tekton_gateway import Envoy

StartGateway = Callable[..., Awaitable[Envoy]]
"""Starts a gateway with the settings given; the fixture start_gateway is one."""


def rest_client(gateway: Envoy) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=10)


def grpc_channel(gateway: Envoy) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(
        f"127.0.0.1:{gateway.port}", options=[("grpc.max_receive_message_length", 16 * 1024 * 1024)]
    )
