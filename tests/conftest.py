"""Fixtures of real parts: one PostgreSQL for the run, a database for each module, a real server, the real Envoy."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from xdist.scheduler import LoadFileScheduling

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.postgres import Cluster, running_cluster

# A run in the background may ignore them, and so would every command that a test starts and ends by one.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

# What loads the whole machine.
FAULTS = "tests/faults/"


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Has one worker run a file, and one run all the faults: of those never two at once."""

    def _split_scope(self, nodeid: str) -> str:
        return FAULTS if nodeid.startswith(FAULTS) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    """Use that scheduler in the place of its base."""
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the faults, as they take one worker the longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(FAULTS))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One PostgreSQL for the whole run, in a process of its own event loop's thread."""
    with running_cluster(tmp_path_factory.mktemp("pg")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tekton(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane for the module: a server on a direct port and behind the real Envoy, with short leases.

    Leases last 2 s and are to be renewed every 0.5 s.
    """
    async with control_plane(cluster.new_database(), tmp_path_factory.mktemp("tekton")) as running:
        yield running


@pytest.fixture
def short_tmp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary directory whose path is short enough for sockets."""
    return tmp_path_factory.mktemp("t")
