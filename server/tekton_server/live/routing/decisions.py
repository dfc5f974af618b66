"""The decisions of late: kept so that they can be explained, and so that what came of them finds its model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime

import msgspec

from tekton.core.breaker import Permit
from tekton_server.domain.routing.decision import Decision
from tekton_server.domain.routing.explanation import Explanation, explain
from tekton_server.live.lease import Clock

# Some hundred bytes for each model that would have done.
MOST_ROWS = 200_000
# A request that was to try a model, and of which nothing was heard for so long, is nobody's any more.
PROBE_TIMEOUT = 60.0
# How many models one decision is told the outcome of: the chosen one and its fallbacks.
_MOST_REPORTS = 16


class Decided:
    """A decision that was given to somebody, be it that there is no model.

    `permit`: it is to try its model; `reported` are the models told of.
    """

    __slots__ = ("at", "decided_at", "decision", "decision_id", "permit", "reported", "rows")

    def __init__(
        self, decision_id: str, decision: Decision, permit: Permit | None, at: float, decided_at: datetime
    ) -> None:
        self.decision_id = decision_id
        self.decision = decision
        self.permit = permit
        self.at = at
        self.decided_at = decided_at
        self.reported: set[str] = set()
        self.rows = 1 + len(decision.resting) + len(decision.absent) + sum(map(len, decision.usable))

    @property
    def model_id(self) -> str:
        """The model that was chosen."""
        chosen = self.decision.chosen
        return chosen.model.model_id if chosen is not None else ""

    def explanation(self) -> Explanation:
        """Explain it."""
        told, decision = explain(self.decision), self.decision
        whose = (self.decision_id, self.decided_at, decision.task, self.model_id, decision.flagged)
        return Explanation(*whose, tuple(told), len(decision.models))

    def report(self, model_id: str) -> bool:
        """Whether an outcome is the first of this model, so that it counts."""
        if model_id in self.reported or len(self.reported) >= _MOST_REPORTS:
            return False
        self.reported.add(model_id)
        return True


class Decisions:
    """Kept for a while, in the order in which they were made; the oldest make room where there are too many."""

    def __init__(self, retention: float, clock: Clock) -> None:
        self._retention = retention
        self._clock = clock
        self._kept: dict[str, Decided] = {}
        self._trying: deque[Decided] = deque()
        self._rows = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, decided: Decided) -> None:
        """Keep one."""
        self._kept[decided.decision_id] = decided
        self._rows += decided.rows
        if decided.permit is not None:
            self._trying.append(decided)
        self.sweep()

    def get(self, decision_id: str) -> Decided | None:
        """Find one; None where it is not of this server, or its time is over."""
        self.sweep()
        return self._kept.get(decision_id)

    def sweep(self) -> None:
        """Forget those whose time is over, and give back what they were to try."""
        now = self._clock()
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if self._rows <= MOST_ROWS and now - oldest.at < self._retention:
                break
            del self._kept[oldest.decision_id]
            self._rows -= oldest.rows
        while self._trying and (_settled(self._trying[0]) or now - self._trying[0].at >= PROBE_TIMEOUT):
            permit = self._trying.popleft().permit
            if permit is not None:
                permit.abandon()


def _settled(decided: Decided) -> bool:
    return decided.permit is None or decided.permit.settled


class Shelf:
    """Explanations on their way to the database, for the other servers: the newest, and not more than a few hundred."""

    MOST = 400

    def __init__(self) -> None:
        self._waiting: dict[str, Callable[[], Explanation]] = {}

    def put(self, decided: Decided) -> None:
        """Store one with the next flush."""
        self._waiting[decided.decision_id] = decided.explanation
        if len(self._waiting) > self.MOST:
            del self._waiting[next(iter(self._waiting))]

    def take(self) -> dict[str, str]:
        """Take what waits, as JSON."""
        waiting, self._waiting = self._waiting, {}
        return {decision_id: msgspec.json.encode(make()).decode() for decision_id, make in waiting.items()}
