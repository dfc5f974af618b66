"""Identity: what a component id is, when two are equal, and the tokens that name a point in a history."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import NamedTuple

COMPONENT_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")
# https://semver.org, the suggested expression, without its named groups.
SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
_LOOPBACK = frozenset(("localhost", "localhost.", "127.0.0.1", "::1", "0.0.0.0", "::"))
_LOOPBACK_NUMBER = re.compile(r"127(\.\d{1,3}){1,3}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TOKEN = re.compile(r"([0-9a-f]{8})\.([0-9]{1,18})")


def lookup_key(component_id: str) -> str:
    """Give the key under which a component is found: "-" and "_" are distinct in display and equal in look-up."""
    return component_id.replace("-", "_")


def bracketed(host: str) -> str:
    """Write a host as addresses and URLs have it, before a port (RFC 3986, section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


@lru_cache(4096)
def is_loopback(host: str) -> bool:
    """Tell whether a host in lower case means the machine it is used on, whichever that is.

    So does the address by which a listener takes all of a machine's own.
    """
    return host in _LOOPBACK or host.endswith(".localhost") or bool(_LOOPBACK_NUMBER.fullmatch(host))


def new_uuid() -> str:
    """Make an instance uuid: version 4 of RFC 9562, some three times faster than `uuid.uuid4()`."""
    raw = bytearray(os.urandom(16))
    raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def launched_uuid(component_id: str) -> str:
    """Give the uuid as which Tekton launched this process, where that is this component; otherwise an empty text."""
    ours, given = os.environ.get("TEKTON_COMPONENT_ID", ""), os.environ.get("TEKTON_INSTANCE_UUID", "")
    same = isinstance(component_id, str) and lookup_key(ours) == lookup_key(component_id)
    return given if same and is_uuid(given) else ""


def is_uuid(text: str) -> bool:
    """Tell whether the text is a uuid in its canonical lower-case form."""
    return _UUID.fullmatch(text) is not None


class Token(NamedTuple):
    """A point in one history: resume tokens and fencing tokens are this, printed `<history_id>.<revision>`."""

    history_id: str
    revision: int

    def __str__(self) -> str:
        return f"{self.history_id}.{self.revision}"

    @classmethod
    def parse(cls, text: str) -> Token | None:
        """Read a token; None when the text is not one."""
        match = _TOKEN.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None
