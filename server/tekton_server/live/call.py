"""The call that a task answers: what its metadata says to us, and the name by which the log knows it.

One small object a call. Nothing about it is worked out before somebody asks: most are answered without a word logged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from uuid import uuid4

import msgspec

# What can stand in a header, in a line of a log and in a shell as it is. The gateway's rest.lua has the same rule.
_WELL_FORMED = re.compile(r"[A-Za-z0-9_.:/+=@~-]{1,128}").fullmatch


class Call(msgspec.Struct, eq=False):
    """One call, from its first byte to its last. A Struct, since every call makes one: a class of ours takes thrice as
    long.
    """

    rest: bool = False
    """Whether REST is spoken."""
    least: str | None = None
    """The least revision to answer from."""
    name: str | None = None
    """The request id as its caller gave it, or as it was made; `request_id` is the one to show."""
    http_status: int | None = None
    """The HTTP status of its reply where REST is spoken."""
    error: Exception | None = None
    """Why it failed."""
    trace: tuple[str, str] | None = None
    """Its trace id and its span id, where calls are traced."""
    ended: Callable[[str], None] | None = None
    """Whoever traces it, to be told the status code that it ended with."""
    checked: bool = False
    """Whether `name` is one to show."""

    @property
    def request_id(self) -> str:
        """What the log calls it: what its caller does, if that is well-formed."""
        if not self.checked:
            self.checked = True
            if self.name is None or _WELL_FORMED(self.name) is None:
                self.name = str(uuid4())
        assert self.name is not None
        return self.name


CURRENT: ContextVar[Call | None] = ContextVar("tekton_call", default=None)
"""The call that this task answers. gRPC gives each call a task of its own, so that nobody has to take it back."""
