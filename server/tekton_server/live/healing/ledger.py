"""The restarts of the whole fleet, whichever server makes them: which are under way, and when the last ones began."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from tekton.core.ids import lookup_key
from tekton.core.view import Commit, Launch, LaunchChange, LaunchDesired, LaunchPhase, View
from tekton_server.domain.blast_radius import MINUTE, Cap, Radius
from tekton_server.domain.dependents import serves
from tekton_server.live.healing.steady import Steady


class Ledger:
    """Follows the journal, so that all servers together keep within one cap. Components go by their lookup keys.

    `made` is how many restarts it has seen.
    """

    def __init__(self, view: View, clock: Steady) -> None:
        self._view = view
        self._clock = clock
        self._lately: deque[datetime] = deque()
        # The epoch of each that was started again and does not serve yet.
        self._under_way: dict[str, int] = {}
        # Those that this server has begun with and that the journal does not know of yet.
        self._reserved: set[str] = set()
        self.made = 0

    def load(self) -> None:
        """Begin with what the view tells of the last minute."""
        now, minute = self._clock.now(), MINUTE.total_seconds()
        times = [at for launch in self._view.launches.values() for at in launch.restarts]
        told = sorted(self._clock.translated(at, most=minute) for at in times)
        self._lately.extend(min(at, now) for at in told if at > now - MINUTE)
        self._under_way = {
            key: launch.epoch for key, launch in self._view.launches.items() if launch.active and launch.restart_count
        }

    def on_commit(self, commit: Commit) -> None:
        """Count the restarts of a commit that is folded."""
        for change in commit.changes:
            if isinstance(change, LaunchChange) and change.new is not None and _is_restart(change):
                self._count(lookup_key(change.key), change.new.epoch)

    def reserve(self, key: str) -> None:
        """Count a restart that this server begins with."""
        self._reserved.add(key)

    def release(self, key: str) -> None:
        """Take that back: it came to nothing, or the journal has it."""
        self._reserved.discard(key)

    def settle(self, key: str) -> None:
        """Count what was reserved as a restart that was made, though the journal calls it none."""
        if key in self._reserved:
            launch = self._view.launches.get(key)
            self._count(key, launch.epoch if launch else 0)

    def under_way(self, key: str) -> bool:
        """Whether a component is being started again and does not serve yet."""
        return key in self._reserved or (key in self._under_way and self._goes_on(key, self._under_way[key]))

    def room(self, cap: Cap, key: str) -> bool:
        """Whether there is room for the restart that is reserved for a component, beside all others."""
        radius = self.radius()
        lately, under_way = len(radius.lately), radius.under_way
        if key in self._reserved:
            lately, under_way = lately - 1, under_way - 1
        return lately < cap.per_minute and under_way < cap.width(radius.fleet)

    def radius(self) -> Radius:
        """Tell how far healing reaches now."""
        now = self._clock.now()
        while self._lately and self._lately[0] <= now - MINUTE:
            self._lately.popleft()
        self._under_way = {key: epoch for key, epoch in self._under_way.items() if self._goes_on(key, epoch)}
        fleet = sum(_is_of_the_fleet(launch) for launch in self._view.launches.values())
        lately = (*self._lately, *(now for _ in self._reserved))
        return Radius(fleet, len(self._under_way.keys() | self._reserved), lately)

    def _count(self, key: str, epoch: int) -> None:
        self._lately.append(self._clock.now())
        self._under_way[key] = epoch
        self._reserved.discard(key)
        self.made += 1

    def _goes_on(self, key: str, epoch: int) -> bool:
        launch = self._view.launches.get(key)
        same = launch is not None and launch.epoch == epoch and launch.active
        return same and not serves(self._view.get(key))


def _is_restart(change: LaunchChange) -> bool:
    before = change.old.restart_count if change.old else 0
    return change.new is not None and change.new.restart_count > before


def _is_of_the_fleet(launch: Launch) -> bool:
    return launch.desired is LaunchDesired.RUNNING and launch.phase is not LaunchPhase.ENDED
