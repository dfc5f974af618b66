"""What the comments say of errors, as responses.

The grammar is "Errors: none." or "Errors: reason words, reason words; reason words.": each part begins with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tekton.core.errors import (
    ALL,
    BY_REASON,
    ForbiddenError,
    TektonError,
    TektonTimeoutError,
    TooLargeError,
    UnavailableError,
    ValidationError,
)

Json = dict[str, Any]

_MARK = re.compile(r"\s*\bErrors(?: of the call)?:\s*")
_Row = tuple[int, type[TektonError], str]
BODY = "ErrorBody"


class UnknownReasonError(Exception):
    """A comment names an error that there is not; the text is where and which."""


def split(comment: str) -> tuple[str, str | None]:
    """Part a comment into what it says of the call and what it says of its errors; None: nothing."""
    parts = _MARK.split(comment, maxsplit=1)
    return parts[0], parts[1] if len(parts) == 2 else None


def named(errors: str | None) -> list[type[TektonError]]:
    """Give the classes that the errors part of a comment names.

    Raises:
        UnknownReasonError: a part of it begins with something else.
    """
    if errors is None or errors.startswith("none"):
        return []
    first_words = [part.split()[0].rstrip(".") for part in re.split("[,;]", errors) if part.strip()]
    unknown = [word for word in first_words if word not in BY_REASON]
    if unknown:
        raise UnknownReasonError(f"{unknown[0]} is no reason, in: {errors}")
    return [BY_REASON[word] for word in first_words]


def responses(errors: str | None, *, with_body: bool, streams: bool = False) -> Json:
    """Give the failures of a call by HTTP status: those its comment names, and those that any such call may meet."""
    by_status: dict[int, dict[type[TektonError], str]] = {}
    for cls in named(errors):
        by_status.setdefault(cls.http_status, {})[cls] = _sentence(cls)
    for status, cls, sentence in _met_by_all(with_body=with_body, streams=streams):
        by_status.setdefault(status, {})[cls] = f"{_sentence(cls)} {sentence}".strip()
    return {str(status): _response(by_status[status]) for status in sorted(by_status)}


def _met_by_all(*, with_body: bool, streams: bool) -> Iterator[_Row]:
    """Give what may answer whatever is called: the gateway before it asks the server, or a fault of ours."""
    body = "the content type is not `application/json`, the body is no JSON object of this call, or " * with_body
    parameter = "a parameter is unknown, has the wrong type or stands in the wrong place."
    yield 400, ValidationError, f"So it is where {body}{parameter}"
    yield 403, ForbiddenError, "Pages of others may not: `Host` must be a name of the gateway, and `Origin` the same."
    yield 413, TooLargeError, "Here it is the body."
    yield 426, ValidationError, "Here it is HTTP/1.0: use HTTP/1.1 or HTTP/2."
    yield 431, TooLargeError, "Here it is the headers, with path and query."
    yield 500, TektonError, ""
    yield 503, UnavailableError, ""
    if not streams:  # they have no deadline
        yield 504, TektonTimeoutError, ""


def examples() -> dict[str, Json]:
    """Give a body for each reason."""
    return {cls.default_reason: _example(cls) for cls in ALL}


def _example(cls: type[TektonError]) -> Json:
    sentence = _sentence(cls)
    statuses = {"x-http-status": cls.http_status, "x-grpc-status": cls.grpc_status}
    return {"summary": sentence, "value": cls(sentence).body()} | statuses


def _response(sentences: Mapping[type[TektonError], str]) -> Json:
    reasons = [cls.default_reason for cls in sentences]
    lines = [f"`{cls.default_reason}` ({cls.number}): {sentence}" for cls, sentence in sentences.items()]
    response: Json = {
        "description": "\n\n".join(lines),
        "content": {
            "application/json": {
                "schema": {"$ref": f"#/components/schemas/{BODY}"},
                "examples": {reason: {"$ref": f"#/components/examples/{reason}"} for reason in reasons},
            }
        },
    }
    if any(cls.retry_after is not None for cls in sentences):
        about = "After how many seconds to try again."
        response["headers"] = {"Retry-After": {"description": about, "schema": {"type": "integer"}}}
    return response


def _sentence(cls: type[TektonError]) -> str:
    """Give the first sentence about an error, without the number that stands before it."""
    if cls is TektonError:
        return "A fault of ours; the server's log has the cause under `details.request_id`."
    text = " ".join((cls.__doc__ or "").split())
    first = re.split(r"(?<=\.) ", re.sub(r"^\d{4}: ", "", text))[0]
    return first[:1].upper() + first[1:]
