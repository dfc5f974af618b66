"""Notices who is well again: one that has served for its whole period begins anew with short pauses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from tekton.core.errors import TektonError
from tekton.core.view import Launch, View
from tekton_server.domain import healing
from tekton_server.domain.dependents import serving
from tekton_server.domain.launch_commands import SettleLaunch
from tekton_server.domain.launch_spec import Restart
from tekton_server.domain.launches import instance_of
from tekton_server.live.healing.steady import Steady
from tekton_server.live.writer import Writer

log = logging.getLogger(__name__)

# When it is said again that one is well, where that could not be recorded.
_AGAIN = timedelta(seconds=5)
_LONG_AGO = 86400.0


class Recoveries:
    """Counts for how long those serve that were started again. By lookup key."""

    def __init__(self, view: View, writer: Writer, clock: Steady, policy: Callable[[Launch], Restart | None]) -> None:
        self._view = view
        self._writer = writer
        self._clock = clock
        self._policy = policy
        self._since: dict[str, tuple[int, datetime]] = {}
        self._asked: dict[str, datetime] = {}

    def assess(self, key: str) -> None:
        """Look at a component of which something has changed."""
        launch = self._view.launches.get(key)
        instance = instance_of(self._view, launch) if launch is not None else None
        counts = launch is not None and launch.active and launch.restart_count and self._policy(launch) is not None
        if launch is None or not counts or instance is None or not serving(instance):
            self._since.pop(key, None)
            self._asked.pop(key, None)
        elif self._since.get(key, (None, None))[0] != launch.epoch:
            # At most since now: of one that served before this server began, the view tells since when.
            at = self._clock.translated(instance.state_since, most=_LONG_AGO)
            self._since[key] = (launch.epoch, min(at, self._clock.now()))

    def look(self) -> datetime | None:
        """Record who is well by now; give when the next one will be."""
        now, upcoming = self._clock.now(), list[datetime]()
        for key, (epoch, since) in self._since.items():
            launch = self._view.launches.get(key)
            policy = self._policy(launch) if launch is not None else None
            if launch is None or policy is None:
                continue
            at = healing.well_at(policy, launch, since)
            if at is None:
                continue
            at = max(at, self._asked.get(key, at))
            if at <= now:
                self._settle(key, launch.component_id, epoch)
                at = self._asked[key]
            upcoming.append(at)
        return min(upcoming, default=None)

    def _settle(self, key: str, component_id: str, epoch: int) -> None:
        self._asked[key] = self._clock.now() + _AGAIN
        try:
            settling = self._writer.submit_nowait(SettleLaunch(component_id=component_id, epoch=epoch))
        except TektonError as error:
            log.info("that %s is well again is not recorded yet: %s", component_id, error)
            return
        settling.add_done_callback(lambda done: done.cancelled() or done.exception())
