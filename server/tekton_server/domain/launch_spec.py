"""How a component is started: what an operator writes in `components.json`, and nobody who registers can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


def told(wanted: str, description: str, **bounds: Any) -> Meta:
    """Make bounds with two texts: `wanted` completes "must be" in a refusal, `description` is for the JSON schema."""
    return Meta(description=description, extra={"wanted": wanted}, **bounds)


# Seconds that a component has to become ready where nobody has said.
STARTUP_TIMEOUT = 60.0
# Seconds that it gets for what it has in hand, where neither its specification nor whoever stops it says.
STOP_TIMEOUT = 30.0
_NOT_EMPTY = r"^[^\0]+\Z"
_SECONDS = "a number of seconds over 0, at most a day"
_COUNT = "a whole number from 1 to 1000"

Word = Annotated[
    str,
    told("a text without NUL of at most 131,071 characters", "A word.", pattern=r"^[^\0]*\Z", max_length=131_071),
]
Command = Annotated[
    tuple[Word, ...],
    told(
        'a list of words that begins with the program, such as ["python", "-m", "engram"]; no shell reads it',
        "The program and its arguments, a word each. No shell is involved.",
        min_length=1,
        max_length=4096,
    ),
]
Name = Annotated[
    str,
    told("a name of 1 to 256 characters without =", "A variable's name.", pattern=r"^[^\0=]+\Z", max_length=256),
]
SecretName = Annotated[
    str,
    told("a name of letters, digits, _, - and .", "The secret's name.", pattern=r"(?a)^[A-Za-z0-9_][\w.-]{0,127}\Z"),
]
Directory = Annotated[
    str,
    told("the path of a directory", "Where it runs. A relative path starts at the file's own.", pattern=_NOT_EMPTY),
]
Account = Annotated[
    str,
    told("the name of an account", "Whom it runs as; required when Tekton runs as root.", pattern=_NOT_EMPTY),
]
Policy = Annotated[
    Literal["never", "on_failure", "always"],
    told("never, on_failure or always", "When it is started again after it ended by itself."),
]
Dependents = Annotated[
    Literal["degrade", "restart", "leave"],
    told(
        "degrade, restart or leave",
        "What happens with those that depend on it when it fails: they are degraded until it serves again, then also "
        "started again where Tekton launched them; or nothing.",
    ),
]
SignalName = Annotated[
    str,
    told(
        "the name of a signal, such as SIGTERM",
        "What asks it to end.",
        pattern=r"^SIG[A-Z0-9]{2,8}([+-][0-9]{1,2})?\Z",
    ),
]


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that is not in the file: it is looked up by name at each launch, and is never logged."""

    secret: SecretName


Value = Annotated[
    Annotated[str, Meta(pattern=r"^[^\0]*\Z")] | Secret,
    Meta(
        description="A text, or the name of a secret.",
        extra={"wanted": 'a text, or {"secret": "NAME"}', "hidden": True},
    ),
]


class Backoff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pauses between restarts, in seconds: drawn from zero up to a bound that doubles from `initial` to `max`."""

    initial: Annotated[float, told(_SECONDS, "The first bound, in seconds.", gt=0, le=86400)] = 1.0
    max: Annotated[float, told(_SECONDS, "The last bound, in seconds.", gt=0, le=86400)] = 60.0


class Restart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether and how often it is started again. `burst` restarts within `interval` seconds are the most.

    Who has served for `reset_after` seconds is well again: the next pause begins at the first bound.
    """

    policy: Policy = "on_failure"
    burst: Annotated[int, told(_COUNT, "How many restarts within the interval.", ge=1, le=1000)] = 5
    interval: Annotated[float, told(_SECONDS, "Over how many seconds they are counted.", gt=0, le=86400)] = 300.0
    backoff: Backoff = Backoff()
    reset_after: Annotated[
        float, told(_SECONDS, "For how many seconds it has to serve until the pauses begin anew.", gt=0, le=86400)
    ] = 120.0
    dependents: Dependents = "degrade"


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it may use. None: as much as there is."""

    cpu: (
        Annotated[
            float, told("a number of cores from 0.01 to 4096", "Cores, for all of its processes.", ge=0.01, le=4096)
        ]
        | None
    ) = None
    memory: (
        Annotated[
            int,
            told(
                "a whole number of MB from 4 to 16777216", "MB (2**20 bytes), for all of its processes.", ge=4, le=2**24
            ),
        ]
        | None
    ) = None
    processes: (
        Annotated[int, told("a whole number from 1 to 4194304", "Processes and threads together.", ge=1, le=2**22)]
        | None
    ) = None
    open_files: (
        Annotated[int, told("a whole number from 3 to 1048576", "Open files of each process.", ge=3, le=2**20)] | None
    ) = None
    nice: (
        Annotated[int, told("a whole number from -20 to 19", "Its niceness; below 0 needs privilege.", ge=-20, le=19)]
        | None
    ) = None


class LaunchSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The launch specification of one component."""

    command: Command
    cwd: Directory | None = None
    env: Mapping[Name, Value] = {}
    user: Account | None = None
    restart: Restart = Restart()
    stop_signal: SignalName = "SIGTERM"
    stop_timeout: Annotated[
        float, told(_SECONDS, "Seconds from that signal to SIGKILL where a caller names none.", gt=0, le=86400)
    ] = STOP_TIMEOUT
    startup_timeout: Annotated[
        float,
        told(
            _SECONDS,
            "Seconds from its launch until it must be ready; components.startup_timeout of tekton.json by default.",
            gt=0,
            le=86400,
        ),
    ] = STARTUP_TIMEOUT
    limits: Limits = Limits()
