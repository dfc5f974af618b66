"""What a shim says of a start that failed, in words for people and as a cause for programs."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import msgspec

from tekton.core.errors import StartupError
from tekton_server.domain.launch_spec import LaunchSpec
from tekton_server.live.launching import Cause, LaunchIdentity, launch_failed

_CAUSES: Mapping[tuple[str, int], Cause] = {
    ("command", errno.ENOENT): Cause.COMMAND_NOT_FOUND,
    ("command", errno.ENOTDIR): Cause.COMMAND_NOT_FOUND,
    ("cwd", errno.ENOENT): Cause.CWD_MISSING,
    ("cwd", errno.ENOTDIR): Cause.CWD_MISSING,
    ("cwd", errno.EACCES): Cause.CWD_CLOSED,
    ("already_running", 0): Cause.ALREADY_RUNNING,
    ("already_launched", 0): Cause.ALREADY_LAUNCHED,
}
_STAGES: Mapping[str, Cause] = {
    "command": Cause.NOT_EXECUTABLE,
    "user": Cause.USER_DENIED,
    "limits": Cause.LIMIT_REFUSED,
    "cgroup": Cause.LIMIT_REFUSED,
}


class Failure(msgspec.Struct, frozen=True):
    """At which stage a start failed (or why it was refused), with the system's number and text."""

    error: str
    errno: int
    text: str

    @property
    def cause(self) -> Cause:
        """The cause for programs."""
        return _CAUSES.get((self.error, self.errno)) or _STAGES.get(self.error, Cause.MACHINE)


def refused(identity: LaunchIdentity, spec: LaunchSpec, cwd: str, failure: Failure) -> StartupError:
    """Make the error of a start that the shim could not carry out."""
    program, text = spec.command[0], failure.text
    sentences = {
        Cause.COMMAND_NOT_FOUND: f"there is no program {program!r}, or none of what it names to run it: {text}",
        Cause.NOT_EXECUTABLE: f"{program!r} cannot be executed: {text}",
        Cause.CWD_MISSING: f"there is no directory {cwd}: {text}",
        Cause.CWD_CLOSED: f"it may not enter the directory {cwd}: {text}",
        Cause.USER_DENIED: f"it cannot become {spec.user}: {text}",
        Cause.LIMIT_REFUSED: f"its limits cannot be set: {text}",
        Cause.ALREADY_RUNNING: "this instance runs already",
        Cause.ALREADY_LAUNCHED: "this instance was launched before; a new launch is a new instance",
    }
    return launch_failed(identity.component_id, failure.cause, sentences.get(failure.cause, text))
