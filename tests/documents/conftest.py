"""The client that the printed code uses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tekton.client import TektonClient, set_default_client
from tests.support.control_plane import ControlPlane


@pytest_asyncio.fixture
async def client(tekton: ControlPlane) -> AsyncIterator[TektonClient]:
    """A client through the gateway, as the one that the documented functions use."""
    async with TektonClient(tekton.host, tekton.port) as opened:
        set_default_client(opened)
        yield opened
        set_default_client(None)
