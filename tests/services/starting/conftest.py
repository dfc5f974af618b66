"""A control plane with a fleet to launch, of which each test leaves nothing running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane
from tests.support.launched import launch, launching, left
from tests.support.postgres import Cluster

DEAF = "trap 'echo signalled' TERM; echo deaf; while :; do sleep 0.05; done"

FLEET = {
    "notes": launch(),
    "other-notes": launch(),
    "absent": launch("/no/such/program"),
    "brief": launch("sh", "-c", "echo I am ill >&2; exit 3"),
    "deaf": launch("sh", "-c", DEAF),
    "slow": launch(startup_timeout=0.6),
    "forking": launch("sh", "-c", "sleep 1000 & exit 0", stop_timeout=1),
    "around": {**launch(), "dependencies": ["about"]},
    "about": {**launch(), "dependencies": ["around"]},
    "above": {**launch(), "dependencies": ["about"]},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with a fleet to launch."""
    home, needs = tmp_path_factory.mktemp("fleet"), {"plain": ["notes"], "above": ["notes"]}
    async with launching(cluster.new_database(), home, FLEET, timeout=5.0, dependencies=needs) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tekton: ControlPlane) -> AsyncIterator[Stubs]:
    """Stubs on the server's own port."""
    async with stubs(tekton.direct) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """REST through the gateway."""
    kind = {"content-type": "application/json"}
    async with httpx.AsyncClient(base_url=tekton.http, timeout=30, headers=kind) as client:
        yield client


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def clean(tekton: ControlPlane) -> AsyncIterator[None]:
    """Each test leaves nothing running."""
    yield
    lifecycle = tekton.app.live.lifecycle
    active = [one.component_id for one in tekton.app.live.view.launches.values() if one.active]
    await asyncio.gather(*(lifecycle.stop(one, force=True, timeout=0) for one in active))
    assert left(tekton.settings.data_path) == []
