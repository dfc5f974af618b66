"""The golden corpus: what is asked, once, and what has to come back whichever transport asks it.

The cases are one story: each finds what those before it left. What a reply says that a later case needs is kept under a
name, and stands there as `<name>`; the patterns of `tests.support.shapes` stand for what is different in every run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

CORPUS = Path(__file__).with_name("corpus.json")
LONG = {"200 letters": "x" * 200, "2 MB of letters": "x" * 2_000_000}

T = TypeVar("T", bound=msgspec.Struct)


class Exchange(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One REST call and its reply; the request of the RPC is made from it, see `bindings`."""

    rpc: str = ""
    """Service and method; empty where the path is that of none. A watch is named, not its twin for REST."""
    method: str
    path: str
    body: dict[str, Any] | None = None
    headers: dict[str, str] = {}
    status: int = 200
    """The HTTP status."""
    grpc: str = "OK"
    """The gRPC status."""
    reply: dict[str, Any] = {}
    """What the reply holds at least. A failure is written as REST has it."""
    holds: list[str] = []
    """What the text of a reply that is no JSON holds."""
    keep: dict[str, str] = {}
    """Fields of the reply, as `field` or `list.0.field`, by the name under which they are kept."""
    loose: frozenset[str] = frozenset()
    """Fields whose values are different in every run; their JSON types are not."""


class Step(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What comes next in a watch: an event, or a call that somebody makes meanwhile."""

    event: str = ""
    data: dict[str, Any] = {}
    id: str | None = None
    """The resume token that a client remembers after the event; None: whichever."""
    keep: str = ""
    """The name under which that token is kept."""
    meanwhile: Exchange | None = None


class Case(Exchange, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A case of the corpus: an exchange, or a watch."""

    name: str
    events: list[Step] = []
    rest_only: str = ""
    """Why no other transport can ask this."""

    @property
    def reason(self) -> str:
        """The reason of the error; empty where it is none."""
        return str(self.reply.get("error", {}).get("reason", ""))

    def exchanges(self) -> Iterator[Exchange]:
        """Give every call there is in it."""
        yield self
        yield from (step.meanwhile for step in self.events if step.meanwhile is not None)


def filled(part: T, kept: Mapping[str, str]) -> T:
    """Put what was kept, and what is too long to be written down, into its places."""
    text = msgspec.json.encode(part).decode()
    for name, value in {**LONG, **kept}.items():
        text = text.replace(f"<{name}>", json.dumps(value)[1:-1])
    return msgspec.json.decode(text, type=type(part))


CASES = msgspec.json.decode(CORPUS.read_bytes(), type=list[Case])
STORY = [case for case in CASES if not case.rest_only]
REST_ONLY = [case for case in CASES if case.rest_only]
