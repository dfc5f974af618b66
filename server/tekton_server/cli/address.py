"""Where Tekton is, as people write it."""

from __future__ import annotations

from urllib.parse import urlsplit

import typer


def parse_address(text: str | None) -> tuple[str | None, int | None]:
    """Read HOST, HOST:PORT, :PORT, a URL or unix:/PATH; what is missing comes from the environment, as in the SDK.

    Raises:
        typer.BadParameter: it is none of them.
    """
    if not text:
        return None, None
    if text.startswith("unix:/"):
        return text, None
    bare = text.count(":") > 1 and "[" not in text and "//" not in text
    try:
        parts = urlsplit(text if "//" in text else f"//[{text}]" if bare else f"//{text}")
        if parts.path not in ("", "/") or parts.query or parts.username is not None or parts.scheme not in ("", "http"):
            raise ValueError
        host, port = parts.hostname, parts.port
        if host is None and port is None:
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"--address must be HOST:PORT, such as localhost:8010, not {text!r}") from None
    return host, port
