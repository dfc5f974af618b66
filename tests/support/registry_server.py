"""A server of a test's own registry, with all that is around each call."""

from __future__ import annotations

from grpc import aio

from tekton.core.ids import Token
from tekton.v1 import registry_service_pb2_grpc as registry_grpc
from tekton_server.interceptors import around
from tekton_server.live.metrics import Calls


async def _reach(token: Token) -> None:
    """Every revision is reached here."""


def registry_server(servicer: registry_grpc.RegistryServiceServicer, calls: Calls) -> aio.Server:
    """Make it, without a listener yet; `calls` are counted."""
    handlers = around(lambda: Token("0123abcd", 7), _reach, calls)
    registry_grpc.add_RegistryServiceServicer_to_server(servicer, handlers.as_server)
    return aio.server(handlers=(handlers,))
