"""A running heartbeat, as the application holds it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from tekton import _given
from tekton._commands import Command
from tekton._heart import Heart
from tekton._lease import InFlight, KeptLease, Phase
from tekton.core.lifecycle import ComponentState

log = logging.getLogger(__name__)

T = TypeVar("T")

# How long a goodbye may take, in seconds.
GOODBYE = 5.0


class HeartbeatTask:
    """Beats for one instance until `stop`, from a thread of its own: a busy event loop does not matter."""

    def __init__(self, heart: Heart, lease: KeptLease) -> None:
        self._heart = heart
        self._lease = lease

    def __repr__(self) -> str:
        return f"<HeartbeatTask {self.component_id} {self.instance_uuid} {self._lease.phase.name.lower()}>"

    @property
    def component_id(self) -> str:
        """The component."""
        return self._lease.component_id

    @property
    def instance_uuid(self) -> str:
        """The instance; another one than at first when the lease was lost and registered again."""
        return self._lease.instance_uuid

    @property
    def interval(self) -> float:
        """How often it beats, in seconds."""
        return self._lease.interval

    @property
    def last_ack(self) -> datetime | None:
        """When Tekton last confirmed that it heard this instance (UTC); None before the first time."""
        return self._lease.last_ack

    @property
    def state(self) -> str:
        """The state that Tekton last said it has recorded."""
        return self._lease.state

    @property
    def fault(self) -> Exception | None:
        """What went wrong in this process in keeping the lease; None again with the next beat that is confirmed.

        One that lasts for the timeout of the lease ends it; `on_lease_lost` is told so with the reason `fault`.
        """
        return self._lease.fault

    @property
    def running(self) -> bool:
        """Whether the lease is being kept."""
        return self._lease.phase in (Phase.HELD, Phase.LOST)

    def report(
        self,
        state: str | ComponentState | None = None,
        metrics: Mapping[str, float] | None = None,
        health: Mapping[str, str] | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        """Say something with the next beats: a state once, metrics, health and work in hand from now on.

        in_flight: how many pieces of work are in hand, or a function that gives it; as in `start_heartbeat`.

        Raises:
            ValidationError: there is no such state, a metric is no finite number, a word of health too long, or
                `in_flight` no whole number from 0.
        """
        figures = None if metrics is None else _given.figures(metrics)
        words = None if health is None else _given.words(health)
        work = _given.in_flight(in_flight)
        self._heart.report(self._lease, state=_given.state_text(state), metrics=figures, health=words, in_flight=work)

    async def stop(self) -> bool:
        """Say goodbye, so that the instance walks to `stopped`, and wait until that is recorded, 5 seconds at most.

        False when it could not be confirmed; beating ends in any case, and the instance is given up after its timeout.

        Raises:
            RuntimeError: in a forked process, to which the heartbeat does not belong.
        """
        if self._lease.ended.done():
            return True
        this = object()
        self._lease.leavers.add(this)
        try:
            self._heart.leave(self._lease)
            async with asyncio.timeout(GOODBYE):
                await asyncio.shield(asyncio.wrap_future(self._lease.ended))
        except TimeoutError:
            log.warning("the goodbye of %s was not confirmed; its lease will run out", self.component_id)
            return False
        finally:
            self._lease.leavers.discard(this)
            if not self._lease.leavers and not self._lease.ended.done():
                self._heart.release(self._lease)
        return True


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Give the running loop, if one runs."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def on_this_loop(callback: Callable[[T], object] | None) -> Callable[[T], object] | None:
    """Wrap a callback so that it runs on the running loop, if one runs, and not on the heart's thread.

    The wrapped one raises RuntimeError when that loop is closed.
    """
    loop = running_loop()
    if callback is None or loop is None:
        return callback
    return lambda told: loop.call_soon_threadsafe(callback, told)


class Shutdown:
    """Somebody who waits on the running loop to be asked to stop. `asked` is True then, False at the lease's end."""

    def __init__(self, event: asyncio.Event | threading.Event) -> None:
        self._event = event
        self._loop = asyncio.get_running_loop()
        self.asked: asyncio.Future[bool] = self._loop.create_future()

    def heard(self, command: Command | None) -> None:
        """Take a command, or the end of the lease, on the heart's thread."""
        if command is not None and isinstance(self._event, threading.Event):
            # At once: whoever waits for it need not wait for a busy loop.
            self._event.set()
        self._loop.call_soon_threadsafe(self._tell, command is not None)

    def _tell(self, asked: bool) -> None:
        if asked:
            self._event.set()
        if not self.asked.done():
            self.asked.set_result(asked)
