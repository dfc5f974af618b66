"""Watches what was launched until it serves: one that is not ready in time has failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tekton.core.backoff import full_jitter
from tekton.core.errors import ComponentNotFoundError, StartupError, TektonError, TektonTimeoutError
from tekton.core.view import Launch
from tekton_server.live.healing.hands import Hands
from tekton_server.live.lease import Clock

log = logging.getLogger(__name__)


class StartUps:
    """One watch for each launch on its way. `fair_from` gives since when nothing of ours has been in its way.

    A launch has its whole timeout from then on, and from when this server first saw it: an outage of ours, or our own
    start, is not its fault. `overdue` is told of one that had it and does not serve.
    """

    def __init__(
        self, hands: Hands, clock: Clock, fair_from: Callable[[], float], overdue: Callable[[str, Launch], None]
    ) -> None:
        self._hands = hands
        self._clock = clock
        self._fair_from = fair_from
        self._overdue = overdue
        self._watches: dict[str, tuple[int, asyncio.Task[None]]] = {}

    def follow(self, group: asyncio.TaskGroup, key: str, launch: Launch | None) -> None:
        """Watch a launch, unless that is done already; None: there is nothing to watch any more."""
        epoch, task = self._watches.get(key, (None, None))
        if launch is not None and epoch == launch.epoch and task is not None and not task.done():
            return
        if task is not None:
            task.cancel()
            del self._watches[key]
        if launch is not None:
            watch = group.create_task(self._watch(key, launch), name=f"the start of {launch.component_id}")
            self._watches[key] = (launch.epoch, watch)

    async def _watch(self, key: str, launch: Launch) -> None:
        seen, failures = self._clock(), 0
        while True:
            try:
                left = await self._left(launch, seen)
            except (StartupError, ComponentNotFoundError):
                # It ended, and its end says the rest.
                return
            except Exception as error:
                known = isinstance(error, TektonError)
                said = "the start of %s cannot be followed now: %s"
                log.info(said, launch.component_id, error, exc_info=None if known else error)
                failures += 1
                await asyncio.sleep(full_jitter(failures, base=0.25, ceiling=5.0))
                continue
            if left is None:
                return
            if left <= 0:
                self._overdue(key, launch)
                return
            await asyncio.sleep(left)

    async def _left(self, launch: Launch, seen: float) -> float | None:
        """Wait for a launch; give how many seconds it still has when its own are over, None where it serves."""
        try:
            await self._hands.ready(launch.component_id, launch.instance_uuid)
        except TektonTimeoutError:
            spec = self._hands.spec(launch.component_id)
            usual = spec.startup_timeout if spec is not None else 0.0
            timeout = max(usual, await self._hands.asked_for(launch))
            return max(seen, self._fair_from()) + timeout - self._clock()
        return None
