"""The whole fleet at the beginning and at the end of a control plane, where that is configured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tekton.core.errors import TektonError
from tekton_server.live.fleet import Fleet
from tekton_server.live.fleet_run import Event, Run
from tekton_server.sections import Components

log = logging.getLogger(__name__)

# What the kill of what is left takes at most beside the time that there was, in seconds.
_KILL_WITHIN = 5.0
_TOLD = 5


class WholeFleet:
    """Starts everything that can be launched, and stops everything that was, each where it is configured."""

    def __init__(self, fleet: Fleet, chosen: Components) -> None:
        self._fleet = fleet
        self._chosen = chosen

    @property
    def stops_within(self) -> float:
        """How many seconds `stop` may take."""
        return self._chosen.stop_within + _KILL_WITHIN if self._chosen.on_stop == "stop" else 0.0

    async def start(self, tell: Callable[[str], None], failed: asyncio.Future[None]) -> None:
        """Start everything, telling how far it is, and return once it is over, or once Tekton itself has failed.

        What does not start keeps nobody from using Tekton: it is told, and left to whoever looks after it.
        """
        if not self._chosen.autostart:
            return
        starting = asyncio.create_task(self._start(tell), name="start the components")
        either: set[asyncio.Future[None]] = {starting, failed}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            starting.cancel()
            await asyncio.wait([starting])
        if not starting.cancelled():
            starting.result()

    async def _start(self, tell: Callable[[str], None]) -> None:
        try:
            await _followed(await self._fleet.start((), resolve=True), tell)
        except TektonError as error:
            log.error("the components are not started: %s", error.message)
            tell(f"the components are not started: {error.message}")

    async def stop(self) -> None:
        """Stop everything in the reverse order; what has not ended in time is killed.

        Raises:
            TektonError: it cannot be stopped; what runs runs on.
        """
        if self._chosen.on_stop != "stop":
            return
        run = await self._fleet.stop((), force=True)
        if not run.plan.begins:
            return
        within = self._chosen.stop_within
        log.info("stopping %d components", len(run.plan.begins))
        try:
            async with asyncio.timeout(within):
                await run.outcome()
        except TimeoutError:
            log.warning("not all components have stopped within %g s; what is left is killed", within)
            async with asyncio.timeout(_KILL_WITHIN):
                await (await self._fleet.stop((), force=True, timeout=0.0, at_once=1000)).outcome()


async def _followed(run: Run, tell: Callable[[str], None]) -> None:
    ended, count = 0, len(run.plan.begins) + len(run.plan.skipped)
    tell(f"starting {count} components")
    async for step in run.steps():
        if step.event in (Event.READY, Event.FAILED, Event.SKIPPED):
            ended += 1
            tell(f"starting {count} components ({ended} done, the last one {step.component_id}: {step.event})")
        if step.event in (Event.FAILED, Event.SKIPPED):
            log.warning("%s", step.message)
        if step.summary is not None:
            bad = (*step.summary.failed, *step.summary.skipped)
            more = f" and {len(bad) - _TOLD} more" if len(bad) > _TOLD else ""
            not_ready = f"; not {', '.join(bad[:_TOLD])}{more}: see tekton why" if bad else ""
            tell(f"{len(step.summary.succeeded)} components are ready{not_ready}")
