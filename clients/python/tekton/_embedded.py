"""The control plane of a data directory, run by this process itself: the server's own code, in a thread of its own.

Here the SDK meets the server, and only when somebody asks for it: everything else of `tekton` does without.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Callable
from concurrent import futures
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tekton._channel import Target
from tekton._client import TektonClient
from tekton._heart import heart_of
from tekton._heartbeat_task import GOODBYE
from tekton._per_loop import PerLoop
from tekton.core.errors import StartupError

if TYPE_CHECKING:
    from tekton_server.embedded import Embedded

log = logging.getLogger(__name__)

HEARTBEAT_TIMEOUT = 30.0
# A little more than the server gives itself to stop. What is not gone by then goes with the process.
_STOP_WITHIN = 10.0


class _Run:
    """One run, from its start to its end. The one before it has the data directory for as long as it has not ended."""

    def __init__(self, data_dir: Path, timeout: float, before: _Run | None) -> None:
        self.started: futures.Future[Embedded] = futures.Future()
        self.ended: futures.Future[None] = futures.Future()
        self.over = False
        self._data_dir = data_dir
        self._timeout = timeout
        self._before = before
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        # A thread and a loop of its own: whatever the program's loop does, leases are judged and calls are answered.
        threading.Thread(target=self._main, name=f"tekton in {data_dir}", daemon=True).start()

    def stop(self) -> None:
        """Have it end, also while it starts; `ended` tells when it has."""
        self.over = True
        self._post(lambda: self._task.cancel() if self._task else None)

    def retime(self, timeout: float) -> None:
        """Have leases given up after so many seconds."""
        self._timeout = timeout
        self._post(lambda: self.started.result().retime(timeout) if self.started.done() else None)

    def _post(self, work: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: it has ended
            self._loop.call_soon_threadsafe(work)

    def _main(self) -> None:
        before, self._before = self._before, None
        if before is not None:
            futures.wait([before.ended])
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except asyncio.CancelledError:
            self.started.cancel()
        except BaseException as error:
            if self.started.done():
                log.error("the Tekton in %s ended by itself: %s", self._data_dir, error)
            else:
                self.started.set_exception(error)
        finally:
            self.over = True
            self.ended.set_result(None)

    async def _serve(self) -> None:
        self._task = asyncio.current_task()
        if self.over:
            raise asyncio.CancelledError
        timeout = self._timeout
        async with _server()(self._data_dir, timeout) as running:
            if self._timeout != timeout:
                running.retime(self._timeout)
            self.started.set_result(running)
            await running.wait_failed()


def _server() -> Callable[[Path, float], AbstractAsyncContextManager[Embedded]]:
    """Find the server.

    Raises:
        StartupError: it is not installed.
    """
    try:
        from tekton_server.embedded import embedded
    except ModuleNotFoundError as error:
        raise StartupError(
            f"a Tekton in this process needs the server, and {error.name} is not installed: install tekton[server], "
            "or connect to a Tekton that runs, without data_dir"
        ) from error
    return embedded


class _Seat:
    """What one event loop has of a plane: its client, and who uses it."""

    def __init__(self) -> None:
        self.holders: set[object] = set()
        self.lock = asyncio.Lock()
        self.client: TektonClient | None = None
        self.run: _Run | None = None


class EmbeddedTekton:
    """The plane of one data directory: whoever names that directory in this process shares it.

    It starts when somebody first asks for its client, and stops when the last one has released it, or the loop of the
    last one has ended, or the process does.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._seats = PerLoop(_Seat, self._left)
        self._lock = threading.Lock()
        self._run: _Run | None = None
        self._seated = 0
        self._timeout = HEARTBEAT_TIMEOUT

    @classmethod
    def of(cls, data_dir: str | os.PathLike[str]) -> EmbeddedTekton:
        """Give the plane of a data directory, however its path is written."""
        path = Path(os.path.realpath(os.path.expanduser(data_dir)))
        with _known_lock:
            return _known.setdefault(path, cls(path))

    async def client(self, holder: object) -> TektonClient:
        """Give the running loop's client, for `holder`, until that releases it. The first one starts the plane.

        Raises:
            StartupError: it cannot start: the server is not installed, the directory is in use or cannot be used.
        """
        seat = self._seats.get()
        seat.holders.add(holder)
        async with seat.lock:
            if seat.client is None or seat.run is None or seat.run.over:
                await self._leave(seat)
                await self._sit(seat)
            assert seat.client is not None
            return seat.client

    async def release(self, holder: object) -> None:
        """Do without it from now on; without anybody left it stops, and this returns once it has."""
        seat = self._seats.get()
        seat.holders.discard(holder)
        if not seat.holders:
            await self._seats.close()

    def retime(self, timeout: float) -> None:
        """Have leases given up after so many seconds without a beat; by default after 30."""
        with self._lock:
            self._timeout = timeout
            if self._run is not None:
                self._run.retime(timeout)

    async def _sit(self, seat: _Seat) -> None:
        with self._lock:
            if self._run is None or self._run.over:
                self._run = _Run(self.data_dir, self._timeout, self._run)
            seat.run = self._run
            self._seated += 1
        try:
            # A caller that gives up waiting does not take the start from the others.
            running = await asyncio.shield(asyncio.wrap_future(seat.run.started))
        except BaseException:
            await self._leave(seat)
            raise
        seat.client = TektonClient(running.socket)

    async def _leave(self, seat: _Seat) -> None:
        client, run = seat.client, seat.run
        seat.client = seat.run = None
        if client is not None:
            await client.close()
        if run is not None and (last := self._unseated()) is not None:
            last.stop()
            await asyncio.wait([asyncio.wrap_future(last.ended)], timeout=_STOP_WITHIN)

    def _unseated(self) -> _Run | None:
        """Count a seat less; gives what nobody uses any more, and nobody will."""
        with self._lock:
            self._seated -= 1
            if self._seated or self._run is None:
                return None
            self._run.over = True
            return self._run

    async def _left(self, seat: _Seat) -> None:
        async with seat.lock:
            await self._leave(seat)

    def end(self) -> None:
        """Stop it for the end of the process, whoever still uses it; its instances here say goodbye first."""
        run = self._run
        if run is None or run.over:
            return
        if run.started.done() and run.started.exception() is None:
            heart = heart_of(Target.of(run.started.result().socket))
            leases = heart.leases.active()
            for lease in leases:
                heart.leave(lease)
            futures.wait([lease.ended for lease in leases], timeout=GOODBYE)
        run.stop()
        futures.wait([run.ended], timeout=_STOP_WITHIN)


_known: dict[Path, EmbeddedTekton] = {}
_known_lock = threading.Lock()


def _forked() -> None:
    """A forked child has none of the threads: the planes are its parent's, and the directories in use."""
    global _known_lock
    _known_lock = threading.Lock()
    for plane in _known.values():
        EmbeddedTekton.__init__(plane, plane.data_dir)


def _at_exit() -> None:
    for plane in _known.values():
        plane.end()


os.register_at_fork(after_in_child=_forked)
atexit.register(_at_exit)
