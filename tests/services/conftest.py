"""Stubs on the server's own port, and on the gateway's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def direct(tekton: ControlPlane) -> AsyncIterator[Stubs]:
    """Stubs on the server's own port."""
    async with stubs(tekton.direct) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["direct", "gateway"])
async def api(tekton: ControlPlane, request: pytest.FixtureRequest) -> AsyncIterator[Stubs]:
    """Stubs on the server's own port, then on the gateway's: stock gRPC behaves alike on both."""
    async with stubs(tekton.direct if request.param == "direct" else tekton.gateway) as opened:
        yield opened
