"""Beats for watchers: the newest per instance, since beats have no history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState


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
        self._watchers: set[BeatWatcher] = set()
        self.closed = False

    @property
    def active(self) -> bool:
        """Whether anybody watches."""
        return bool(self._watchers)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def publish(self, event: BeatEvent) -> None:
        """Hand a beat to everybody who wants it."""
        for watcher in self._watchers:
            watcher.offer(event)

    def close(self) -> None:
        """End every watch."""
        self.closed = True
        for watcher in self._watchers:
            watcher.wake.set()

    def watch(self, component_id: str | None) -> BeatWatcher:
        """Start a watch of one component, or of all. Use it as a context manager."""
        return BeatWatcher(self, lookup_key(component_id) if component_id else None)


class BeatWatcher:
    """One watch: what was not taken yet, conflated by instance, so it is bounded by their number."""

    def __init__(self, feed: BeatFeed, key: str | None) -> None:
        self._feed = feed
        self._key = key
        self._pending: dict[str, BeatEvent] = {}
        self.wake = asyncio.Event()

    def __enter__(self) -> BeatWatcher:
        self._feed._watchers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._feed._watchers.discard(self)

    @property
    def ended(self) -> bool:
        """Whether the server ends its watches."""
        return self._feed.closed

    def offer(self, event: BeatEvent) -> None:
        """Keep a beat for this watcher."""
        if self._key is None or lookup_key(event.component_id) == self._key:
            self._pending[event.instance_uuid] = event
            self.wake.set()

    async def next(self, patience: float) -> list[BeatEvent]:
        """Wait for beats and give all that are pending; none after `patience` seconds, or at the end."""
        if not self._pending and not self._feed.closed:
            self.wake.clear()
            try:
                await asyncio.wait_for(self.wake.wait(), patience)
            except TimeoutError:
                return []
        events = list(self._pending.values())
        self._pending.clear()
        return events
