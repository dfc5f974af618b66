"""Whether a component that ended is started again, when, and when no more: the restart policy as one decision.

Sources of the rules:

* Pauses double from `backoff.initial` to `backoff.max` and begin anew once it was well for a period: Kubernetes'
  CrashLoopBackOff, whose period is twice the longest pause. Their jitter is full: see tekton.core.backoff.
* At most `burst` restarts within `interval` seconds, then none until an operator starts it: systemd's StartLimitBurst=
  and StartLimitIntervalSec=, the `attempts`, `interval` and mode "fail" of a restart block of Nomad, and FATAL of
  supervisord. The window slides, and being well does not empty it, so that what fails slowly for ever ends too.
* `on_failure` is any end but a clean one, and what was stopped because it hung or did not become ready is a failure,
  as a timeout and the watchdog are for systemd's Restart=on-failure. A signal from outside is one too, as for
  Kubernetes' OnFailure: nobody stops a component of Tekton's but by Tekton.
* Wanting it stopped wins over everything, as `systemctl stop` does.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from tekton.core.backoff import drawn
from tekton.core.view import Launch, LaunchDesired, LaunchPhase
from tekton_server.domain.launch_spec import Restart

# The reason of an instance that is not started again any more.
GAVE_UP = "gave_up"


class Verdict(NamedTuple):
    """How a launch goes on after its process ended. `next_attempt_at` is None unless the phase is backoff.

    A restart counts when it is made, so both counts are those from before.
    """

    phase: LaunchPhase
    next_attempt_at: datetime | None
    restart_count: int
    restarts: tuple[datetime, ...]


def after_exit(restart: Restart, launch: Launch, clean: bool, now: datetime, draw: float) -> Verdict:
    """Decide how a launch goes on of which nothing runs any more.

    `clean` is whether it ended by itself, and well; one that healing stopped did not. `draw` is chance, from [0, 1).
    """
    kept = within(launch.restarts, now, restart.interval)
    if launch.desired is LaunchDesired.STOPPED:
        return Verdict(LaunchPhase.ENDED, None, launch.restart_count, kept)
    if restart.policy == "never" or (restart.policy == "on_failure" and clean):
        return Verdict(LaunchPhase.ENDED, None, launch.restart_count, kept)
    if len(kept) >= restart.burst:
        return Verdict(LaunchPhase.GAVE_UP, None, launch.restart_count, kept)
    pauses = restart.backoff
    pause = drawn(launch.restart_count, draw, base=pauses.initial, ceiling=pauses.max)
    due = now + timedelta(seconds=pause)
    return Verdict(LaunchPhase.BACKOFF, due, launch.restart_count, kept)


def restarted(restart: Restart, launch: Launch, now: datetime) -> tuple[int, tuple[datetime, ...]]:
    """Count an automatic restart that is made now: give the new `restart_count` and `restarts`."""
    return launch.restart_count + 1, (*within(launch.restarts, now, restart.interval), now)


def well_at(restart: Restart, launch: Launch, serving_since: datetime) -> datetime | None:
    """Give when one that serves without a break since then counts as well again; None where nothing is to be forgotten.

    Its `restart_count` is 0 from then on. Its `restarts` stay: they grow old by themselves.
    """
    return serving_since + timedelta(seconds=restart.reset_after) if launch.restart_count else None


def within(restarts: tuple[datetime, ...], now: datetime, interval: float) -> tuple[datetime, ...]:
    """Give the restarts of the last `interval` seconds."""
    since = now - timedelta(seconds=interval)
    return tuple(at for at in restarts if at > since)
