"""What instances have asked for: more time to start. Known wherever the journal is followed."""

from __future__ import annotations

import math

from tekton.core.view import Commit, InstanceChange
from tekton_server.domain.startup import STARTING_UP, asked_for
from tekton_server.live.lease import Clock


class Extensions:
    """Until when each instance that starts has asked to be waited for, by our clock."""

    def __init__(self, now: Clock) -> None:
        self._now = now
        self._until: dict[str, float] = {}

    def until(self, instance_uuid: str) -> float:
        """Give until when; minus infinity where it never asked."""
        return self._until.get(instance_uuid, -math.inf)

    def on_commit(self, commit: Commit) -> None:
        """Follow the journal."""
        for change in commit.changes:
            if not isinstance(change, InstanceChange):
                continue
            asked = asked_for(change)
            if asked is not None:
                self._until[change.key] = max(self.until(change.key), self._now() + asked)
            if self._until and (change.new is None or change.new.state not in STARTING_UP):
                self._until.pop(change.key, None)
