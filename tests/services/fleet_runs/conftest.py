"""A control plane without processes behind it, and a components.json whose components do what the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster
from tests.support.starter import FakeStarter


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane on which no lease ends: who is started here does not beat."""
    async with control_plane(cluster.new_database(), tmp_path_factory.mktemp("fleet"), timeout=600) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(plane: ControlPlane) -> AsyncIterator[Stubs]:
    """Stubs on the gateway."""
    async with stubs(plane.gateway) as opened:
        yield opened


@pytest.fixture
def fleet(plane: ControlPlane) -> FakeStarter:
    """An empty components.json."""
    starter = FakeStarter(plane.app.live)
    plane.app.live.fleet.use(starter)
    return starter
