"""A `tekton up` for fault tests: short leases, both ports, and its processes and its database within reach."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tekton_server.storage.embedded import ConnectParams
from tests.faults.load import Where
from tests.support.ports import free_port
from tests.support.processes import Up, environment

INTERVAL, TIMEOUT = 0.5, 3.0


class Faulty:
    """One data directory and two ports, on which `tekton up` is run, perhaps more than once."""

    def __init__(self, directory: Path, *options: str, timeout: float = TIMEOUT, interval: float = INTERVAL) -> None:
        self.directory = directory
        self.where = Where(free_port(), free_port())
        self._options = ("--grpc-port", str(self.where.direct), *options)
        terms = {"heartbeat_interval": interval, "heartbeat_timeout": timeout}
        self._config = directory / "tekton.json"
        self._config.write_text(json.dumps({"tekton": {"components": terms}}))

    @contextmanager
    def up(self, failpoints: str = "") -> Iterator[Up]:
        """Run it. What it said is printed, for the report of a test that fails."""
        more = {"TEKTON_FAILPOINTS": failpoints} if failpoints else {}
        env = environment(self.directory, TEKTON_CONFIG_FILE=str(self._config), **more)
        with Up(self.directory / "d", self.where.gateway, *self._options, env=env) as up:
            try:
                yield up
            finally:
                print(up.text)

    @property
    def dsn(self) -> str:
        """The database that belongs to the data directory, while it runs."""
        # The fifth line of the file that PostgreSQL keeps about itself is the directory of its socket.
        lines = (self.directory / "d" / "postgres" / "postmaster.pid").read_text().splitlines()
        return ConnectParams(lines[4]).dsn()


def until(holds: Callable[[], bool], deadline: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + deadline
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def stopped(process: psutil.Process) -> bool:
    """Whether a process was stopped by a signal."""
    return process.status() == psutil.STATUS_STOPPED


@contextmanager
def suspended(process: psutil.Process) -> Iterator[None]:
    """Stop a process and its children for a while."""
    everything = [process, *process.children()]
    for one in everything:
        one.suspend()
    try:
        yield
    finally:
        for one in everything:
            one.resume()
