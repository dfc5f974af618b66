"""Who is asked beside the commands."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tekton: ControlPlane) -> AsyncIterator[Stubs]:
    """Raw stubs on the direct port."""
    async with stubs(tekton.direct) as opened:
        yield opened
