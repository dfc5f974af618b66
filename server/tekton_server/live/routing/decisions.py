"""The decisions of late: kept so that they can be explained, and so that what came of them finds its model."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from datetime import datetime

import msgspec

from tekton.core.breaker import Permit
from tekton_server.domain.routing.decision import Decision
from tekton_server.domain.routing.explanation import Explanation, explain
from tekton_server.domain.routing.task import Task
from tekton_server.live.lease import Clock

# Some hundred bytes for each model that would have done.
MOST_ROWS = 200_000
# How many of those a decision weighs by itself, and a name that its task holds.
_ITSELF, _NAME = 10, 3
# What came of a decision is told after a while, when it may be too old to be explained: what that needs is small.
FOLLOWED_FOR, MOST_FOLLOWED = 600.0, 50_000
# A request that was to try a model, and of which nothing was heard for so long, is nobody's any more.
PROBE_TIMEOUT = 60.0
# How many models one decision is told the outcome of: the chosen one and its fallbacks.
_MOST_REPORTS = 16


class Followed:
    """What has to be known of a decision to count what came of it. `permit`: it is to try its model.

    `reported` are the models told of.
    """

    __slots__ = ("at", "flagged", "model_id", "permit", "reported", "task_type")

    def __init__(self, decision: Decision, permit: Permit | None, at: float) -> None:
        chosen = decision.chosen
        self.model_id = chosen.model.model_id if chosen is not None else ""
        self.task_type = decision.task.task_type
        self.flagged = decision.flagged
        self.permit = permit
        self.at = at
        self.reported: tuple[str, ...] = ()

    def report(self, model_id: str) -> bool:
        """Whether an outcome is the first of this model, so that it counts."""
        if model_id in self.reported or len(self.reported) >= _MOST_REPORTS:
            return False
        self.reported += (model_id,)
        return True


class Decided:
    """A decision as it can be explained, be it that there is no model."""

    __slots__ = ("decided_at", "decision", "decision_id", "followed", "rows")

    def __init__(
        self, decision_id: str, decision: Decision, permit: Permit | None, at: float, decided_at: datetime
    ) -> None:
        self.decision_id = decision_id
        self.decision = decision
        self.followed = Followed(decision, permit, at)
        self.decided_at = decided_at
        candidates = len(decision.resting) + len(decision.absent) + sum(map(len, decision.usable))
        self.rows = _ITSELF + _NAME * _names(decision.task) + candidates

    @property
    def model_id(self) -> str:
        """The model that was chosen; empty where none was."""
        return self.followed.model_id

    def explanation(self) -> Explanation:
        """Explain it."""
        told, decision = explain(self.decision), self.decision
        whose = (self.decision_id, self.decided_at, decision.task, self.model_id, decision.flagged)
        return Explanation(*whose, tuple(told), len(decision.models))


def _names(task: Task) -> int:
    wanted = len(task.capabilities) + len(task.providers) + len(task.exclude_providers) + len(task.exclude_models)
    return wanted + len(task.preferred_capabilities) + len(task.preferred_providers)


class Decisions:
    """Kept for a while, in the order in which they were made; the oldest make room where there are too many."""

    def __init__(self, retention: float, clock: Clock) -> None:
        self._retention = retention
        self._clock = clock
        self._kept: dict[str, Decided] = {}
        self._followed: dict[str, Followed] = {}
        self._trying: deque[Followed] = deque()
        self._rows = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, decided: Decided) -> None:
        """Keep one."""
        self._kept[decided.decision_id] = decided
        self._rows += decided.rows
        if decided.model_id:
            self._followed[decided.decision_id] = decided.followed
        if decided.followed.permit is not None:
            self._trying.append(decided.followed)
        self.sweep()

    def get(self, decision_id: str) -> Decided | None:
        """Find one; None where it is not of this server, or its time is over."""
        self.sweep()
        return self._kept.get(decision_id)

    def followed(self, decision_id: str) -> Followed | None:
        """Find what one needs to count what came of it, which is known longer; None as above."""
        self.sweep()
        return self._followed.get(decision_id)

    def sweep(self) -> None:
        """Forget those whose time is over, and give back what they were to try."""
        now = self._clock()
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if self._rows <= MOST_ROWS and now - oldest.followed.at < self._retention:
                break
            del self._kept[oldest.decision_id]
            self._rows -= oldest.rows
        while self._followed:
            decision_id, followed = next(iter(self._followed.items()))
            if len(self._followed) <= MOST_FOLLOWED and now - followed.at < max(FOLLOWED_FOR, self._retention):
                break
            del self._followed[decision_id]
        while self._trying and (_settled(self._trying[0]) or now - self._trying[0].at >= PROBE_TIMEOUT):
            permit = self._trying.popleft().permit
            if permit is not None:
                permit.abandon()


def _settled(followed: Followed) -> bool:
    return followed.permit is None or followed.permit.settled


class Shelf:
    """Explanations on their way to the database, for the other servers: the newest of each second.

    Each of their models takes some ten microseconds, so all of them weigh so much at most, but there is always one.
    """

    MOST = 20_000

    def __init__(self) -> None:
        self._waiting: deque[Decided] = deque()
        self._weight = 0

    def put(self, decided: Decided) -> None:
        """Store one with the next flush."""
        self._waiting.append(decided)
        self._weight += decided.rows + len(decided.decision.models)
        while self._weight > self.MOST and len(self._waiting) > 1:
            oldest = self._waiting.popleft()
            self._weight -= oldest.rows + len(oldest.decision.models)

    async def take(self) -> dict[str, str]:
        """Take what waits, as JSON. A thread makes it, and the loop goes on meanwhile."""
        waiting, self._waiting, self._weight = self._waiting, deque(), 0
        return await asyncio.to_thread(_encoded, waiting) if waiting else {}


def _encoded(some: Iterable[Decided]) -> dict[str, str]:
    return {one.decision_id: msgspec.json.encode(one.explanation()).decode() for one in some}
