"""How many components of a fleet are started again by themselves at once and in a minute, and who goes first.

A fault that takes many down, or that we only take for one, must not become a stampede of restarts: they go on at a pace
that the machine, the database and whoever reads the log can follow. It is a pace and no gate: also when everything is
down, healing goes on.

Sources: the rate limit of Kubernetes' node lifecycle controller (--node-eviction-rate), maxUnavailable of its
disruption budgets and maxUnhealthy of the Cluster API's MachineHealthCheck; that recovery must not wait because
everything is down is KEP-4603's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

MINUTE = timedelta(minutes=1)
# Even of the smallest fleet, so that one that hangs at its start does not keep all others waiting.
LEAST_AT_ONCE = 2


class Cap(NamedTuple):
    """The most restarts under way at once, also as a share of the fleet, and the most that begin within a minute."""

    at_once: int
    share: float
    per_minute: int

    def width(self, fleet: int) -> int:
        """Give how many of a fleet of so many may be under way at once."""
        return min(self.at_once, max(LEAST_AT_ONCE, int(self.share * fleet)))


class Radius(NamedTuple):
    """How far healing reaches now.

    fleet: how many components there are to heal, well or not. under_way: how many of them were started again and do not
    serve yet. lately: when restarts began, in order, those of the last minute at least.
    """

    fleet: int
    under_way: int
    lately: Sequence[datetime]


class Waiting(NamedTuple):
    """Who waits to be started again: since when it is due, and how often it was started again already."""

    component_id: str
    due: datetime
    restart_count: int


class Choice(NamedTuple):
    """Who begins now, in this order; when to choose again at the latest for those left (None: when one has come up).

    `held` says why those that are due are left waiting, empty where none is.
    """

    begin: tuple[str, ...]
    again_at: datetime | None
    held: str


def choose(cap: Cap, radius: Radius, waiting: Iterable[Waiting], now: datetime) -> Choice:
    """Choose who is started again now: of those that are due first who failed least often, then who waited longest.

    So those who fail for ever do not keep those waiting that a restart helps.
    """
    everyone = sorted(waiting, key=lambda one: (one.restart_count, one.due, one.component_id))
    due = [one for one in everyone if one.due <= now]
    later = [one.due for one in everyone if one.due > now]
    lately = [at for at in radius.lately if at > now - MINUTE]
    width, left = cap.width(radius.fleet), cap.per_minute - len(lately)
    free = max(0, min(width - radius.under_way, left))
    begin, kept = due[:free], due[free:]
    held = ""
    if kept and left <= len(begin):
        held = f"{cap.per_minute} restarts have begun within a minute, the most there may be"
        if (first := _freed(cap, [*lately, *(now for _ in begin)])) is not None:
            later.append(first)
    elif kept:
        held = f"{radius.under_way + len(begin)} restarts are under way, the most there may be of {radius.fleet}"
    return Choice(tuple(one.component_id for one in begin), min(later, default=None), held)


def _freed(cap: Cap, lately: Sequence[datetime]) -> datetime | None:
    """Give when fewer than a minute's worth have begun within a minute, if no other begins."""
    return lately[-cap.per_minute] + MINUTE if len(lately) >= cap.per_minute else None
