"""Data directories with a cluster in them, and the PostgreSQL inside Tekton on one."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tekton_server.storage.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that was started and stopped once; initdb is too slow to repeat for every test."""
    data_dir = tmp_path_factory.mktemp("template") / "data"

    async def make() -> None:
        server = EmbeddedPostgres(data_dir)
        await server.start()
        await server.stop()

    asyncio.run(make())
    return data_dir


@pytest.fixture
def data_dir(template: Path, tmp_path: Path) -> Path:
    """A data directory of the test's own, with a cluster that was stopped in order."""
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory every account can reach, unlike pytest's own."""
    place = Path(tempfile.mkdtemp(prefix="tekton-test-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)
