"""Starts under way: one for each component, however many wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any

from tekton._startup.handlers import Handler
from tekton._startup.waits import Waits

# The component whose start function runs here, and the task that does: who calls us from in there waits for the answer.
_inside: ContextVar[tuple[str, asyncio.Task[Any] | None]] = ContextVar("inside", default=("", None))


class _Flight:
    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task
        self.waiting = 0


class Flights:
    """Those of one coordinator, and who of them waits for whom."""

    def __init__(self) -> None:
        self.waits = Waits()
        self._under_way: dict[str, _Flight] = {}

    async def join(self, handler: Handler, begin: Callable[[], Awaitable[None]]) -> None:
        """Start a component, or wait for the start of it that is under way; it ends when nobody waits for it any more.

        Raises:
            CircularDependencyError: the caller is the start function of one that it waits for.
        """
        with self.waited_for([handler.component_id]):
            flight = self._under_way.get(handler.key)
            if flight is None or flight.task.done():
                task = asyncio.create_task(self._fly(handler, begin), name=f"start {handler.component_id}")
                flight = self._under_way[handler.key] = _Flight(task)
            flight.waiting += 1
            try:
                await asyncio.shield(flight.task)
            finally:
                flight.waiting -= 1
                if not flight.waiting and not flight.task.done():
                    await _ended([flight.task])

    async def _fly(self, handler: Handler, begin: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.current_task()
        _inside.set((handler.component_id, task))
        try:
            await begin()
        finally:
            flight = self._under_way.get(handler.key)
            if flight is not None and flight.task is task:
                del self._under_way[handler.key]

    def waited_for(self, component_ids: Iterable[str]) -> AbstractContextManager[None]:
        """Note inside that the component whose start function calls us, if one does, waits for others.

        Only a call by the function itself counts: whoever it leaves to run beside it does not keep it from returning.
        """
        component_id, task = _inside.get()
        if task is None or task is not asyncio.current_task():
            return nullcontext()
        return self.waits.waiting(component_id, component_ids)

    async def end(self) -> None:
        """Give all of them up."""
        await _ended([flight.task for flight in self._under_way.values()])


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
