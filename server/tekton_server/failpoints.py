"""Failpoints: named places where a test makes something go wrong. docs/failpoints.md lists them.

The notation is that of FreeBSD's fail(9) and etcd's gofail: TEKTON_FAILPOINTS="journal.before_commit=9*off->1*drop".

Python has no build that leaves them out, so a place costs one test: `if failpoints.ACTIVE: await reach(...)`.
Places are once a batch or a launch at most, never once a command.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from collections.abc import Mapping
from functools import cache
from typing import Final, Protocol

log = logging.getLogger(__name__)

VARIABLE: Final = "TEKTON_FAILPOINTS"
# Read once: whether there are failpoints at all is settled before the first call of any of them.
ACTIVE: Final = bool(os.environ.get(VARIABLE))

POINTS: Final[Mapping[str, str]] = {
    "journal.after_begin": "The journal's lock is held and nothing is decided yet.",
    "journal.after_append": "The batch is written and not committed; what fails here fails before COMMIT.",
    "journal.before_commit": "As COMMIT is sent: the database never sees it.",
    "journal.after_commit": "COMMIT took effect, and its answer does not reach the server.",
    "writer.before_answer": "The batch is durable and watchers are woken; no caller is answered yet.",
    "launch.claimed": "A launch is claimed, and its process does not exist yet.",
    "launch.begun": "The program of a launch runs, and the journal does not say so yet.",
    "launch.ended": "A launch has ended, and the journal does not say so yet.",
}
ACTIONS: Final[Mapping[str, str]] = {
    "off": "nothing happens; with a count it lets so many pass",
    "error": "an error, as of a connection that was reset",
    "drop": "the connection to the database is lost (journal.* only)",
    "pause:SECONDS": "the place waits, the server goes on",
    "stop": "the process is stopped (SIGSTOP) until somebody continues it",
    "kill": "the process is killed (SIGKILL)",
}
_TERM = re.compile(r"(?:(?P<count>[1-9]\d*)\*)?(?P<action>off|error|drop|stop|kill|pause:(?P<seconds>\d+(?:\.\d+)?))")


class FailpointSyntaxError(ValueError):
    """TEKTON_FAILPOINTS cannot be read; the text is one sentence with what there is."""


class FailpointError(ConnectionResetError):
    """What the action `error` raises."""


class Droppable(Protocol):
    """A connection that can be lost."""

    def terminate(self) -> None:
        """Lose it at once."""
        ...


class _Term:
    """One action and how often it still happens; None: always."""

    def __init__(self, action: str, seconds: float, count: int | None) -> None:
        self.action = action
        self.seconds = seconds
        self.left = count

    def take(self) -> bool:
        """Count one use; False when it is used up."""
        if self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        return True


def parse(text: str) -> dict[str, list[_Term]]:
    """Read `name=term->term;name=term`, a term being `[COUNT*]ACTION`.

    Raises:
        FailpointSyntaxError: a name or an action is not one of ours.
    """
    found: dict[str, list[_Term]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, terms = (word.strip() for word in part.partition("="))
        if name not in POINTS:
            raise FailpointSyntaxError(f"{VARIABLE} names {name!r}; the failpoints are {', '.join(POINTS)}")
        found[name] = [_term(name, term.strip()) for term in terms.split("->")]
    return found


def _term(name: str, text: str) -> _Term:
    read = _TERM.fullmatch(text)
    if read is None:
        raise FailpointSyntaxError(
            f"{VARIABLE} has {name}={text!r}; the actions are {', '.join(ACTIONS)}, with COUNT* before it where it ends"
        )
    action, count = read["action"].partition(":")[0], read["count"]
    if action == "drop" and not name.startswith("journal."):
        raise FailpointSyntaxError(f"{VARIABLE} has {name}={text!r}; only journal.* has a connection to drop")
    return _Term(action, float(read["seconds"] or 0), int(count) if count else None)


@cache
def _set() -> dict[str, list[_Term]]:
    return parse(os.environ.get(VARIABLE, ""))


def active() -> tuple[str, ...]:
    """Name the failpoints that are set.

    Raises:
        FailpointSyntaxError: see `parse`.
    """
    return tuple(_set())


async def reach(name: str, connection: Droppable | None = None) -> None:
    """Do what is set for a place. Call it as `if failpoints.ACTIVE: await failpoints.reach(...)`.

    Raises:
        FailpointError: that is what is set.
    """
    term = next((term for term in _set().get(name, ()) if term.take()), None)
    if term is None or term.action == "off":
        return
    log.warning("failpoint %s: %s", name, term.action)
    if term.action == "pause":
        await asyncio.sleep(term.seconds)
    elif term.action == "drop" and connection is not None:
        connection.terminate()
    elif term.action == "error":
        raise FailpointError(f"failpoint {name}")
    else:
        os.kill(os.getpid(), signal.SIGSTOP if term.action == "stop" else signal.SIGKILL)
