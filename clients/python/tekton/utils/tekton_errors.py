"""The errors that components raise and meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tekton.core.errors import DependencyError, TektonError

__all__ = ["ComponentError", "DependencyError", "TektonError"]


class ComponentError(TektonError):
    """A component failed, or a call to one did.

    `code` is a word of the caller's choice, such as `data_error`. Calls to other components use `unavailable` (not
    reached), `timeout`, `invalid_response` (no JSON), the reason or code of the component's own error body, and
    `http_<status>` where it gave none; `details.status` is then the HTTP status and `details.body` what came back.
    """

    default_reason: ClassVar[str] = "component_error"

    def __init__(
        self,
        message: str,
        component: str | None = None,
        code: str | int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, component, self.default_reason if code is None else code, details)
