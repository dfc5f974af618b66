"""Beats for watchers: the newest per instance, since beats have no history."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton_server.live.audience import Audience, Member


class BeatEvent(NamedTuple):
    """One beat as a watcher sees it."""

    component_id: str
    instance_uuid: str
    at: datetime
    state: ComponentState
    metrics: Mapping[str, float]


class BeatFeed:
    """Hands beats to watchers; costs nothing while there are none."""

    def __init__(self) -> None:
        self._audience: Audience[BeatWatcher] = Audience()

    @property
    def active(self) -> bool:
        """Whether anybody watches."""
        return bool(self._audience)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._audience)

    def publish(self, event: BeatEvent) -> None:
        """Hand a beat to everybody who wants it."""
        for watcher in self._audience:
            watcher.offer(event)

    def close(self) -> None:
        """End every watch."""
        self._audience.close()

    def watch(self, component_id: str | None) -> BeatWatcher:
        """Start a watch of one component, or of all. Use it as a context manager."""
        return BeatWatcher(self._audience, lookup_key(component_id) if component_id else None)


class BeatWatcher(Member):
    """One watch: what was not taken yet, conflated by instance, so it is bounded by their number."""

    def __init__(self, audience: Audience[BeatWatcher], key: str | None) -> None:
        super().__init__(audience)
        self._key = key
        self._pending: dict[str, BeatEvent] = {}

    def offer(self, event: BeatEvent) -> None:
        """Keep a beat for this watcher."""
        if self._key is None or lookup_key(event.component_id) == self._key:
            self._pending[event.instance_uuid] = event
            self.wake()

    async def next(self, patience: float) -> list[BeatEvent]:
        """Wait for beats and give all that are pending; none after `patience` seconds, or at the end."""
        if not self._pending and not self.ended:
            await self.wait(time.monotonic() + patience)
        events = list(self._pending.values())
        self._pending.clear()
        return events
