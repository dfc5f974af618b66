"""Who waits to be healed, and how: what the view says of each, kept so that a moment is noticed once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import SERVING, ComponentState
from tekton.core.view import Instance, Launch, LaunchDesired, LaunchPhase, View
from tekton_server.domain.decide import EXPIRED
from tekton_server.domain.launch_spec import Restart
from tekton_server.domain.launches import instance_of
from tekton_server.live.healing.hands import Hands
from tekton_server.live.healing.steady import Steady

_OVERDUE = "it was not ready within its start-up timeout"


class Job(StrEnum):
    """What healing does to a component."""

    AGAIN = "again"
    """It ended: it is started again."""
    END = "end"
    """Its process lives and is of no use: it is stopped, which makes it one that ended."""
    REPLACE = "replace"
    """It is well, and what it depends on was started again: it is stopped and started."""


class Wait(NamedTuple):
    """One that waits. `mark` is what it waits for: with another one it begins to wait anew. `why` goes into the log."""

    job: Job
    due: datetime
    mark: int
    why: str


class Waits:
    """By lookup key. `patience` is how long an instance may say that it failed before it is taken at its word."""

    def __init__(self, view: View, hands: Hands, clock: Steady, patience: float, *, auto_recover: bool) -> None:
        self._view = view
        self._hands = hands
        self._clock = clock
        self._patience = timedelta(seconds=patience)
        self._auto_recover = auto_recover
        self.waiting: dict[str, Wait] = {}
        self._overdue: dict[str, int] = {}
        self._replaced: dict[str, int] = {}

    def assess(self, key: str) -> None:
        """Look at a component of which something has changed."""
        launch = self._view.launches.get(key)
        if launch is None:
            self._overdue.pop(key, None)
            self._replaced.pop(key, None)
        wait = self._wait(key, launch) if launch is not None and self.healed(launch) else None
        known = self.waiting.get(key)
        if wait is None:
            self.waiting.pop(key, None)
        elif known is None or (known.job, known.mark) != (wait.job, wait.mark):
            self.waiting[key] = wait

    def policy(self, launch: Launch) -> Restart | None:
        """Give the restart policy of a launch that is ours."""
        spec = self._hands.spec(launch.component_id) if self._hands.ours(launch) else None
        return spec.restart if spec is not None else None

    def healed(self, launch: Launch) -> bool:
        """Whether a launch is healed when it fails."""
        policy = self.policy(launch)
        return policy is not None and policy.policy != "never" and launch.desired is LaunchDesired.RUNNING

    def starting(self, launch: Launch) -> bool:
        """Whether a launch has a start-up to be watched: it runs, and its instance is on its way to serve."""
        instance = instance_of(self._view, launch)
        late = self._overdue.get(lookup_key(launch.component_id)) == launch.epoch
        return launch.phase is LaunchPhase.RUNNING and self.healed(launch) and not late and _on_its_way(instance)

    def overdue(self, key: str, launch: Launch) -> None:
        """The start-up timeout of a launch has passed."""
        self._overdue[key] = launch.epoch
        self.assess(key)

    def forgive(self, at_work: Collection[str]) -> set[str]:
        """Forget who was overdue and is not being stopped for it yet; give the keys of those."""
        late = {key for key, wait in self.waiting.items() if wait.job is Job.END and wait.why == _OVERDUE}
        for key in late.difference(at_work):
            self._overdue.pop(key, None)
            del self.waiting[key]
        return late.difference(at_work)

    def replace(self, key: str, launch: Launch, why: str) -> bool:
        """Have one that is well started again, where its policy allows; tell whether it will be."""
        if not self._auto_recover or not self.healed(launch) or launch.phase is not LaunchPhase.RUNNING:
            return False
        self._replaced[key] = launch.epoch
        self.waiting[key] = Wait(Job.REPLACE, self._clock.now(), launch.epoch, why)
        return True

    def put_off(self, key: str, seconds: float) -> None:
        """Let one that waits wait so much longer: what was tried came to nothing."""
        if key in self.waiting:
            later = self._clock.now() + timedelta(seconds=seconds)
            self.waiting[key] = self.waiting[key]._replace(due=later)

    def _wait(self, key: str, launch: Launch) -> Wait | None:
        now = self._clock.now()
        if launch.phase is LaunchPhase.BACKOFF and launch.next_attempt_at is not None:
            policy = self.policy(launch)
            longest = policy.backoff.max if policy else 0.0
            return Wait(Job.AGAIN, self._clock.translated(launch.next_attempt_at, most=longest), launch.epoch, "")
        if launch.phase is not LaunchPhase.RUNNING:
            return None
        instance = instance_of(self._view, launch)
        if instance is not None and instance.state is ComponentState.FAILED:
            if not instance.leased and instance.reason == EXPIRED:
                return Wait(Job.END, now, instance.revision, "it hung: no heartbeat came for its whole timeout")
            if instance.leased:
                return Wait(Job.END, now + self._patience, instance.revision, "it said that it failed, and stayed so")
            return None
        if self._overdue.get(key) == launch.epoch and _on_its_way(instance):
            return Wait(Job.END, now, launch.epoch, _OVERDUE)
        if self._replaced.get(key) == launch.epoch:
            return self.waiting.get(key)
        return None


def _on_its_way(instance: Instance | None) -> bool:
    if instance is None:
        return True
    ended = (*SERVING, ComponentState.FAILED, ComponentState.STOPPING, ComponentState.STOPPED)
    return instance.leased and instance.state not in ended
