"""What came of a request to a model, in the words of whoever made it, and what counts against the model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from tekton.core.errors import ValidationError
from tekton_server.domain import limits
from tekton_server.domain.validation import Violation, refuse, violation

_DAY = 86_400.0


class ErrorClass(StrEnum):
    """What kind of failure it was. The last four are the caller's own and say nothing of the model."""

    ERROR = "error"
    SERVER_ERROR = "server_error"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    AUTH = "auth"
    INVALID_REQUEST = "invalid_request"
    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTERED = "content_filtered"
    CANCELLED = "cancelled"


OWN = frozenset(
    (ErrorClass.INVALID_REQUEST, ErrorClass.CONTEXT_LENGTH, ErrorClass.CONTENT_FILTERED, ErrorClass.CANCELLED)
)
"""Failures that are the caller's own."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request. `latency_ms` and `cost` (US dollars) are None where nobody measured them.

    `retry_after`: after how many seconds the model's provider wants to be asked again.
    """

    model_id: str
    task_type: str
    ok: bool
    latency_ms: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    error_class: ErrorClass = ErrorClass.ERROR
    retry_after: float | None = None

    @property
    def failed(self) -> bool:
        """Whether it counts against the model."""
        return not self.ok and self.error_class not in OWN


def check_outcome(outcome: Outcome) -> None:
    """Refuse an outcome that is malformed, naming every field that is wrong.

    Raises:
        ValidationError: naming the fields.
    """
    refuse(ValidationError, list(_malformed(outcome)))


def _malformed(outcome: Outcome) -> Iterator[Violation]:
    for name, most in (("latency_ms", _DAY * 1000), ("cost", limits.MODEL_DOLLARS), ("retry_after", _DAY)):
        number = getattr(outcome, name)
        if number is not None and not (math.isfinite(number) and 0 <= number <= most):
            yield violation(name, f"must be between 0 and {most:.0f}", "range", limit=most)
    for name in ("input_tokens", "output_tokens"):
        if getattr(outcome, name) < 0:
            yield violation(name, "must not be negative", "range", limit=0)
