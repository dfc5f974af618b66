"""One corpus, four transports: what is asked and what comes back is the same over each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tekton_server.fleet_files import Fleet
from tests.golden.answers import settled
from tests.golden.corpus import FLEET_STORY, REST_ONLY, STORY, Case
from tests.golden.fleet import FLEET
from tests.golden.story import Story
from tests.golden.transports import opened
from tests.support.client import stubs
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.launched import kill_all, write_fleet
from tests.support.postgres import Cluster

TRANSPORTS = ["rest", "grpc-direct", "grpc-gateway", "grpc-web"]


@asynccontextmanager
async def teller(cluster: Cluster, folder: Path, transport: str, fleet: Fleet | None = None) -> AsyncIterator[Story]:
    """Make a teller over one transport to a new control plane, on which nothing expires: its revisions are the same."""
    async with (
        control_plane(cluster.new_database(), folder, timeout=600, fleet=fleet) as plane,
        opened(transport, plane, folder) as channel,
        stubs(plane.direct) as api,
    ):
        yield Story(channel, api)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRANSPORTS)
async def story(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Story]:
    """A teller to a control plane that hears nothing else."""
    async with teller(cluster, tmp_path_factory.mktemp("golden"), request.param) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRANSPORTS)
async def fleet_story(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Story]:
    """A teller to one that has a fleet to launch."""
    folder = tmp_path_factory.mktemp("golden")
    try:
        async with teller(cluster, folder, request.param, write_fleet(folder / "fleet", FLEET)) as made:
            yield made
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


@pytest.mark.parametrize("case", FLEET_STORY, ids=[case.name for case in FLEET_STORY])
async def test_a_case_of_a_fleet_is_as_written_and_the_same_over_every_transport(
    fleet_story: Story, answers: dict[str, list[Any]], case: Case
) -> None:
    """In the same way."""
    came_back = settled(await fleet_story.told(case), case.loose)
    assert came_back == answers.setdefault(case.name, came_back)


@pytest.mark.parametrize("case", REST_ONLY, ids=[case.name for case in REST_ONLY])
async def test_what_only_rest_can_say_is_refused_as_written(
    tekton: ControlPlane, tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    """In the documented body, whoever refuses it."""
    async with opened("rest", tekton, tmp_path_factory.mktemp("rest")) as transport, stubs(tekton.direct) as api:
        await Story(transport, api).told(case)
