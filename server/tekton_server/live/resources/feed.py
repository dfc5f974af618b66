"""Who watches resources: each has the newest of what it has not taken yet, so that none holds up another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tekton.core.view import Definition
from tekton_server.domain.alarms import Happened
from tekton_server.live.audience import Audience, Member

Wants = Callable[[Definition | None], bool]


class News(NamedTuple):
    """What a watcher has not been told yet: what happened, whether machines have new figures, and the keys of the
    components that have.
    """

    happened: list[Happened]
    machines: bool
    components: list[str]


class ResourceFeed:
    """Hands news to watchers; costs nothing while there are none."""

    def __init__(self) -> None:
        self._audience: Audience[ResourceWatcher] = Audience()

    def __len__(self) -> int:
        return len(self._audience)

    def happened(self, happened: Iterable[Happened], definition: Callable[[str], Definition | None]) -> None:
        """Something got too much, or is so no longer; `definition` finds that of a component."""
        for one in happened:
            component_id = one.alarm.component_id
            about = definition(component_id) if component_id else None
            for watcher in self._audience:
                if not component_id or watcher.wants(about):
                    watcher.add(one)

    def machines(self) -> None:
        """Machines have new figures."""
        for watcher in self._audience:
            watcher.add_machines()

    def component(self, key: str, definition: Definition | None) -> None:
        """A component has new figures or another state, or is gone."""
        for watcher in self._audience:
            if watcher.wants(definition):
                watcher.add_component(key)

    def close(self) -> None:
        """End every watch."""
        self._audience.close()

    def watch(self, wants: Wants, *, figures: bool) -> ResourceWatcher:
        """Start a watch of the components that are wanted. Use it as a context manager."""
        return ResourceWatcher(self._audience, wants, figures)


class ResourceWatcher(Member):
    """One watch. What is pending is bounded by how many components and figures there are."""

    def __init__(self, audience: Audience[ResourceWatcher], wants: Wants, figures: bool) -> None:
        super().__init__(audience)
        self.wants = wants
        self._figures = figures
        self._happened: dict[tuple[str, str, str, int | None], Happened] = {}
        self._machines = False
        self._components: dict[str, None] = {}

    def add(self, happened: Happened) -> None:
        """Keep what happened; it takes the place of what happened to the same figure before."""
        self._happened.pop(happened.alarm.key, None)
        self._happened[happened.alarm.key] = happened
        self.wake()

    def add_machines(self) -> None:
        """Machines have new figures."""
        if self._figures:
            self._machines = True
            self.wake()

    def add_component(self, key: str) -> None:
        """A component has new figures."""
        if self._figures:
            self._components[key] = None
            self.wake()

    async def next(self, patience: float) -> News | None:
        """Wait for news and give all that are pending; None after `patience` seconds, or at the end."""
        if not self._pending and not self.ended:
            await self.wait(time.monotonic() + patience)
        if not self._pending:
            return None
        news = News(list(self._happened.values()), self._machines, list(self._components))
        self._happened, self._machines, self._components = {}, False, {}
        return news

    @property
    def _pending(self) -> bool:
        return bool(self._happened or self._machines or self._components)
