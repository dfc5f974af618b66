"""What came back, in one form for every transport, and without what is different in every run."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from tekton.core.errors import BY_REASON
from tests.support.sse import Event

Json = dict[str, Any]

_MARKS = {"PHASE_SNAPSHOT_END": "snapshot_end", "PHASE_BOOKMARK": "bookmark", "PHASE_RESET": "reset"}
_DIFFERENT = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"), "<time>"),
    (re.compile(r"\b\d{2,}:\d\d:\d\d\b"), "<clock>"),
    # The history is another one in every run; its revisions are the same.
    (re.compile(r"\b[0-9a-f]{8}\.(\d+)\b"), r"<history>.\1"),
)


class Answer(NamedTuple):
    """The end of a call."""

    status: int | str
    """Of HTTP over REST, and of gRPC elsewhere."""
    body: Json
    """The reply as JSON; a failure as REST has it; what is no JSON as `content_type` and `text`."""
    revision: str
    """`tekton-revision`; empty where nobody said it."""


def failure(status: str, message: str, details: Iterable[tuple[str, bytes]], revision: str) -> Answer:
    """Make the documented body of a failed RPC from its details, which must agree with one another."""
    found = {kind.rpartition("/")[2]: value for kind, value in details}
    assert "google.rpc.ErrorInfo" in found, f"{status} {message!r} has no ErrorInfo"
    info = ErrorInfo.FromString(found["google.rpc.ErrorInfo"])
    facts = json.loads(info.metadata["details"])
    assert info.domain == "tekton"
    fields = BadRequest.FromString(found.get("google.rpc.BadRequest", b"")).field_violations
    told = [(one["field"], one["message"]) for one in facts.get("violations", ())]
    assert [(one.field, one.description) for one in fields] == told
    retry_after = RetryInfo.FromString(found.get("google.rpc.RetryInfo", b"")).retry_delay.seconds
    # Where the time depends on the case, the details tell it too.
    assert retry_after == facts.get("retry_after", BY_REASON[info.reason].retry_after or 0)
    error = {"message": message, "code": int(info.metadata["code"]), "reason": info.reason}
    error |= {"component": info.metadata["component"], "details": facts}
    return Answer(status, {"success": False, "error": error}, revision)


def reply(message: Json) -> Json:
    """Give a reply's JSON as it is, and a google.api.HttpBody as what it brings."""
    if message.keys() >= {"content_type", "data"}:
        return {"content_type": message["content_type"], "text": decoded(message["data"]).decode()}
    return message


def decoded(text: str) -> bytes:
    """Read base64, with or without its padding."""
    return base64.b64decode(text + "=" * (-len(text) % 4))


def events(message: Json, last_id: str) -> Iterator[Event]:
    """Take the message of a watch apart into the events that a client of the twin for REST sees.

    The token is on the last of them, and until then the client remembers the one before.
    """
    found = list(_events(message))
    for position, (name, data) in enumerate(found):
        last = position == len(found) - 1
        yield Event(name, data, (last and message.get("resume_token")) or last_id)


def _events(message: Json) -> Iterator[tuple[str, Json]]:
    if "phase" in message:
        if message["phase"] in _MARKS:
            yield _MARKS[message["phase"]], {"revision": message["revision"]}
        name = "snapshot" if message["phase"] == "PHASE_SNAPSHOT" else "registry"
        yield from ((name, event) for event in message["events"])
    elif "changes" in message:
        if message["reset"] or not message["changes"]:
            yield "reset" if message["reset"] else "bookmark", {"revision": message["revision"]}
        yield from (("state_change", change) for change in message["changes"])
    else:
        yield message["event"], message


def settled(value: Any, loose: frozenset[str]) -> Any:
    """Give a value with marks in place of what is different in every run."""
    if isinstance(value, dict):
        return {key: kind(one) if key in loose else settled(one, loose) for key, one in value.items()}
    if isinstance(value, list):
        return [settled(one, loose) for one in value]
    if isinstance(value, str):
        for pattern, mark in _DIFFERENT:
            value = pattern.sub(mark, value)
        return value
    # A whole number is the same with and without a fraction; true is not 1.
    return value if isinstance(value, bool) or value is None else float(value)


def kind(value: Any) -> str:
    """Name the JSON type of a value."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "<number>" if number else f"<{type(value).__name__}>"
