"""A fleet for each test, after which nothing of it may be left running."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tekton_server.host.running import kill_left_behind
from tests.host.fleet import Fleet

if sys.platform != "linux":
    collect_ignore_glob = ["test_*"]


@pytest_asyncio.fixture(loop_scope="module")
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """A launcher on a directory of its own."""
    made = Fleet(tmp_path)
    yield made
    made.launcher.close()
    left = made.left()
    for one in made.known if left else ():
        kill_left_behind(one.instance_uuid)
    assert left == [], "the test left processes behind"


@pytest.fixture
def executable(tmp_path: Path) -> Path:
    """A file that may be executed, to be written into."""
    path = tmp_path / "program"
    path.touch(0o755)
    return path
