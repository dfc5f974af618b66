"""How long a component may take to become ready, and how it gets more time."""

from __future__ import annotations

from tekton.core.errors import ValidationError
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Change, InstanceChange

EXTENDED = "startup_extended"
"""The reason of a change by which an instance asked for more time and nothing else."""
EXTEND_AT_MOST = 3600.0
"""Seconds: what one report may ask for, and what all of them together add to a start-up timeout."""
STARTING_UP = (ComponentState.REGISTERING, ComponentState.INITIALIZING, ComponentState.STARTING)
_KEY = "extend_startup_seconds"


def deadline(began: float, timeout: float, asked_until: float) -> float:
    """Give when the patience with a start ends; all on one clock.

    As EXTEND_TIMEOUT_USEC of sd_notify(3): `asked_until` is so many seconds after the last report that asked for them,
    and what there is already is never made less. Unlike there, there is an end to it.
    """
    given = began + timeout
    return max(given, min(asked_until, given + EXTEND_AT_MOST))


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
    if seconds and state not in STARTING_UP:
        allowed = [one.value for one in STARTING_UP]
        message = f"is for an instance that is {', '.join(allowed[:-1])} or {allowed[-1]}, not {state}"
        raise ValidationError.of(_KEY, message, "state", allowed=allowed)
