"""Errors as components report them, and what such a report must be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from tekton.core.errors import ValidationError
from tekton_server.domain import limits
from tekton_server.domain.validation import Violation, check_metadata, check_text, refuse, violation


class ErrorReport(msgspec.Struct, frozen=True, kw_only=True):
    """An error that an instance met. `at` is by its own clock; None: when it is reported."""

    component_id: str
    instance_uuid: str
    error_type: str
    message: str = ""
    code: str = ""
    at: datetime | None = None
    stack_trace: str = ""
    context: dict[str, Any] = {}


def check_report(report: ErrorReport) -> None:
    """Refuse a report that is malformed. Messages and traces may hold anything that can be stored, line breaks as well.

    Raises:
        ValidationError: naming the field.
    """
    if not report.error_type.strip():
        raise ValidationError.of("error_type", "is required, such as ValueError", "required")
    check_text("error_type", report.error_type, limits.ERROR_TYPE_CHARS)
    check_text("code", report.code, limits.ITEM_CHARS)
    refuse(ValidationError, list(_texts(report)))
    check_metadata("context", report.context, limits.ERROR_CONTEXT_BYTES)


def _texts(report: ErrorReport) -> Iterator[Violation]:
    for field, most in (("message", limits.ERROR_MESSAGE_CHARS), ("stack_trace", limits.STACK_TRACE_CHARS)):
        text = getattr(report, field)
        if len(text) > most:
            yield violation(field, f"must have at most {most} characters", "max_length", limit=most)
        elif "\0" in text:
            yield violation(field, f"must not contain NUL: at index {text.index(chr(0))}", "characters")
