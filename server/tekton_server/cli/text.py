"""Text from elsewhere, made safe for a terminal, and times for people. Names and messages are whoever registered's."""

from __future__ import annotations

import re
from datetime import datetime

from tekton.core.text import invisible

_PLAIN = re.compile(r"[\x20-\x7e]*")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def clean(value: object) -> str:
    """Give a text in which whatever could move the cursor, hide text or turn it around is shown as its escape."""
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return "".join(one.encode("unicode_escape").decode() if invisible(one) else one for one in text)


def duration(seconds: float) -> str:
    """Give a time span in its two largest units, such as 3h 20m."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR}h"


def parse_time(text: str | None) -> datetime | None:
    """Read an RFC 3339 time as the server writes it; None for none."""
    if not text:
        return None
    # Nanoseconds are more than a datetime holds.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))


def ago(then: datetime | None, now: datetime) -> str:
    """Give how long ago something was; a dash for never."""
    return "-" if then is None else duration((now - then).total_seconds())


def stamp(when: datetime) -> str:
    """Give a time in UTC to the second, for a line of a log."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
