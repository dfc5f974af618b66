"""What healing does about a component that Tekton launched, in words."""

from __future__ import annotations

from tekton.core.view import Launch, LaunchPhase


def words(launch: Launch) -> str:
    """Say how it ended and how it goes on; empty where its process runs, or nothing more is to come."""
    if launch.phase is LaunchPhase.GAVE_UP:
        restarts = _times(len(launch.restarts), "restart")
        return (
            f"{_ended(launch)}, and Tekton gave up on it after {restarts} (gave_up); "
            f"tekton start {launch.component_id} starts it again"
        )
    if launch.phase is LaunchPhase.BACKOFF and launch.next_attempt_at is not None:
        when = launch.next_attempt_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        before = f", after {_times(launch.restart_count, 'restart')}" if launch.restart_count else ""
        return f"{_ended(launch)}, and is started again from {when} on{before}"
    return ""


def pending(launch: Launch) -> str:
    """Say how far a launch is that has not been heard of."""
    if launch.phase is LaunchPhase.CLAIMED:
        return "it is about to be launched"
    if launch.phase is LaunchPhase.STOPPING:
        return "its program runs, and is asked to stop"
    return f"its program runs and has not registered yet; tekton logs {launch.component_id} has what it writes"


def notes(launch: Launch, held: str) -> list[str]:
    """Say what else is known of its restarts; `held` is why one that is due is not made yet, if it is."""
    told = []
    if held:
        told.append(f"its restart waits: {held}")
    if launch.active and launch.restart_count:
        told.append(f"it was started again {_times(launch.restart_count, 'time')} since it was well")
    return told


def _ended(launch: Launch) -> str:
    return f"its process ended ({launch.last_exit})" if launch.last_exit else "its process ended"


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
