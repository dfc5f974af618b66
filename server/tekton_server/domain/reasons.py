"""Why an instance is in its state, in words: Tekton's own reasons, and those of others as they are."""

from __future__ import annotations

from collections.abc import Mapping

from tekton_server.domain.busy import BLOCKED
from tekton_server.domain.constraints import OVER_LIMIT
from tekton_server.domain.decide import EXPIRED
from tekton_server.domain.dependents import WITH_AGAIN, WITHOUT
from tekton_server.domain.healing import GAVE_UP
from tekton_server.domain.startup import EXTENDED

_WORDS: Mapping[str, str] = {
    "registered": "it has registered and said no more since",
    "reported": "it said so itself",
    EXPIRED: "no heartbeat came for its whole timeout",
    BLOCKED: "its event loop is blocked",
    OVER_LIMIT: "it uses more than its resource constraints let it",
    GAVE_UP: "Tekton gave up on it",
    WITHOUT: "what it depends on has failed",
    WITH_AGAIN: "what it depends on serves again",
    "heartbeat_resumed": "it beats again after its timeout, and is on its way",
    EXTENDED: "it asked for more time to start",
    "deregistered": "it was deregistered",
    "goodbye": "it said goodbye",
    "superseded": "a newer instance at its address took its place",
    "replaced": "another component took its address",
    "process_exited": "its process ended",
    "startup_failed": "its program did not begin",
    "stop_requested": "it was asked to stop",
}


def words(reason: str) -> str:
    """Give a reason in words, with its name; one that Tekton does not know is that of who reported it."""
    if not reason:
        return "nobody said why"
    return f"{_WORDS[reason]} ({reason})" if reason in _WORDS else reason
