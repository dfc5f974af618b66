"""Waiting until a component can be used, by watching."""

from __future__ import annotations

import time

from tekton.core.errors import SlowWatcherError, TektonError, TektonTimeoutError, UnavailableError
from tekton.core.ids import lookup_key
from tekton.core.view import InstanceChange, View
from tekton_server.domain.inventory import launched, serving
from tekton_server.domain.startup import StartupClock
from tekton_server.live.fanout import Hub, Watcher


async def until_serving(
    view: View, hub: Hub, component_id: str, clock: StartupClock, ended: TektonError | None = None
) -> None:
    """Wait until a component is ready or degraded, whoever starts it. `clock` is in monotonic seconds.

    `ended` is how its last launch ended, where it is waited for the next one.

    Raises:
        TektonTimeoutError: it is not in time, by the clock that the component may extend.
        TektonError: `ended`, where it is not in time or is not launched again.
        UnavailableError: this server stops.
    """
    while not serving(view, component_id):
        try:
            with hub.watch() as watcher:
                await _watched(view, watcher, component_id, clock, ended)
        except SlowWatcherError:
            # What it may have missed is at most a request for more time, which is made again.
            continue


async def _watched(
    view: View, watcher: Watcher, component_id: str, clock: StartupClock, ended: TektonError | None
) -> None:
    key = lookup_key(component_id)
    while not serving(view, component_id):
        if watcher.ended:
            raise UnavailableError(f"this server stops, and waits for {component_id} no longer; ask again")
        if ended is not None and not launched(view, component_id):
            raise ended
        if time.monotonic() >= clock.ends:
            raise ended or _late(view, component_id, clock)
        for folded in await watcher.next(clock.ends):
            for change in folded.commit.changes:
                if isinstance(change, InstanceChange) and lookup_key(change.component_id) == key:
                    clock.heard(change, time.monotonic())


def _late(view: View, component_id: str, clock: StartupClock) -> TektonTimeoutError:
    found = view.get(component_id)
    how = f"it is {found.status}" if found is not None else "it has not registered"
    return TektonTimeoutError(
        f"{component_id} was not ready within {clock.ends - clock.began:g} s: {how}",
        component_id,
        details={"component_id": component_id, "startup_timeout": clock.timeout},
    )
