"""Pages: how much one holds, and the token of the page that follows."""

from __future__ import annotations

import base64

from tekton.core.errors import ValidationError
from tekton_server.domain import limits


def size(asked: int, most: int = limits.PAGE_SIZE) -> int:
    """Read the most items of a page; 0 for the usual.

    Raises:
        ValidationError: it is negative or too large.
    """
    if not 0 <= asked <= most:
        raise ValidationError.of("page_size", f"must be between 1 and {most}", "range", limit=most)
    return asked


def token(place: str) -> str:
    """Make the token of the page that follows a place."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def place(text: str) -> str:
    """Read the place that a token is of; empty where there is none.

    Raises:
        ValidationError: it is no token.
    """
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise no_token() from None


def no_token() -> ValidationError:
    """Say that a token is none that was given."""
    return ValidationError.of("page_token", "must be next_page_token of the page before", "format")
