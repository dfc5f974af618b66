"""One embedded PostgreSQL for a test run, and databases on it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tekton_server.storage.embedded import EmbeddedPostgres

T = TypeVar("T")


class Cluster:
    """A running PostgreSQL, owned by an event loop in a thread of its own so that any test's loop may use it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, postgres: EmbeddedPostgres) -> None:
        self._loop = loop
        self._postgres = postgres
        self._numbers = itertools.count(1)

    def new_database(self) -> str:
        """Make an empty database and give its URL."""
        name = f"test_{next(self._numbers)}"
        self.call(self._postgres.create_database(name))
        return self._postgres.connection.url(name)

    def call(self, job: Coroutine[Any, Any, T]) -> T:
        """Run something on the cluster's loop."""
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(60)


@contextmanager
def running_cluster(data_dir: Path) -> Iterator[Cluster]:
    """Run a PostgreSQL in `data_dir`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="postgres")
    thread.start()
    cluster = Cluster(loop, EmbeddedPostgres(data_dir))
    try:
        cluster.call(cluster._postgres.start())
        yield cluster
        cluster.call(cluster._postgres.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
