"""Every failure Tekton knows: one class per reason, with its documented code, HTTP status and gRPC status.

The domain raises these, the server's error interceptor turns them into a gRPC status, the gateway turns that into the
documented JSON body, and the SDK raises the same class again (`from_reason`). This table is the only one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

CORE_COMPONENT = "tekton_core"


class TektonError(Exception):
    """The base of every failure, itself the general error 1000.

    `code` is what the documents print: the number for Tekton's own errors, the caller's string for errors that a
    component raises. `number` and `reason` are always there.
    """

    number: ClassVar[int] = 1000
    http_status: ClassVar[int] = 500
    grpc_status: ClassVar[str] = "INTERNAL"
    default_reason: ClassVar[str] = "internal_error"
    retry_after: float | None = None

    def __init__(
        self,
        message: str,
        component: str | None = CORE_COMPONENT,
        code: str | int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.component = component or CORE_COMPONENT
        self.reason = code if isinstance(code, str) else self.default_reason
        self.code: str | int = self.number if code is None else code
        self.details: dict[str, Any] = dict(details or {})

    def body(self) -> dict[str, Any]:
        """Give the documented JSON body."""
        error = {"message": self.message, "code": self.number, "reason": self.reason}
        return {"success": False, "error": error | {"component": self.component, "details": self.details}}


class ValidationError(TektonError):
    """Shape, type or size is wrong. `details.violations` is a list of {field, message, rule[, limit]}."""

    http_status = 400
    grpc_status = "INVALID_ARGUMENT"
    default_reason = "validation_error"

    @classmethod
    def of(cls, field: str, message: str, rule: str, **more: Any) -> ValidationError:
        """Build the error for one field: `message` completes the sentence that starts with the field's name."""
        violation = {"field": field, "message": message, "rule": rule} | more
        return cls(f"{field} {message}", details={"violations": [violation]})


class ComponentNotFoundError(TektonError):
    """1001: the registry answered that there is no such component or instance."""

    number = 1001
    http_status = 404
    grpc_status = "NOT_FOUND"
    default_reason = "component_not_found"


class RegistrationError(TektonError):
    """1002: a well-formed registration breaks a rule, or somebody would change a part of Tekton itself.

    `details.violations` as in ValidationError.
    """

    number = 1002
    http_status = 422
    grpc_status = "INVALID_ARGUMENT"
    default_reason = "registration_invalid"


class DependencyError(TektonError):
    """1003: a dependency is missing or failed."""

    number = 1003
    http_status = 422
    grpc_status = "FAILED_PRECONDITION"
    default_reason = "dependency_error"

    @property
    def failed_dependencies(self) -> list[str]:
        """The ids of the dependencies that are missing or failed."""
        return list(self.details.get("failed_dependencies", ()))


class StartupError(TektonError):
    """1004: a component did not start."""

    number = 1004
    http_status = 503
    grpc_status = "UNAVAILABLE"
    default_reason = "startup_failed"


class NoLaunchSpecError(TektonError):
    """1004: Tekton does not know how to start the component."""

    number = 1004
    http_status = 422
    grpc_status = "FAILED_PRECONDITION"
    default_reason = "no_launch_spec"


class CircularDependencyError(TektonError):
    """1005: the dependencies form a cycle; `details.cycle` is its full path."""

    number = 1005
    http_status = 422
    grpc_status = "FAILED_PRECONDITION"
    default_reason = "circular_dependency"


class TektonTimeoutError(TektonError):
    """1006: the deadline passed."""

    number = 1006
    http_status = 504
    grpc_status = "DEADLINE_EXCEEDED"
    default_reason = "timeout"


class ResourceConstraintError(TektonError):
    """1007: a resource constraint is violated."""

    number = 1007
    http_status = 422
    grpc_status = "RESOURCE_EXHAUSTED"
    default_reason = "resource_constraint"


class MissingTokenError(TektonError):
    """1008: the call carries no credential."""

    number = 1008
    http_status = 401
    grpc_status = "UNAUTHENTICATED"
    default_reason = "missing_token"


class InvalidTokenError(TektonError):
    """1008: the credential is not valid."""

    number = 1008
    http_status = 401
    grpc_status = "UNAUTHENTICATED"
    default_reason = "invalid_token"


class ForbiddenError(TektonError):
    """1008: the role, or the web page that calls, may not do this."""

    number = 1008
    http_status = 403
    grpc_status = "PERMISSION_DENIED"
    default_reason = "forbidden"


class NoRouteError(TektonError):
    """1009: no model fits the task."""

    number = 1009
    http_status = 404
    grpc_status = "NOT_FOUND"
    default_reason = "no_route"


class UnknownPathError(TektonError):
    """1009: there is no such path or method."""

    number = 1009
    http_status = 404
    grpc_status = "NOT_FOUND"
    default_reason = "unknown_path"


class ModelUnavailableError(TektonError):
    """1010: the model is known and not available."""

    number = 1010
    http_status = 503
    grpc_status = "UNAVAILABLE"
    default_reason = "model_unavailable"


class AlreadyExistsError(TektonError):
    """1011: the id is Tekton's own or has another type, or a live instance of another component holds the address."""

    number = 1011
    http_status = 409
    grpc_status = "ALREADY_EXISTS"
    default_reason = "already_exists"


class InvalidTransitionError(TektonError):
    """1012: the state may not be entered from the present one; `details` are from, to and allowed."""

    number = 1012
    http_status = 409
    grpc_status = "FAILED_PRECONDITION"
    default_reason = "invalid_transition"


class UnavailableError(TektonError):
    """Storage or server cannot answer now. `details.outcome` is "unknown" where a write may have happened."""

    http_status = 503
    grpc_status = "UNAVAILABLE"
    default_reason = "unavailable"
    retry_after = 1.0


class ConflictError(TektonError):
    """A compare-and-set lost: `details` are expected_revision and revision."""

    http_status = 409
    grpc_status = "ABORTED"
    default_reason = "conflict"


class StaleSessionError(TektonError):
    """The instance has ended, was replaced or is fenced; register a new one."""

    http_status = 409
    grpc_status = "FAILED_PRECONDITION"
    default_reason = "stale_session"


class RequestMismatchError(TektonError):
    """The same identity was sent again with another body."""

    http_status = 409
    grpc_status = "FAILED_PRECONDITION"
    default_reason = "request_mismatch"


class CompactedError(TektonError):
    """The history asked for is gone; take a new snapshot."""

    http_status = 410
    grpc_status = "OUT_OF_RANGE"
    default_reason = "compacted"


class SlowWatcherError(TektonError):
    """The watcher fell behind; `details.resume_token` says where to resume."""

    http_status = 410
    grpc_status = "OUT_OF_RANGE"
    default_reason = "slow_watcher"


class RateLimitedError(TektonError):
    """Too many requests."""

    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"
    default_reason = "rate_limited"
    retry_after = 1.0


class TooLargeError(TektonError):
    """The request is over a size limit."""

    http_status = 413
    grpc_status = "RESOURCE_EXHAUSTED"
    default_reason = "too_large"


ALL: Sequence[type[TektonError]] = (
    TektonError,
    ValidationError,
    ComponentNotFoundError,
    RegistrationError,
    DependencyError,
    StartupError,
    NoLaunchSpecError,
    CircularDependencyError,
    TektonTimeoutError,
    ResourceConstraintError,
    MissingTokenError,
    InvalidTokenError,
    ForbiddenError,
    NoRouteError,
    UnknownPathError,
    ModelUnavailableError,
    AlreadyExistsError,
    InvalidTransitionError,
    UnavailableError,
    ConflictError,
    StaleSessionError,
    RequestMismatchError,
    CompactedError,
    SlowWatcherError,
    RateLimitedError,
    TooLargeError,
)
BY_REASON: Mapping[str, type[TektonError]] = {cls.default_reason: cls for cls in ALL}


def from_reason(
    reason: str, message: str, component: str = CORE_COMPONENT, details: Mapping[str, Any] | None = None
) -> TektonError:
    """Rebuild the error another process raised; an unknown reason gives the general error carrying that reason."""
    known = BY_REASON.get(reason)
    if known is None:
        return TektonError(message, component, code=reason, details=details)
    return known(message, component, details=details)
