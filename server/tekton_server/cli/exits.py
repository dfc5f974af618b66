"""Exit codes: what a script may rely on. This is the only table; `docs/cli.md` and the help print it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from tekton.core import errors
from tekton.core.errors import TektonError


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    CONFLICT = 5
    REFUSED = 6
    DENIED = 7
    TIMEOUT = 8
    INTERRUPTED = 130


MEANING: Mapping[ExitCode, str] = {
    ExitCode.OK: "done; a stream that Ctrl-C ended is done too",
    ExitCode.FAILED: "it failed; status, why, plan, doctor, probe: something is not well; migrate --check: it is to do",
    ExitCode.USAGE: "the command line, a file or a value is wrong",
    ExitCode.NOT_FOUND: "there is no such component or model, or the history asked for is gone",
    ExitCode.UNREACHABLE: "Tekton cannot be reached, or cannot answer now; migrate: the database",
    ExitCode.CONFLICT: "somebody else was first: it exists, has changed or has ended",
    ExitCode.REFUSED: "well-formed, and against a rule or a limit",
    ExitCode.DENIED: "not allowed",
    ExitCode.TIMEOUT: "no answer in time; a change may have happened",
    ExitCode.INTERRUPTED: "Ctrl-C",
}

_CODES: Mapping[type[TektonError], ExitCode] = {
    TektonError: ExitCode.FAILED,
    errors.ValidationError: ExitCode.USAGE,
    errors.ComponentNotFoundError: ExitCode.NOT_FOUND,
    errors.RegistrationError: ExitCode.REFUSED,
    errors.DependencyError: ExitCode.REFUSED,
    errors.StartupError: ExitCode.FAILED,
    errors.NoLaunchSpecError: ExitCode.REFUSED,
    errors.CircularDependencyError: ExitCode.REFUSED,
    errors.TektonTimeoutError: ExitCode.TIMEOUT,
    errors.ResourceConstraintError: ExitCode.REFUSED,
    errors.MissingTokenError: ExitCode.DENIED,
    errors.InvalidTokenError: ExitCode.DENIED,
    errors.ForbiddenError: ExitCode.DENIED,
    errors.NoRouteError: ExitCode.NOT_FOUND,
    errors.UnknownPathError: ExitCode.FAILED,
    errors.ModelUnavailableError: ExitCode.FAILED,
    errors.AlreadyExistsError: ExitCode.CONFLICT,
    errors.InvalidTransitionError: ExitCode.CONFLICT,
    errors.UnavailableError: ExitCode.UNREACHABLE,
    errors.ConflictError: ExitCode.CONFLICT,
    errors.StaleSessionError: ExitCode.CONFLICT,
    errors.RequestMismatchError: ExitCode.CONFLICT,
    errors.CompactedError: ExitCode.NOT_FOUND,
    errors.SlowWatcherError: ExitCode.FAILED,
    errors.RateLimitedError: ExitCode.UNREACHABLE,
    errors.TooLargeError: ExitCode.REFUSED,
}


def code_of(error: TektonError) -> ExitCode:
    """Give the exit code of a failure; a class that is not in the table has that of the class it is made from."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def listed() -> bool:
    """Tell whether every class of error is in the table itself, so that a new one is thought about."""
    return set(_CODES) == set(errors.ALL)
