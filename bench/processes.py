"""The two sides as processes: a control plane as users run it, and the bare server."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from bench.load import Target

HOST = "127.0.0.1"
START_DEADLINE = 60.0
STOP_DEADLINE = 15.0
# No lease ends by itself during a run.
UNENDING = {"heartbeat_interval": 600, "heartbeat_timeout": 3600}
_SAMPLE = re.compile(r"^(\w+)(?:\{.*\})? (\S+)$")


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def busy_seconds() -> float:
    """Give the CPU seconds that the whole machine has worked so far, what was stolen from a virtual one included."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


class Process:
    """A child of the benchmark. As a context manager it ends with the block."""

    def __init__(self, command: list[str], log: Path, *, stdin: str | None = None) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEKTON_", "PG"))}
        self._log = log
        with log.open("ab") as errors:
            self.popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdin is not None else errors,
                stderr=errors,
                env=kept,
                start_new_session=True,
                text=True,
            )
        if stdin is not None and self.popen.stdin:
            self.popen.stdin.write(stdin + "\n")
            self.popen.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it in good order, or by force."""
        self.popen.terminate()
        try:
            self.popen.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            family = psutil.Process(self.popen.pid).children(recursive=True)
            self.popen.kill()
            self.popen.wait(STOP_DEADLINE)
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()

    def parts(self) -> dict[str, list[psutil.Process]]:
        """Give its processes by what they do: server, gateway, database."""
        found: dict[str, list[psutil.Process]] = {"server": [psutil.Process(self.popen.pid)]}
        for child in found["server"][0].children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                part = "gateway" if child.name() == "envoy" else "database"
                found.setdefault(part, []).append(child)
        return found

    def cpu(self) -> dict[str, float]:
        """Give the CPU seconds of each part so far."""
        return {part: sum(_cpu(one) for one in members) for part, members in self.parts().items()}

    def memory(self) -> dict[str, int]:
        """Give the resident bytes of each part; of PostgreSQL's processes without what they share."""
        return {part: sum(_memory(one) for one in members) for part, members in self.parts().items()}

    def said(self) -> str:
        """Give the end of its log."""
        return self._log.read_text(errors="replace")[-2000:]


class Bare(Process):
    """The bare server, which answers with the given bytes."""

    def __init__(self, directory: Path, replies: dict[str, bytes]) -> None:
        line = json.dumps({name: data.hex() for name, data in replies.items()})
        super().__init__([sys.executable, "-m", "bench.bare"], directory / "bare.log", stdin=line)
        assert self.popen.stdout is not None
        first = self.popen.stdout.readline()
        if not first:
            raise RuntimeError(f"the bare server did not start: {self.said()}")
        told = json.loads(first)
        self.grpc = Target(HOST, told["port"])
        self.rest = Target(HOST, told["gateway"])


class Tekton(Process):
    """`tekton up` with a data directory of its own and a direct gRPC port."""

    def __init__(self, directory: Path, *, profile: Path | None = None, leases: Mapping[str, float] = UNENDING) -> None:
        directory.mkdir(exist_ok=True)
        self.grpc, self.rest = Target(HOST, free_port()), Target(HOST, free_port())
        config = directory / "tekton.json"
        # What is kept of the last hour fills for an hour, and would look like a leak in a soak.
        config.write_text(json.dumps({"tekton": {"components": dict(leases), "monitoring": {"history": 60}}}))
        program = [str(Path(sys.executable).with_name("tekton"))]
        if profile is not None:
            program = [sys.executable, "-m", "bench.sampler", str(profile)]
        ports = ["--port", str(self.rest.port), "--grpc-port", str(self.grpc.port)]
        options = ["--data-dir", str(directory / "data"), "--config", str(config), *ports]
        began = time.monotonic()
        super().__init__([*program, "up", *options], directory / "tekton.log")
        try:
            self._until_ready(began)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - began

    def _until_ready(self, began: float) -> None:
        while self._status() != 200:
            if self.popen.poll() is not None or time.monotonic() - began > START_DEADLINE:
                raise RuntimeError(f"tekton up did not start: {self.said()}")
            time.sleep(0.02)

    def _status(self) -> int | None:
        try:
            return self.get("/api/ready")[0]
        except (OSError, http.client.HTTPException):
            return None

    def get(self, path: str) -> tuple[int, bytes]:
        """Make one GET through the gateway."""
        with contextlib.closing(http.client.HTTPConnection(self.rest.host, self.rest.port, timeout=10)) as connection:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read()

    def metrics(self) -> dict[str, float]:
        """Read its own figures; of those with labels, the sum."""
        found: dict[str, float] = {}
        for line in self.get("/metrics")[1].decode().splitlines():
            if sample := _SAMPLE.match(line):
                found[sample[1]] = found.get(sample[1], 0.0) + float(sample[2])
        return found


def _cpu(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _memory(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        if process.name() == "postgres":
            info = process.memory_info()
            return int(info.rss - info.shared)
        return int(process.memory_info().rss)
    return 0
