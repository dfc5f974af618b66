"""What the SDK hands back besides plain dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tekton.core.errors import TektonError
from tekton.core.view import Definition, Instance


class Lease(NamedTuple):
    """The terms of a lease, both in seconds: beat every `interval`; after `timeout` without a beat it is lost."""

    interval: float
    timeout: float


class RegistrationResult(tuple[bool, "str | None"]):
    """The outcome of a registration: unpacks to `(success, instance_uuid)`, with the rest as attributes.

    message: a sentence for people.
    fencing_token, lease: the grant; empty and None after a refusal.
    error: why it was refused; None after a success.
    """

    message: str
    fencing_token: str
    lease: Lease | None
    error: TektonError | None

    def __new__(
        cls, instance_uuid: str | None, message: str, *, fencing_token: str = "", lease: Lease | None = None
    ) -> RegistrationResult:
        """Make the result; without a uuid it is a refusal."""
        result = super().__new__(cls, (instance_uuid is not None, instance_uuid))
        result.message = message
        result.fencing_token = fencing_token
        result.lease = lease
        result.error = None
        return result

    @classmethod
    def refused(cls, error: TektonError) -> RegistrationResult:
        """Make the result of a refusal."""
        result = cls(None, error.message)
        result.error = error
        return result

    @property
    def success(self) -> bool:
        """Whether the instance is registered."""
        return self[0]

    @property
    def instance_uuid(self) -> str | None:
        """The instance; None after a refusal."""
        return self[1]

    def __repr__(self) -> str:
        if self.error is not None:
            return f"RegistrationResult(refused: {self.message!r})"
        return f"RegistrationResult({self[1]!r}, {self.message!r})"

    def __getnewargs__(self) -> tuple[str | None, str]:
        # tuple's own would hand the pair to __new__ in copy and pickle.
        return self[1], self.message


@dataclass(frozen=True, slots=True)
class OperationResult:
    """The outcome of a start, a stop or a restart. True in a condition where it succeeded: `if await client.start_…`.

    message: a sentence for people. instance_uuid: what runs now, or None.
    already_running: a start found it running and changed nothing.
    instances: of a stop, what became of each: {instance_uuid, launched, outcome, message}.
    error: why it failed; None after a success. Its `details` say more, such as the last lines of a log.
    """

    component_id: str
    message: str
    instance_uuid: str | None = None
    already_running: bool = False
    instances: tuple[dict[str, Any], ...] = ()
    error: TektonError | None = None

    @property
    def success(self) -> bool:
        """Whether it succeeded."""
        return self.error is None

    def __bool__(self) -> bool:
        return self.success


@dataclass(frozen=True, slots=True)
class RegistryEvent:
    """One step of a registry watch.

    type: `put` (the record was created or changed, and is here), `removed` (it is gone or left the filter),
        `snapshot_end` (everything before was the present), `reset` (forget all, a snapshot follows).
    kind: which kind of record; None for the last two types.
    key: the component_id of a definition, the instance_uuid of an instance.
    resume_token: where to resume after this event; empty where that is not possible.
    """

    type: Literal["put", "removed", "snapshot_end", "reset"]
    revision: int
    kind: Literal["definition", "instance"] | None = None
    key: str = ""
    component_id: str = ""
    record: Definition | Instance | None = None
    reason: str = ""
    implied: bool = False
    resume_token: str = ""


class Outcome(tuple[bool, str]):
    """What became of a change: unpacks to `(success, message)`, and is true where it succeeded.

    error: why it was refused; None after a success, and where what was to be true was not.
    """

    error: TektonError | None

    def __new__(cls, success: bool, message: str, error: TektonError | None = None) -> Outcome:
        """Make the outcome."""
        outcome = super().__new__(cls, (success, message))
        outcome.error = error
        return outcome

    @classmethod
    def refused(cls, error: TektonError) -> Outcome:
        """Make the outcome of a refusal."""
        return cls(False, error.message, error)

    @property
    def success(self) -> bool:
        """Whether it is recorded."""
        return self[0]

    @property
    def message(self) -> str:
        """A sentence for people."""
        return self[1]

    def __bool__(self) -> bool:
        return self[0]

    def __repr__(self) -> str:
        return f"Outcome({self[0]}, {self[1]!r})"

    def __getnewargs__(self) -> tuple[bool, str]:
        return self[0], self[1]


class StartResult(tuple[bool, "TektonError | None"]):
    """What became of a start: unpacks to `(success, error)`, and is true where the component is ready (or degraded)."""

    def __new__(cls, error: TektonError | None = None) -> StartResult:
        """Make the result; without an error it is a success."""
        return super().__new__(cls, (error is None, error))

    @property
    def success(self) -> bool:
        """Whether the component is ready, or degraded."""
        return self[0]

    @property
    def error(self) -> TektonError | None:
        """Why it is not; None after a success."""
        return self[1]

    def __bool__(self) -> bool:
        return self[0]

    def __repr__(self) -> str:
        return f"StartResult({self[1]!r})" if self[1] else "StartResult()"

    def __getnewargs__(self) -> tuple[TektonError | None]:
        return (self[1],)
