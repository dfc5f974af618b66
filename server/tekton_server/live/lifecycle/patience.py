"""How long a launch that is to stop is left to itself: until its work is done, and after the signal."""

from __future__ import annotations

from datetime import datetime

from tekton.core.lifecycle import ComponentState
from tekton.core.records import CommandState
from tekton.core.view import InstanceCommand, Launch
from tekton_server.domain.launch_ends import SHUTDOWN
from tekton_server.live.lifecycle.site import Site

# From its goodbye to the end of a process, and at least as long from the signal to the end; in seconds.
SETTLE = 5.0
# What a kill, and the record of an end, take at most.
_KILL, _RECORD = 15.0, 1.0
# So many intervals of beats an answer may take where the command comes with the reply to a beat.
_BEATS = 1.5


def before_signals(site: Site, launch: Launch) -> float:
    """Give how many seconds a stopping launch still has until it is signalled.

    Until its deadline where it accepted the command, for some beats where it has not answered yet, and for a moment
    once it has said goodbye. A process that cannot be told, or refused, is signalled at once.
    """
    now, left = site.now(), _left(site, launch)
    instance = site.view.instance(launch.instance_uuid)
    told = _told(site, launch)
    if instance is not None and instance.state is ComponentState.STOPPED:
        said = _since(instance.ended_at or instance.state_since, now)
        return min(left, SETTLE - said)
    if instance is None or not instance.leased or told is None:
        return 0.0
    if told.state is CommandState.ACCEPTED:
        return left
    if told.pending:
        return min(left, _BEATS * site.leases.timing.interval - _since(told.issued_at, now))
    return 0.0


def after_signal(site: Site, launch: Launch) -> float:
    """Give how many seconds it has to end once it is signalled: what it has left, or a moment of its own."""
    return max(_left(site, launch), min(SETTLE, _given(launch)))


def longest(seconds: float, *, force: bool) -> float:
    """Give after how many seconds a stop that gives so many is over, or will not be."""
    return seconds + min(SETTLE, seconds) + (_KILL if force else _RECORD)


def _left(site: Site, launch: Launch) -> float:
    if launch.stop_by is None:
        return 0.0
    # Where two clocks disagree, nobody gets more than was given.
    return min(_given(launch), max(0.0, (launch.stop_by - site.now()).total_seconds()))


def _given(launch: Launch) -> float:
    return max(0.0, (launch.stop_by - launch.since).total_seconds()) if launch.stop_by else 0.0


def _since(at: datetime, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds())


def last_word(site: Site, instance_uuid: str) -> InstanceCommand | None:
    """Find the last command to end that an instance was given."""
    found = [one for one in site.view.commands.of(instance_uuid) if one.kind in SHUTDOWN]
    return found[-1] if found else None


def _told(site: Site, launch: Launch) -> InstanceCommand | None:
    """Find the last command to end that the instance of a launch was given, if that is not over for long."""
    last = last_word(site, launch.instance_uuid)
    return last if last is not None and last.deadline > launch.since else None
