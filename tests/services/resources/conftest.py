"""A control plane that reads its machine often, and a client of its REST paths."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.services.resources.usage import limited
from tests.support.control_plane import ControlPlane
from tests.support.postgres import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane that reads its machine five times a second, and degrades whoever uses too much for a moment."""
    folder = tmp_path_factory.mktemp("resources")
    async with limited(cluster.new_database(), folder, over_limit="degraded") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=f"{tekton.http}/api/tekton", timeout=10) as client:
        yield client
