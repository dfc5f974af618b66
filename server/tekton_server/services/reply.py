"""What a handler says besides its message: the HTTP status of a REST reply."""

from __future__ import annotations

from contextvars import ContextVar

_status: ContextVar[int | None] = ContextVar("tekton_reply_status", default=None)


def http_status(status: int) -> None:
    """Set the HTTP status of this reply where REST is spoken."""
    _status.set(status)


def take_http_status() -> int | None:
    """Give the status that the handler set."""
    return _status.get()


def begin() -> None:
    """Forget what an earlier call on this task set."""
    _status.set(None)
