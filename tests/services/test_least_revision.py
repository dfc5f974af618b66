"""tekton-min-revision: what one server has told a caller, every other shows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tekton.v1 import registry_service_pb2 as registry_pb
from tests.support.client import Stubs, refused, registration, stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[ControlPlane, ControlPlane]]:
    """Two servers on one database."""
    url = cluster.new_database()
    async with (
        control_plane(url, tmp_path_factory.mktemp("a")) as one,
        control_plane(url, tmp_path_factory.mktemp("b")) as two,
    ):
        yield one, two


async def seen(api: Stubs) -> tuple[str, str]:
    """Register something; gives its id and the revision it was told."""
    request = registration(component_type="seen")
    call = api.registry.RegisterComponent(request)
    await call
    return request.component_id, str(dict(await call.trailing_metadata())["tekton-revision"])


async def test_another_server_catches_up_before_it_answers(pair: tuple[ControlPlane, ControlPlane]) -> None:
    """A list from the other server holds what was registered here, if its revision is asked for."""
    one, two = pair
    async with stubs(one.direct) as here, stubs(two.direct) as there:
        await seen(there)
        component_id, revision = await seen(here)
        asked = registry_pb.ListComponentsRequest(type="seen")
        metadata = (("tekton-min-revision", revision),)
        page = await there.registry.ListComponents(asked, metadata=metadata)
        assert component_id in [row.component_id for row in page.components]
        component_id, revision = await seen(here)
    async with httpx.AsyncClient(base_url=two.http) as http:
        reply = await http.get("/api/tekton/components?type=seen", headers={"tekton-min-revision": revision})
    assert component_id in [row["component_id"] for row in reply.json()["components"]]


async def test_a_revision_that_nobody_has_reached_is_unavailable(pair: tuple[ControlPlane, ControlPlane]) -> None:
    """Never an answer from before it."""
    async with stubs(pair[0].direct) as api:
        history = (await seen(api))[1].split(".")[0]
        asked = registry_pb.ListComponentsRequest()
        with refused("unavailable"):
            await api.registry.ListComponents(asked, metadata=(("tekton-min-revision", f"{history}.999999"),))
        with refused("compacted"):
            await api.registry.ListComponents(asked, metadata=(("tekton-min-revision", "00000000.1"),))
        with refused("validation_error") as failure:
            await api.registry.ListComponents(asked, metadata=(("tekton-min-revision", "later"),))
        assert "tekton-min-revision" in failure.message
