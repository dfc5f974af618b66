"""Starts and stops of many components: each run is ours until it ends, whoever asked for it stays or goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from tekton.core.errors import ComponentNotFoundError, RateLimitedError
from tekton.core.ids import lookup_key
from tekton.core.view import View
from tekton_server.domain import fleet_plan
from tekton_server.domain.fleet_plan import Plan
from tekton_server.domain.inventory import inventory
from tekton_server.domain.launch_spec import STARTUP_TIMEOUT
from tekton_server.live.dependencies import beside
from tekton_server.live.fleet_jobs import StartJob, StopJob, Turns
from tekton_server.live.fleet_run import STARTS, STOPS, Run, Words
from tekton_server.live.readiness import Readiness
from tekton_server.live.starting import Starter

log = logging.getLogger(__name__)

# How many are under way at once in a run where nobody says.
AT_ONCE = 32
# How many runs there are at once; each may hold a thousand processes that start.
RUNS = 16


class Fleet:
    """What starts and stops many. `confirm` is asked before saying that something is not there."""

    def __init__(
        self,
        view: View,
        starter: Starter,
        readiness: Readiness,
        confirm: Callable[[], Awaitable[None]],
    ) -> None:
        self._view = view
        self._starter = starter
        self._readiness = readiness
        self._confirm = confirm
        self.usual_timeout = STARTUP_TIMEOUT
        """Seconds that one has to become ready that Tekton does not launch."""
        self._turns = Turns()
        self._runs: dict[Run, asyncio.Task[None]] = {}

    def use(self, starter: Starter) -> None:
        """Start and stop through somebody else from here on."""
        self._starter = starter

    async def plan_start(self, component_ids: Sequence[str], *, resolve: bool) -> Plan:
        """Plan a start; see domain.fleet_plan for what is raised.

        Raises:
            StorageUnavailableError: something seems not to be there, and that cannot be known now.
        """
        return await self._plan(partial(fleet_plan.plan_start, component_ids=component_ids, resolve=resolve))

    async def start(self, component_ids: Sequence[str], *, resolve: bool, at_once: int = AT_ONCE) -> Run:
        """Begin to start components, or with none every one that can be launched.

        Raises:
            CircularDependencyError: it runs into a cycle; nothing is started.
            RateLimitedError: too many runs are under way.
            TektonError: as `plan_start` does.
        """
        plan = await self.plan_start(component_ids, resolve=resolve)
        plan.check()
        job = StartJob(self._view, self._starter, self._readiness, self._turns, self.startup_timeout)
        return self._go(Run(plan, job, STARTS, at_once))

    async def stop(
        self,
        component_ids: Sequence[str],
        *,
        resolve: bool = False,
        force: bool = False,
        timeout: float | None = None,
        at_once: int = AT_ONCE,
    ) -> Run:
        """Begin to stop components, or with none every one that Tekton launches, each as `Starter.stop` does.

        Raises:
            RateLimitedError: too many runs are under way.
            TektonError: as domain.fleet_plan.plan_stop does.
        """
        plan = await self._plan(partial(fleet_plan.plan_stop, component_ids=component_ids, resolve=resolve))
        job = StopJob(self._starter, self._turns, force=force, timeout=timeout)
        return self._go(Run(plan, job, STOPS, at_once))

    def starts(self, component_id: str) -> None:
        """Take note that somebody is about to start one by itself: what is to be stopped no more is left alone."""
        self._overrule(STARTS, (component_id,))

    def stops(self, component_id: str) -> None:
        """Take note that somebody is about to stop one by itself: what waits for it to start does so in vain."""
        self._overrule(STOPS, (component_id,))

    def startup_timeout(self, component_id: str) -> float:
        """Give how many seconds a component has to become ready."""
        entry = self._starter.launchable().get(lookup_key(component_id))
        return entry.spec.startup_timeout if entry else self.usual_timeout

    def close(self) -> None:
        """End every run where it is; who follows one is told."""
        for task in self._runs.values():
            task.cancel()

    async def closed(self) -> None:
        """Wait until every run has ended, after `close`."""
        await asyncio.gather(*self._runs.values(), return_exceptions=True)

    async def _plan(self, make: Callable[..., Plan]) -> Plan:
        try:
            plan = await self._made(make)
        except ComponentNotFoundError:
            await self._confirm()
            return await self._made(make)
        if plan.missing:
            await self._confirm()
            plan = await self._made(make)
        return plan

    async def _made(self, make: Callable[..., Plan]) -> Plan:
        starting, stopping = self._under_way(STARTS), self._under_way(STOPS)
        known = inventory(self._view, self._starter.launchable(), starting, stopping)
        return await beside(len(known), make, known)

    def _under_way(self, words: Words) -> frozenset[str]:
        return frozenset(key for run in self._runs if run.words is words for key in run.under_way)

    def _go(self, run: Run) -> Run:
        if len(self._runs) >= RUNS:
            raise RateLimitedError(f"{RUNS} starts and stops of many components are under way; wait for one of them")
        self._overrule(run.words, (*run.plan.begins, *run.plan.done))
        task = self._runs[run] = asyncio.create_task(run.go(), name=f"fleet {run.words.succeeded}")
        task.add_done_callback(partial(self._ended, run))
        return run

    def _overrule(self, words: Words, component_ids: Iterable[str]) -> None:
        """The last word counts: what runs have not begun of the opposite, they leave alone."""
        keys = frozenset(map(lookup_key, component_ids))
        for run in self._runs:
            if run.words is not words:
                run.take_back(keys)

    def _ended(self, run: Run, task: asyncio.Task[None]) -> None:
        del self._runs[run]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a start or stop of many components failed", exc_info=error)
