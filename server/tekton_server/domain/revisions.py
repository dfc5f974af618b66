"""Compare-and-set: who decides on what was read is refused where it has changed since."""

from __future__ import annotations

from typing import Protocol

from tekton.core.errors import ConflictError, ValidationError


class _Revised(Protocol):
    @property
    def revision(self) -> int: ...


def check_revision(
    old: _Revised | None, expected: int | None, standing: str = "the component is at", again: str = "it"
) -> None:
    """Refuse where a record is at another revision than expected; 0 means that there must be none.

    `standing` begins the sentence that tells the revision, and `again` is what to read again.

    Raises:
        ValidationError: no revision is negative.
        ConflictError: the revision is another one.
    """
    if expected is not None and expected < 0:
        raise ValidationError.of("expected_revision", "must not be negative", "range", limit=0)
    revision = old.revision if old else 0
    if expected is not None and expected != revision:
        raise ConflictError(
            f"{standing} revision {revision}, not {expected}; read {again} again and decide anew",
            details={"expected_revision": expected, "revision": revision},
        )
