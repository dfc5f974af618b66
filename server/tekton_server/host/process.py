"""This process, as the machine sees it."""

from __future__ import annotations

import resource
import time

import psutil

from tekton_server.live.metrics import ProcessFigures

# Less than this apart, two looks at the processor time say nothing.
_APART = 1.0
# Twice as many as the gateway takes connections. The hard limit may be in the thousand millions.
_OPEN_FILES = 32_768


def raise_file_limit() -> None:
    """Let this process have more open files than the 1,024 that shells give, as Envoy does: a connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class ThisProcess:
    """Looks at the process it runs in. See live.metrics.OwnProcess."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._looked = time.monotonic() - (time.time() - self._process.create_time())
        self._cpu_seconds = 0.0
        self._cpu_percent = 0.0

    def figures(self) -> ProcessFigures:
        """Give the figures as of now."""
        with self._process.oneshot():
            times = self._process.cpu_times()
            spent = times.user + times.system
            return ProcessFigures(
                cpu_seconds=spent,
                cpu_percent=self._percent(spent),
                resident_bytes=self._process.memory_info().rss,
                memory_percent=self._process.memory_percent(),
                threads=self._process.num_threads(),
                open_files=self._process.num_fds(),
                started=self._process.create_time(),
            )

    def _percent(self, spent: float) -> float:
        # psutil's own figure is over the time since anybody asked: two who ask at once would spoil it for each other.
        now = time.monotonic()
        passed = now - self._looked
        if passed >= _APART:
            self._cpu_percent = 100 * (spent - self._cpu_seconds) / passed
            self._looked, self._cpu_seconds = now, spent
        return self._cpu_percent
