"""The page at /docs: one HTML text of our own with its style and script inside, which loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

_HERE = Path(__file__).parent


def build() -> str:
    """Put the page together. Its policy allows exactly this style, this script, and calls to this server."""
    style, script = _read("docs.css"), _read("docs.js")
    policy = (
        "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )
    parts = {"POLICY": policy, "STYLE": style, "SCRIPT": script}
    page = _read("docs.html")
    for name, text in parts.items():
        page = page.replace(f"{{{{{name}}}}}", text)
    return page


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
