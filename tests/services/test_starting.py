"""Start, stop and restart, over gRPC and REST: as documented, idempotent, and telling what is in the way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.support.client import Stubs, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.launched import kill_all, launch, left, write_fleet
from tests.support.postgres import Cluster

COMPONENTS = "/api/tekton/components"
FLEET = {
    "notes": launch(),
    "other-notes": launch(),
    "absent": launch("/no/such/program"),
    "brief": launch("sh", "-c", "echo I am ill >&2; exit 3"),
    "stubborn": launch("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"),
    "slow": launch(startup_timeout=0.5),
    "parent": launch("sh", "-c", "sleep 1000 & sleep 1000"),
    "round": {**launch(), "dependencies": ["about"]},
    "about": {**launch(), "dependencies": ["round"]},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane with a fleet to launch."""
    home = tmp_path_factory.mktemp("fleet")
    data = home / "d"
    try:
        async with control_plane(cluster.new_database(), data, fleet=write_fleet(home / "f", FLEET)) as running:
            yield running
    finally:
        kill_all(data)


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


async def test_a_start_and_a_stop_are_answered_as_printed(http: httpx.AsyncClient, tekton: ControlPlane) -> None:
    """Each a superset of the documented reply; both again change nothing and say so."""
    first = (await http.post(f"{COMPONENTS}/notes/start")).raise_for_status().json()
    assert (first["success"], first["message"]) == (True, "Component starting")
    again = (await http.post(f"{COMPONENTS}/notes/start", json={})).raise_for_status().json()
    assert (again["instance_uuid"], again["already_running"]) == (first["instance_uuid"], True)
    assert again["message"] == "Component is already running"
    shown = (await http.get(f"{COMPONENTS}/notes/status")).raise_for_status().json()
    assert shown["status_detail"]["phase"] == "running" and shown["status_detail"]["epoch"] == 1
    order = {"instance_uuid": first["instance_uuid"], "force": False, "timeout": 30}
    stopped = (await http.post(f"{COMPONENTS}/notes/stop", json=order)).raise_for_status().json()
    assert (stopped["success"], stopped["message"]) == (True, "Component stopped successfully")
    assert [one["outcome"] for one in stopped["instances"]] == ["stopped"]
    idle = (await http.post(f"{COMPONENTS}/notes/stop", json={})).raise_for_status().json()
    assert (idle["success"], idle["message"]) == (True, "Component was not running")
    assert left(tekton.settings.data_path) == []
