"""Outages of our own: what is down now, so that nobody can be judged, and what was down for long enough to matter."""

from __future__ import annotations

from typing import NamedTuple

from tekton_server.live.lease import Timing

GATEWAY = "the gateway"
LOOP = "the server's own loop"
DATABASE = "the database"


def matters(timing: Timing) -> float:
    """Give how long an outage must last to cost anybody a beat that cannot be spared, in seconds."""
    return min(timing.interval, timing.timeout / 3)


class Over(NamedTuple):
    """What is over, in words, and whether it stood between us and everybody or only those behind the gateway."""

    what: str
    everybodys: bool


class Outages:
    """The outages there are, and those that are over and were not asked for yet. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._due: list[tuple[str, float]] = []

    def hold(self, *, by_gateway: bool) -> bool:
        """Whether something is down that beats have to come through, for those who come by the gateway or not."""
        return any(by_gateway or part != GATEWAY for part in self._since)

    def began(self, part: str, at: float) -> None:
        """A part of ours is down; said again while it is, that changes nothing."""
        self._since.setdefault(part, at)

    def ended(self, part: str, now: float) -> None:
        """It is up again."""
        since = self._since.pop(part, None)
        if since is not None:
            self._due.append((part, now - since))

    def lasted(self, part: str, seconds: float) -> None:
        """One was noticed when it was over."""
        self._due.append((part, seconds))

    def due(self, shortest: float) -> Over | None:
        """Say what is over and was long enough for a pardon, once; None where there is nothing."""
        due, self._due = self._due, []
        long = [(part, seconds) for part, seconds in due if seconds >= shortest]
        if not long:
            return None
        what = " and ".join(f"{part} was down for {seconds:.1f} s" for part, seconds in long)
        return Over(what, any(part != GATEWAY for part, _ in long))
