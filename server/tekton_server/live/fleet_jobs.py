"""What is done with each component of a start or a stop of many."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from tekton.core.backoff import full_jitter
from tekton.core.errors import DependencyError, RateLimitedError, StartupError, TektonError, UnavailableError
from tekton.core.ids import lookup_key
from tekton.core.view import View
from tekton_server.domain.inventory import launched, needs_of, serving
from tekton_server.live.fleet_run import Done, Event, Run
from tekton_server.live.readiness import Readiness
from tekton_server.live.starting import Starter

# A database that is away for a moment ends no start: so often is asked, with so many seconds between at most.
_TRIES, _PAUSE, _LONGEST_PAUSE = 6, 0.2, 3.0

T = TypeVar("T")


class Turns:
    """One at a time for each component, in the order in which they came."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: Counter[str] = Counter()

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Take one's turn with a component, by its lookup key."""
        self._wanted[key] += 1
        try:
            async with self._locks.setdefault(key, asyncio.Lock()):
                yield
        finally:
            self._wanted[key] -= 1
            if not self._wanted[key]:
                del self._wanted[key], self._locks[key]


class StartJob:
    """Starts a component and waits until it is ready; or, where Tekton does not launch it, waits alone."""

    def __init__(
        self,
        view: View,
        starter: Starter,
        readiness: Readiness,
        turns: Turns,
        startup_timeout: Callable[[str], float],
    ) -> None:
        self._view = view
        self._turns = turns
        self._starter = starter
        self._readiness = readiness
        self._startup_timeout = startup_timeout

    async def __call__(self, run: Run, name: str) -> Done:
        """Do it.

        Raises:
            TektonError: it is not ready.
        """
        if name in run.plan.free:
            run.tell(Event.STARTING, name, message="is waited for: Tekton does not launch it")
            await self._readiness.wait(name, self._startup_timeout(name))
            return Done("is ready")
        await self._needs_serve(name)
        run.tell(Event.STARTING, name, message="is launched")
        async with self._turns.of(lookup_key(name)):
            started = await patiently(partial(self._starter.start, name))
        uuid, already = started.instance_uuid, started.already
        said = "runs already" if already else "its program runs"
        run.tell(Event.RUNNING, name, message=said, instance_uuid=uuid, already=already)
        try:
            await self._starter.ready(name, uuid)
        except StartupError as error:
            if not launched(self._view, name):
                raise
            # Whether it is started again is its policy's to say; whoever needs it has as much patience as before.
            run.tell(Event.STARTING, name, message=f"is started again: {error.message}", instance_uuid=uuid)
            await self._readiness.wait(name, self._startup_timeout(name), error)
        found = self._view.get(name)
        best = found.best if found is not None else None
        return Done("is ready", best.instance_uuid if best else uuid, already)

    async def _needs_serve(self, name: str) -> None:
        """See that what a component needs is ready now: since it became so, something may have happened to it."""
        for need in needs_of(self._view, self._starter.launchable(), name):
            if serving(self._view, need):
                continue
            try:
                await self._readiness.wait(need, self._startup_timeout(need))
            except TektonError as error:
                raise DependencyError(
                    f"{name} was not started: {name} needs {need}; {error.message}",
                    name,
                    details={"component_id": name, "failed_dependencies": [need], "chain": [name, need]},
                ) from error


class StopJob:
    """Stops a component as `Starter.stop` does."""

    def __init__(self, starter: Starter, turns: Turns, *, force: bool, timeout: float | None) -> None:
        self._starter = starter
        self._turns = turns
        self._force = force
        self._timeout = timeout

    async def __call__(self, run: Run, name: str) -> Done:
        """Do it.

        Raises:
            TektonError: something of it runs on.
        """
        run.tell(Event.STOPPING, name, message="is asked to stop")
        async with self._turns.of(lookup_key(name)):
            pass  # what was launched before this was asked for is there from here on
        stop = partial(self._starter.stop, name, force=self._force, timeout=self._timeout)
        endings = (await patiently(stop)).endings
        said = "; ".join(dict.fromkeys(one.message for one in endings)) or "did not run"
        return Done(said, endings[0].instance_uuid if len(endings) == 1 else "", already=not endings)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again where the registry cannot be written for a moment: what is asked is the same however often."""
    for attempt in range(_TRIES - 1):
        try:
            return await ask()
        except (UnavailableError, RateLimitedError):
            await asyncio.sleep(full_jitter(attempt, base=_PAUSE, ceiling=_LONGEST_PAUSE))
    return await ask()
