"""One corpus, four transports: what is asked and what comes back is the same over each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.golden.answers import settled
from tests.golden.corpus import REST_ONLY, STORY, Case
from tests.golden.fleet import FLEET
from tests.golden.story import Story
from tests.golden.transports import opened
from tests.host.fleet import until
from tests.support.client import stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.launched import kill_all, write_fleet
from tests.support.postgres import Cluster

TRANSPORTS = ["rest", "grpc-direct", "grpc-gateway", "grpc-web"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRANSPORTS)
async def story(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Story]:
    """A teller over one transport to a new control plane, on which nothing expires: the revisions are the same then."""
    folder = tmp_path_factory.mktemp("golden")
    fleet = write_fleet(folder / "fleet", FLEET)
    try:
        async with (
            control_plane(cluster.new_database(), folder, timeout=600, fleet=fleet) as plane,
            opened(request.param, plane, folder) as transport,
            stubs(plane.direct) as api,
        ):
            # What can be started is seen before the story begins: that is the first revision.
            await until(lambda: plane.app.live.view.revision, lambda revision: revision == 1)
            yield Story(transport, api)
    finally:
        kill_all(folder)


@pytest.fixture(scope="module")
def answers() -> dict[str, list[Any]]:
    """What came back of each case from the transport that was first asked."""
    return {}


@pytest.mark.parametrize("case", STORY, ids=[case.name for case in STORY])
async def test_a_case_is_as_written_and_the_same_over_every_transport(
    story: Story, answers: dict[str, list[Any]], case: Case
) -> None:
    """Status, reply or error, every field of them, the revision, and of a watch each event with its token."""
    came_back = settled(await story.told(case), case.loose)
    assert came_back == answers.setdefault(case.name, came_back)


@pytest.mark.parametrize("case", REST_ONLY, ids=[case.name for case in REST_ONLY])
async def test_what_only_rest_can_say_is_refused_as_written(
    tekton: ControlPlane, tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    """In the documented body, whoever refuses it."""
    async with opened("rest", tekton, tmp_path_factory.mktemp("rest")) as transport, stubs(tekton.direct) as api:
        await Story(transport, api).told(case)
