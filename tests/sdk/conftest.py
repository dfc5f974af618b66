"""One server for the folder, a client for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tekton.client import TektonClient, set_default_client
from tests.sdk.fake import FakeTekton, dropped, fake_tekton
from tests.sdk.server import ServerProcess, running_server
from tests.support.postgres import Cluster


@pytest.fixture(scope="session")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose leases last 1.2 s and are to be renewed every 0.25 s."""
    with running_server(cluster.new_database(), tmp_path_factory.mktemp("sdk")) as running:
        yield running


@pytest_asyncio.fixture
async def client(server: ServerProcess) -> AsyncIterator[TektonClient]:
    """A client of its own for the test."""
    async with TektonClient(server.host, server.port) as opened:
        yield opened


@pytest_asyncio.fixture
async def as_default(client: TektonClient) -> AsyncIterator[TektonClient]:
    """The test's client as the one that the documented functions use."""
    set_default_client(client)
    yield client
    set_default_client(None)


@pytest.fixture
def fake() -> Iterator[FakeTekton]:
    """A Tekton that says what the test wants, with leases of 4 s that are to be renewed every 0.4 s."""
    with fake_tekton() as running:
        yield running


@pytest_asyncio.fixture
async def faked(fake: FakeTekton) -> AsyncIterator[TektonClient]:
    """A client of the fake, as the one that the documented functions use."""
    opened = TektonClient("127.0.0.1", fake.port)
    set_default_client(opened)
    yield opened
    set_default_client(None)
    await dropped(opened)
