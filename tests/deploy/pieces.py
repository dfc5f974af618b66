"""The services of docker-compose.yml as processes of this machine."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.deploy import composed
from tests.support.ports import free_port
from tests.support.processes import TEKTON, environment, run


class Piece:
    """One `tekton` process, whose lines can be waited for."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], home: Path) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [TEKTON, *command],
            env=environment(home) | env,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Piece:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def until(self, words: str) -> Piece:
        """Wait until it says so."""
        with self._news:
            self._news.wait_for(lambda: self.said(words) or not self._reader.is_alive(), 30)
        assert self.said(words), self.lines
        return self

    def said(self, words: str) -> bool:
        return any(words in line for line in self.lines)

    def kill(self) -> None:
        """As a machine that goes down would."""
        self.process.kill()
        self.ended()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """As a container runtime does; give the exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self, within: float = 15) -> int:
        """Wait for its end; give the exit code."""
        code = self.process.wait(within)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


class Deployment:
    """The services of docker-compose.yml, with this machine's addresses in place of the containers'."""

    def __init__(self, database: str, home: Path) -> None:
        self.home = home
        self.database = database
        self.services = composed.services()
        self.port, self.server_port = free_port(), free_port()
        self.password = home / "password"
        self.password.write_text("no matter: this PostgreSQL asks the system who calls\n")
        self.url = f"http://127.0.0.1:{self.port}"

    def of(self, name: str, server_port: int | None = None) -> tuple[list[str], dict[str, str]]:
        """Give the command and the environment of a service."""
        port = str(server_port or self.server_port)
        return self.services[name].mapped(
            {
                "postgresql://tekton@postgres:5432/tekton": self.database,
                "/run/secrets/database_password": str(self.password),
                "0.0.0.0": "127.0.0.1",
                "server:8011": f"127.0.0.1:{port}",
                "8011": port,
                "8010": str(self.port),
            }
        )

    def start(self, name: str, server_port: int | None = None, more: Sequence[str] = ()) -> Piece:
        """Run a service that goes on, and wait until it says that it runs."""
        command, env = self.of(name, server_port)
        return Piece([*command, *more], env, self.home).until("runs at")

    def run(self, *arguments: str, name: str = "migrate") -> subprocess.CompletedProcess[str]:
        """Run a service that ends."""
        command, env = self.of(name)
        return run(*command, *arguments, env=environment(self.home) | env, cwd=self.home)

    def probe(self, address: str) -> int:
        """Run the health check of a container."""
        return run("probe", "--address", address, env=environment(self.home), cwd=self.home).returncode

    def until(self, status: int, path: str = "/api/ready") -> httpx.Response:
        """Wait until the gateway answers with a status."""
        deadline = time.monotonic() + 15
        while True:
            try:
                answer = httpx.get(self.url + path, timeout=5)
                if answer.status_code == status:
                    return answer
            except httpx.TransportError:
                answer = None
            assert time.monotonic() < deadline, answer and answer.text
            time.sleep(0.02)
