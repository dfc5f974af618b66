"""`find_component` in the SDK, as a component calls it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.load import Target, Window
from bench.model import Figures
from tekton.client import TektonClient

_TURN = 1000


@dataclass(frozen=True)
class FindLoad:
    """Warm look-ups, one after the other; without a target, of a dictionary behind a coroutine: the floor."""

    target: Target | None
    component_ids: tuple[str, ...]
    window: Window

    async def go(self) -> Figures:
        """Load, on this event loop."""
        if self.target is None:
            return await self._measured(_dictionary(self.component_ids))
        async with TektonClient(self.target.host, self.target.port) as client:
            return await self._measured(client.find_component)

    async def _measured(self, find: Callable[[str], Awaitable[object]]) -> Figures:
        for component_id in self.component_ids:
            if await find(component_id) is None:
                raise RuntimeError(f"{component_id} is not found")
        turn = tuple(self.component_ids[at % len(self.component_ids)] for at in range(_TURN))
        await _until(find, turn, self.window.warm_up)
        taken = await _until(find, turn, self.window.seconds)
        each = [seconds / _TURN for seconds in taken]
        spread = Figures.of(each, sum(taken), len(taken) * _TURN, 0)
        return Figures(len(taken) * _TURN, sum(taken), spread.total, 0, spread.p50_ms, spread.p99_ms, spread.max_ms)


async def _until(find: Callable[[str], Awaitable[object]], turn: Sequence[str], seconds: float) -> list[float]:
    taken: list[float] = []
    began = last = time.perf_counter()
    while last - began < seconds:
        for component_id in turn:
            await find(component_id)
        now = time.perf_counter()
        taken.append(now - last)
        last = now
    return taken


def _dictionary(component_ids: Sequence[str]) -> Callable[[str], Awaitable[object]]:
    known = {component_id: object() for component_id in component_ids}

    async def find(component_id: str) -> object:
        return known.get(component_id)

    return find
