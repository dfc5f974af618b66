"""What the comments say of errors, as responses.

The grammar is "Errors: none." or "Errors: reason words, reason words; reason words.": each part begins with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tekton.core.errors import (
    ALL,
    BY_REASON,
    TektonError,
    TektonTimeoutError,
    TooLargeError,
    UnavailableError,
    ValidationError,
)

Json = dict[str, Any]

_MARK = re.compile(r"\s*\bErrors(?: of the call)?:\s*")
# Whatever is called, these may be the answer: from the gateway, or because of a fault of ours.
_ALWAYS = (ValidationError, TektonError, UnavailableError, TektonTimeoutError)
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


def responses(errors: str | None, *, with_body: bool) -> Json:
    """Give the failures of a call by HTTP status: those its comment names, and those that every call may meet."""
    own = named(errors)
    every = [*own, *_ALWAYS, *((TooLargeError,) if with_body else ())]
    by_status: dict[int, list[type[TektonError]]] = {}
    for cls in dict.fromkeys(every):
        by_status.setdefault(cls.http_status, []).append(cls)
    return {str(status): _response(by_status[status]) for status in sorted(by_status)}


def examples() -> dict[str, Json]:
    """Give a body for each reason."""
    return {cls.default_reason: _example(cls) for cls in ALL}


def _example(cls: type[TektonError]) -> Json:
    sentence = _sentence(cls)
    statuses = {"x-http-status": cls.http_status, "x-grpc-status": cls.grpc_status}
    return {"summary": sentence, "value": cls(sentence).body()} | statuses


def _response(classes: Iterable[type[TektonError]]) -> Json:
    reasons = [cls.default_reason for cls in classes]
    lines = [f"`{cls.default_reason}` ({cls.number}): {_sentence(cls)}" for cls in classes]
    return {
        "description": "\n\n".join(lines),
        "content": {
            "application/json": {
                "schema": {"$ref": f"#/components/schemas/{BODY}"},
                "examples": {reason: {"$ref": f"#/components/examples/{reason}"} for reason in reasons},
            }
        },
    }


def _sentence(cls: type[TektonError]) -> str:
    """Give the first sentence about an error, without the number that stands before it."""
    if cls is TektonError:
        return "A fault of ours; the server's log has the cause under `details.request_id`."
    text = " ".join((cls.__doc__ or "").split())
    first = re.split(r"(?<=\.) ", re.sub(r"^\d{4}: ", "", text))[0]
    return first[:1].upper() + first[1:]
