"""How long a component may take to become ready, and how it gets more time."""

from __future__ import annotations

from tekton.core.errors import ValidationError
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Change, InstanceChange

EXTENDED = "startup_extended"
"""The reason of a change by which an instance asked for more time and nothing else."""
EXTEND_AT_MOST = 3600.0
"""Seconds: what one report may ask for, and what all of them together add to a start-up timeout."""
_KEY = "extend_startup_seconds"
_STARTING_UP = (ComponentState.REGISTERING, ComponentState.INITIALIZING, ComponentState.STARTING)


class StartupClock:
    """When the patience with one start ends, on the clock of whoever waits.

    As EXTEND_TIMEOUT_USEC of sd_notify(3): a report asks for so many seconds from when it is made, again and again;
    what there is already is never made less. Unlike there, there is an end to it.
    """

    def __init__(self, began: float, timeout: float) -> None:
        self.began = began
        self.ends = began + timeout
        self.last = self.ends + EXTEND_AT_MOST
        self.timeout = timeout

    def heard(self, change: Change, now: float) -> None:
        """Take note of a change of the instance that starts."""
        asked = asked_for(change)
        if asked is not None:
            self.ends = min(max(self.ends, now + asked), self.last)


def asked_for(change: Change) -> float | None:
    """Give how many seconds more an instance asks for by a change; None where it does not."""
    # Anybody may write the same key into a report's metadata; what is no number of ours means nothing.
    asked = change.cause.evidence.get(_KEY) if isinstance(change, InstanceChange) else None
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not 0 < asked <= EXTEND_AT_MOST:
        return None
    return float(asked)


def evidence_of(seconds: float) -> dict[str, float]:
    """Give how a report's request is kept with its change."""
    return {_KEY: seconds} if seconds else {}


def check_extension(seconds: float, state: ComponentState) -> None:
    """Refuse a request that makes no sense; 0 is none.

    Raises:
        ValidationError: it is not within its bounds, or the instance does not start up.
    """
    if not 0 <= seconds <= EXTEND_AT_MOST:
        most = int(EXTEND_AT_MOST)
        raise ValidationError.of(_KEY, f"must be between 0 and {most}", "range", limit=most)
    if seconds and state not in _STARTING_UP:
        allowed = [one.value for one in _STARTING_UP]
        message = f"is for an instance that is {', '.join(allowed[:-1])} or {allowed[-1]}, not {state}"
        raise ValidationError.of(_KEY, message, "state", allowed=allowed)
