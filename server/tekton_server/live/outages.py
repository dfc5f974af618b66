"""Outages of our own: what is down now, so that nobody can be judged, and what was down for long enough to matter."""

from __future__ import annotations

from typing import NamedTuple

from tekton_server.live.lease import Timing

GATEWAY = "the gateway"
LOOP = "the server's own loop"
DATABASE = "the database"
_ALWAYS = float("inf")


def matters(timing: Timing) -> float:
    """Give how long an outage must last to cost anybody a beat that cannot be spared, in seconds."""
    return min(timing.interval, timing.timeout / 3)


class Over(NamedTuple):
    """What is over, in words, and in whose way it was: of those who were last heard before some time."""

    what: str
    heard_before: float


class Outages:
    """The outages there are, and those that are over and were not asked for yet. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._due: list[tuple[str, float, float]] = []

    @property
    def everybodys(self) -> bool:
        """Whether something is down that is in everybody's way. The gateway is not: there are direct calls."""
        return any(part != GATEWAY for part in self._since)

    def cut_off(self, heard_at: float) -> bool:
        """Whether something is in the way of whoever was last heard then: since the gateway is down, who is heard does
        not come through it.
        """
        return any(part != GATEWAY or heard_at <= since for part, since in self._since.items())

    def began(self, part: str, at: float) -> None:
        """A part of ours is down; said again while it is, that changes nothing."""
        self._since.setdefault(part, at)

    def ended(self, part: str, now: float) -> None:
        """It is up again."""
        since = self._since.pop(part, None)
        if since is not None:
            self._due.append((part, since, now - since))

    def lasted(self, part: str, seconds: float) -> None:
        """One was noticed when it was over."""
        self._due.append((part, _ALWAYS, seconds))

    def due(self, shortest: float) -> Over | None:
        """Say what is over and was long enough for a pardon, once; None where there is nothing."""
        due, self._due = self._due, []
        long = [one for one in due if one[2] >= shortest]
        if not long:
            return None
        what = " and ".join(f"{part} was down for {seconds:.1f} s" for part, _, seconds in long)
        return Over(what, max(since if part == GATEWAY else _ALWAYS for part, since, _ in long))
