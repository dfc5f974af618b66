"""Starting many: each as soon as what it needs is ready, and nobody behind a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from tekton._registry import WatchedRegistry
from tekton._startup import needs
from tekton._startup.handlers import Handler
from tekton.core.dependency import DependencyGraph
from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key
from tekton.core.schedule import Schedule


class Batch(NamedTuple):
    """What is to be started: `chosen` by lookup key, each with the names of what it waits for.

    outside: what is only waited for, since nobody here knows how it is started.
    """

    chosen: Mapping[str, Handler]
    waits_for: Mapping[str, tuple[str, ...]]
    outside: tuple[str, ...]


def gather(
    registry: WatchedRegistry, wanted: Iterable[Handler], handlers: Mapping[str, Handler], *, resolve: bool
) -> Batch:
    """Find all that has to be started for some components: with `resolve` also what they need and a handler starts."""
    chosen = {one.key: one for one in wanted}
    known, outside = {**handlers, **chosen}, dict[str, str]()
    waiting, waits_for = list(chosen.values()), dict[str, tuple[str, ...]]()
    for handler in waiting:
        names = []
        for need in needs.needs(registry.view, handler.component_id, known):
            key = lookup_key(need)
            if key not in chosen and needs.serves(registry.view, need):
                continue
            if key not in chosen and resolve and key in known:
                chosen[key] = known[key]
                waiting.append(known[key])
            names.append(chosen[key].component_id if key in chosen else outside.setdefault(key, need))
        waits_for[handler.component_id] = tuple(names)
    return Batch(chosen, waits_for, tuple(outside.values()))


class Run:
    """The start of a batch. What is outside is launched by Tekton, or waited for, `patience` seconds at most.

    launch: tells whether Tekton launched a component; None where it is not to be asked.
    """

    def __init__(
        self,
        batch: Batch,
        registry: WatchedRegistry,
        start: Callable[[Handler], Awaitable[None]],
        *,
        launch: Callable[[str], Awaitable[bool]] | None,
        at_once: int,
        patience: float,
    ) -> None:
        found = DependencyGraph(batch.waits_for).resolve()
        stuck = batch.waits_for.keys() - set(found.order)
        order = {name: batch.waits_for[name] for name in found.order}
        self._batch = batch
        self._registry = registry
        self._start = start
        self._launch = launch
        self._patience = patience
        self._schedule = Schedule(order | dict.fromkeys(batch.outside, ()), at_once=at_once, free=batch.outside)
        self._ends: dict[str, TektonError | None] = {name: needs.circle(found, name, name) for name in stuck}

    async def ends(self) -> dict[str, TektonError | None]:
        """Start all, and give why each was not started; None where it was."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while not self._schedule.over:
                begun = self._schedule.begin()
                under_way |= {asyncio.create_task(self._one(name), name=f"start {name}") for name in begun}
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in under_way:
                task.cancel()
            if under_way:
                await asyncio.wait(under_way)
        return {name: self._ends[name] for name in self._batch.waits_for}

    async def _one(self, name: str) -> None:
        handler = self._batch.chosen.get(lookup_key(name))
        try:
            await (self._start(handler) if handler else self._come(name))
        except TektonError as error:
            self._ends[name] = error
            for skipped in self._schedule.fail(name):
                chain = self._schedule.chain(skipped)
                self._ends[skipped] = needs.behind(chain, self._ends[chain[-1]])
        else:
            self._ends[name] = None
            self._schedule.done(name)

    async def _come(self, name: str) -> None:
        if self._launch is not None and await self._launch(name):
            return
        if not await self._registry.until(lambda: needs.serves(self._registry.view, name), self._patience):
            raise needs.not_ready(self._registry.view, [name], name, self._patience)
