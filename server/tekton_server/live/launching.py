"""What the lifecycle needs of whatever starts components: local processes today, pods of Kubernetes later."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from tekton.core.errors import StartupError
from tekton_server.domain.launch_spec import LaunchSpec


class LaunchIdentity(msgspec.Struct, frozen=True):
    """Which launch: the claim's component, the instance that it will be, and the claim's epoch."""

    component_id: str
    instance_uuid: str
    epoch: int


class Launched(msgspec.Struct, frozen=True):
    """A launch that runs. `limits` tells for each limit how it is kept, or why it is not."""

    identity: LaunchIdentity
    pid: int
    started_at: datetime
    limits: Mapping[str, str] = {}


class ExitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a launch ended: by `code`, by `signal`, never begun (`error`), or nobody knows how (none of them)."""

    at: datetime
    code: int | None = None
    signal: int | None = None
    error: str | None = None
    stopped: bool = False
    """Somebody had asked it to end."""
    killed: bool = False
    """It, or something it had started, was killed."""
    stragglers: int = 0
    """So many processes outlived their leader by more than a moment; they were stopped too."""

    @property
    def success(self) -> bool:
        """Whether it ended by itself, well, and left nothing behind."""
        return self.code == 0 and not self.stragglers and not self.killed

    @property
    def reason(self) -> str:
        """How it ended, in words for `status_detail.last_exit`."""
        if self.error is not None:
            return f"it did not begin: {self.error}"
        if self.lost:
            return "nobody knows how it ended"
        ended = f"exit code {self.code}" if self.signal is None else f"ended by {_signal_name(self.signal)}"
        left = "a process" if self.stragglers == 1 else f"{self.stragglers} processes"
        return f"{ended}, and left {left} behind" if self.stragglers else ended

    @property
    def lost(self) -> bool:
        """Whether nobody knows how it ended."""
        return self.code is None and self.signal is None and self.error is None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Cause(StrEnum):
    """Why a launch failed: `details.cause` of StartupError."""

    COMMAND_NOT_FOUND = "command_not_found"
    NOT_EXECUTABLE = "not_executable"
    CWD_MISSING = "cwd_missing"
    CWD_CLOSED = "cwd_closed"
    USER_REQUIRED = "user_required"
    USER_UNKNOWN = "user_unknown"
    USER_DENIED = "user_denied"
    SECRET_MISSING = "secret_missing"
    LIMIT_REFUSED = "limit_refused"
    UNKNOWN_SIGNAL = "unknown_signal"
    ALREADY_RUNNING = "already_running"
    ALREADY_LAUNCHED = "already_launched"
    UNSUPPORTED = "unsupported"
    MACHINE = "machine"


def launch_failed(component_id: str, cause: Cause, sentence: str) -> StartupError:
    """Make the error of a launch that did not begin; `sentence` says what is wrong and what to do."""
    return StartupError(f"{component_id} was not launched: {sentence}", component_id, details={"cause": cause.value})


class Launcher(Protocol):
    """Starts components and knows those that it, or an earlier server on its data, has started.

    What is asked of a launch that this launcher has neither launched nor adopted is a KeyError: adopt it first.
    """

    async def launch(self, spec: LaunchSpec, identity: LaunchIdentity) -> Launched:
        """Start a component; return once its program runs.

        An instance MUST begin at most once, also where two ask at the same time or where we are killed in between. MUST
        leave nothing behind when it fails or is cancelled.

        Raises:
            StartupError: it could not begin; `details.cause` is a Cause.
            TektonTimeoutError: the machine did not get so far in time.
        """
        ...

    async def adopt(self, identity: LaunchIdentity) -> Launched | None:
        """Take over what an earlier server launched; None where nothing of it runs any more, also after a clean-up.

        MUST NOT trust a recorded pid. Adopting twice, or what was launched here, gives the same.

        Raises:
            TektonTimeoutError: it is alive and does not tell in time what it is.
        """
        ...

    async def alive(self) -> Sequence[LaunchIdentity]:
        """Give every launch that runs, whoever launched it: a restarted server adopts or stops these."""
        ...

    async def ended(self, identity: LaunchIdentity) -> ExitStatus | None:
        """Give how a launch ended, adopted or not; None where it runs, or was never begun or is forgotten."""
        ...

    async def signal(self, launched: Launched, number: int) -> bool:
        """Signal its leading process alone; False where that has ended."""
        ...

    async def stop(self, launched: Launched, grace: float | None = None, *, kill: bool = True) -> ExitStatus:
        """Send its stop signal to the whole group; after `grace` seconds kill all of it; return when all has ended.

        `grace` None is its specification's; `kill` False leaves what does not end alone. Several at once are one; the
        shortest patience counts. Cancelling a stop does not take it back.

        Raises:
            TektonTimeoutError: without `kill`, and some of it runs on.
        """
        ...

    async def wait(self, launched: Launched) -> ExitStatus:
        """Wait until all of it has ended. Many may wait."""
        ...

    async def log_tail(self, identity: LaunchIdentity, lines: int = 20) -> str:
        """Give the last lines that it wrote; empty where there are none."""
        ...
