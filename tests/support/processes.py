"""`tekton up` as its users run it: a process of its own, read line by line, and looked for once it has ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import httpx
import psutil

TEKTON = Path(sys.executable).with_name("tekton")
READY = "Tekton is ready"


def environment(home: Path, **more: str) -> dict[str, str]:
    """Give the environment of a user who has set nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEKTON_", "PG"))}
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        kept.pop(name, None)
    return kept | {"HOME": str(home)} | more


def ended(pid: int, within: float = 10.0) -> bool:
    """Whether a process that need not be our child ends in time; the kernel wakes us, nothing is polled."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], within)[0])
    finally:
        os.close(fd)


class Up:
    """One `tekton up`. As a context manager it ends with the block, however that ends."""

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *options: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int | None = subprocess.DEVNULL,
        before: Sequence[str] = (),
        terminal: bool = False,
    ) -> None:
        self.data_dir = data_dir
        self.url = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []
        self.began = time.monotonic()
        self._family: list[psutil.Process] = []
        self._news = threading.Condition()
        command = [*before, str(TEKTON), "up", "--data-dir", str(data_dir), "--port", str(port), *options]
        output, end = os.openpty() if terminal else os.pipe()
        self._process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=end,
            stderr=end,
            env=dict(env) if env is not None else environment(data_dir.parent),
            cwd=cwd or data_dir.parent,
            start_new_session=True,
        )
        os.close(end)
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        self._reader.start()

    def __enter__(self) -> Up:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.meet_family()
            self._process.kill()
            self._process.wait(10)
        self._reader.join(5)
        for one in self._family:
            if one.is_running():
                one.kill()

    @property
    def pid(self) -> int:
        """The process id of the command itself."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def text(self) -> str:
        """Everything it has said so far."""
        return "\n".join(self.lines)

    def until(self, words: str, deadline: float = 30.0) -> str:
        """Wait for a line that holds the words, and give it."""
        with self._news:
            arrived = self._news.wait_for(lambda: self._line(words) or not self._reader.is_alive(), deadline)
        line = self._line(words)
        assert line is not None, f"{'no' if arrived else 'in time no'} line said {words!r}:\n{self.text}"
        return line

    def ready(self) -> Up:
        """Wait until it serves."""
        self.until(READY)
        self.meet_family()
        return self

    def answers(self, deadline: float = 20.0) -> Up:
        """Wait until it says that it is ready to whoever asks; for where its lines cannot be read."""
        until = time.monotonic() + deadline
        while self.status() != 200:
            assert self.running and time.monotonic() < until, self.text
            time.sleep(0.01)
        self.meet_family()
        return self

    def meet_family(self) -> None:
        """Remember the processes there are now, so that they can be looked for later."""
        try:
            parent = psutil.Process(self.pid)
            self._family = [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return

    def child(self, name: str) -> psutil.Process:
        """Find one of its own children."""
        return next(one for one in psutil.Process(self.pid).children() if one.name() == name)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        self._process.send_signal(number)

    def wait(self, deadline: float = 20.0) -> int:
        """Give its exit code once it has ended, and with it everything it started."""
        code = self._process.wait(deadline)
        self._reader.join(5)
        self.nothing_is_left()
        return code

    def stop(self, number: signal.Signals = signal.SIGINT, deadline: float = 20.0) -> int:
        """Ask it to stop, wait, and give the exit code."""
        self.meet_family()
        self.send(number)
        return self.wait(deadline)

    def leave(self, number: signal.Signals = signal.SIGINT, deadline: float = 20.0) -> int:
        """Ask it to stop, and give the exit code; what it has launched may run on."""
        self._family = []
        self.send(number)
        return self._process.wait(deadline)

    def nothing_is_left(self, deadline: float = 6.0) -> None:
        """See to it that no process of its family, and no other that works on its data directory, is alive."""
        until = time.monotonic() + deadline
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(0.02)
        assert not left, left

    def status(self, path: str = "/api/ready") -> int | None:
        """Ask for the HTTP status of a path; None where nobody answers."""
        try:
            return httpx.get(self.url + path, timeout=5).status_code
        except httpx.TransportError:
            return None

    def _left(self) -> list[psutil.Process]:
        family = [one for one in self._family if _alive(one)]
        return family + [one for one in psutil.process_iter() if one not in family and self._works_here(one)]

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return process.pid != os.getpid() and any(str(self.data_dir) in word for word in process.cmdline())
        except psutil.Error:
            return False

    def _line(self, words: str) -> str | None:
        return next((line for line in self.lines if words in line), None)

    def _read(self, output: int) -> None:
        # A terminal whose last program has left gives an error instead of an end.
        with suppress(OSError), open(output, "rb") as stream:
            for raw in stream:
                with self._news:
                    self.lines.append(raw.decode(errors="replace").rstrip("\r\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run(*arguments: str, env: Mapping[str, str], cwd: Path, deadline: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run a `tekton` command that ends by itself."""
    return subprocess.run(
        [str(TEKTON), *arguments], env=dict(env), cwd=cwd, capture_output=True, text=True, timeout=deadline
    )
