"""The OpenAPI document and the page that shows it, made once and kept."""

from __future__ import annotations

import json
from functools import cache

from tekton_server.services.openapi import document as _document
from tekton_server.services.openapi import page as _page
from tekton_server.services.openapi.paths import HTML, JSON, OPENMETRICS

__all__ = ["HTML", "JSON", "OPENMETRICS", "document", "page"]


@cache
def document() -> bytes:
    """Give the OpenAPI document as JSON."""
    return json.dumps(_document.build(), ensure_ascii=False, separators=(",", ":")).encode()


@cache
def page() -> bytes:
    """Give the page as HTML."""
    return _page.build().encode()
