"""A Tekton in a process of its own: a client that blocks its loop must not block the server with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.ports import free_port

INTERVAL = 0.25
TIMEOUT = 1.2
_START_WITHIN = 30.0
_RUN = "from tekton_server.cli import main; main()"


class ServerProcess:
    """`tekton up` on a free port; it can be stopped, killed and started again on the same port and database."""

    host = "127.0.0.1"

    def __init__(self, database_url: str, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self.database_url = database_url
        self._process: subprocess.Popen[bytes] | None = None
        terms = {"heartbeat_interval": INTERVAL, "heartbeat_timeout": TIMEOUT}
        self._config = directory / "tekton.json"
        self._config.write_text(json.dumps({"tekton": {"components": terms}}))

    @property
    def http(self) -> str:
        """The base URL of the REST paths."""
        return f"http://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find this server and the packages of this checkout."""
        paths = os.pathsep.join(path for path in sys.path if path)
        return os.environ | {"TEKTON_HOST": self.host, "TEKTON_PORT": str(self.port), "PYTHONPATH": paths}

    def start(self) -> None:
        """Start and wait until it serves."""
        arguments = ["up", "--port", str(self.port), "--data-dir", str(self._directory / "data")]
        arguments += ["--database-url", self.database_url, "--config", str(self._config)]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _RUN, *arguments], stdout=log, stderr=log, env=self.environment
            )
        give_up = time.monotonic() + _START_WITHIN
        while not self._ready():
            assert self._process.poll() is None, (self._directory / "log").read_text()
            assert time.monotonic() < give_up, (self._directory / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End without a word."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.http}/api/ready", trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


@contextmanager
def running_server(database_url: str, directory: Path) -> Iterator[ServerProcess]:
    """Run a server."""
    server = ServerProcess(database_url, directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()
