"""The heart: one thread per process and Tekton that keeps all leases of the process alive.

It has its own channel and never touches an event loop, so an application that blocks its loop is busy and not dead.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from functools import partial

from tekton import _forks
from tekton._channel import Target
from tekton._commands import ShutdownListener
from tekton._keeper import Keeper
from tekton._lease import Care, InFlight, KeptLease, KeptLeases
from tekton.v1 import component_pb2

log = logging.getLogger(__name__)

_NO_CARE = Care()
# A thread that wakes up later than this, in seconds, had no turn: something else held the interpreter.
_LATE = 0.05


class Heart:
    """Keeps leases. Its thread lives while there is a lease to keep; what is asked of it is posted to that thread."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.leases = KeptLeases()
        self._keeper = Keeper(target, self.leases, self._post)
        self._lock = threading.Lock()
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    # What other threads ask for.

    def keep(
        self,
        lease: KeptLease,
        *,
        care: Care = _NO_CARE,
        state: str = "",
        metrics: Mapping[str, float] | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        """Beat for a lease until it is released, seen off or lost for good."""
        lease = self.leases.add(lease)
        self._post(partial(self._keeper.keep, lease, care))
        self.report(lease, state=state, metrics=metrics, in_flight=in_flight)

    def report(
        self,
        lease: KeptLease,
        *,
        state: str = "",
        metrics: Mapping[str, float] | None = None,
        health: Mapping[str, str] | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        """Say something with the next beats: a state once, metrics, health and work in hand from now on."""
        self._post(partial(self._keeper.report, lease, state, metrics, health, in_flight))

    def hear(self, lease: KeptLease, listener: ShutdownListener) -> None:
        """Have a listener told of stop and restart commands, and of the end of the lease (None), on this thread."""
        self._post(partial(self._keeper.courier.hear, lease, listener))

    def unhear(self, lease: KeptLease, listener: ShutdownListener) -> None:
        """Have a listener told no more."""
        self._post(partial(lease.orders.unlisten, listener))

    def command(self, lease: KeptLease, message: component_pb2.Command) -> None:
        """Take a command that came with the answer to a unary beat."""
        self._post(partial(self._keeper.courier.take, lease, message))

    def release(self, lease: KeptLease) -> None:
        """Stop beating for a lease without a word."""
        self._post(partial(self._keeper.release, lease))

    def leave(self, lease: KeptLease) -> None:
        """Say goodbye for a lease; its `ended` tells when the server has recorded it."""
        self._post(partial(self._keeper.leave, lease))

    def _post(self, work: Callable[[], None]) -> None:
        _forks.check()
        with self._lock:
            self._posted.put(work)
            if self._thread is None:
                name = f"tekton heart of {self.target}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    # The thread.

    def _run(self) -> None:
        while True:
            self._work(max(0.0, self._keeper.tick_at - time.monotonic()))
            now = time.monotonic()
            if now >= self._keeper.tick_at:
                self._guarded(partial(self._keeper.tick, now))
                if self._retired():
                    return

    def _work(self, patience: float) -> None:
        wanted = time.monotonic() + patience
        try:
            self._guarded(self._posted.get(timeout=patience))
        except queue.Empty:
            late = time.monotonic() - wanted
            if late > _LATE:
                self._keeper.excuse(late)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            # One message or one lease must not stop the heart of all the others.
            log.exception("a fault in the heart of %s; it goes on", self.target)

    def _retired(self) -> bool:
        if self.leases.active():
            return False
        # Not under the lock: a channel that closes waits for its calls, and their threads post here.
        self._keeper.close()
        with self._lock:
            if self._posted.empty():
                self._thread = None
        return self._thread is None


# What a forked child has of the hearts of its parent: to let go of it would wait for threads that are not there.
_left_behind: list[Keeper] = []
_hearts: weakref.WeakValueDictionary[Target, Heart] = weakref.WeakValueDictionary()
_hearts_lock = threading.Lock()


def heart_of(target: Target) -> Heart:
    """Give this process's heart for a Tekton. It lives while somebody holds it or a lease is kept."""
    with _hearts_lock:
        heart = _hearts.get(target)
        if heart is None:
            heart = _hearts[target] = Heart(target)
        return heart


def _forked() -> None:
    """A forked child has none of the threads, and does not speak for its parent's instances."""
    global _hearts_lock
    # Whichever thread held it is not here to let go of it.
    _hearts_lock = threading.Lock()
    for heart in list(_hearts.values()):
        _left_behind.append(heart._keeper)
        Heart.__init__(heart, heart.target)


os.register_at_fork(after_in_child=_forked)
