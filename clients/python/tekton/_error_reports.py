"""An application's report of an error as the message that is sent: nothing in it that is odd may cost the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tekton import _given
from tekton.core.errors import ValidationError
from tekton.core.text import told
from tekton.v1 import error_report_service_pb2 as pb

_KNOWN = frozenset(pb.ReportErrorRequest.DESCRIPTOR.fields_by_name)
# The server's own limits.
_MESSAGE, _TRACE, _TYPE, _CODE, _CONTEXT = 4096, 32_768, 256, 128, 64
_CUT = "… {} characters left out …\n"
_VALUE_CHARS, _LEVELS = 500, 4
# A little less than the server takes.
_CONTEXT_BYTES = 8000


def error_report(report: Mapping[str, Any]) -> pb.ReportErrorRequest:
    """Make the message.

    Raises:
        ValidationError: this is no dict, or does not say whose error it is and of which kind.
    """
    if not isinstance(report, Mapping):
        raise ValidationError.of("error_report", f"must be a dict, not {_given.shown(report)}", "type")
    context = report.get("context")
    facts = dict(context) if isinstance(context, Mapping) else {} if context is None else {"context": context}
    facts |= {key: value for key, value in report.items() if key not in _KNOWN}
    message = pb.ReportErrorRequest(
        component_id=_given.text("component_id", report.get("component_id")),
        instance_uuid=_given.text("instance_uuid", report.get("instance_uuid")),
        error_type=_line(_given.text("error_type", report.get("error_type")), _TYPE),
        message=_text(report.get("message"), _MESSAGE)[:_MESSAGE],
        code=_line(_text(report.get("code"), _CODE), _CODE),
        # Where it ended is what somebody looks for.
        stack_trace=_end(_text(report.get("stack_trace"), 2**20)),
        timestamp=_timestamp(report.get("timestamp")),
    )
    message.context.update(_within(_plain(facts, _LEVELS)))
    return message


def _within(facts: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is too much for one report."""
    kept: dict[str, Any] = {}
    for key, value in facts.items():
        if len(json.dumps(kept | {key: value}).encode()) > _CONTEXT_BYTES:
            return kept | {"left_out": float(len(facts) - len(kept))}
        kept[key] = value
    return kept


def _text(value: object, most: int) -> str:
    """Give any value as text that can be sent and stored."""
    text = "" if value is None else told(value)
    return text[:most].encode(errors="backslashreplace").decode().replace("\0", "\\0")


def _line(text: str, most: int) -> str:
    """Give text without anything that a name may not hold."""
    return "".join(one if one.isprintable() else " " for one in text)[:most]


def _end(trace: str) -> str:
    if len(trace) <= _TRACE:
        return trace
    kept = trace[-(_TRACE - 64) :]
    return _CUT.format(len(trace) - len(kept)) + kept


def _timestamp(value: object) -> Timestamp | None:
    """Read a time; one that is none is that of the report."""
    found = Timestamp()
    try:
        if isinstance(value, datetime):
            found.FromDatetime(value if value.tzinfo else value.replace(tzinfo=UTC))
        elif _given.finite(value):
            found.FromMicroseconds(round(value * 1e6))
        elif isinstance(value, str):
            found.FromJsonString(value)
        else:
            return None
        found.ToDatetime()
    except (ValueError, OverflowError):
        return None
    return found


def _plain(value: Any, levels: int) -> Any:
    """Give values that JSON has a form for: what it has none for, or is too deep or long, is told as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < 2**53:
        return float(value)
    if isinstance(value, Mapping) and levels:
        items = list(value.items())[:_CONTEXT]
        return {_line(_text(key, _VALUE_CHARS), _VALUE_CHARS): _plain(one, levels - 1) for key, one in items}
    if isinstance(value, list | tuple) and levels:
        return [_plain(one, levels - 1) for one in value[:_CONTEXT]]
    return _text(value, _VALUE_CHARS)
