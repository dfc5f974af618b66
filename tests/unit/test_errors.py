"""The one error table: whole, distinct, and the same on every transport."""

from __future__ import annotations

import json

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton.core import errors
from tekton.core.errors import ALL, BY_REASON, DependencyError, TektonError, ValidationError, from_reason
from tekton.utils.tekton_errors import ComponentError
from tekton.v1 import errors_pb2

# CONTRACT §3 and the comments of errors.proto: reason -> class, number, HTTP status, gRPC status.
TABLE = {
    "internal_error": ("TektonError", 1000, 500, "INTERNAL"),
    "validation_error": ("ValidationError", 1000, 400, "INVALID_ARGUMENT"),
    "component_not_found": ("ComponentNotFoundError", 1001, 404, "NOT_FOUND"),
    "registration_invalid": ("RegistrationError", 1002, 422, "INVALID_ARGUMENT"),
    "dependency_error": ("DependencyError", 1003, 422, "FAILED_PRECONDITION"),
    "startup_failed": ("StartupError", 1004, 503, "UNAVAILABLE"),
    "no_launch_spec": ("NoLaunchSpecError", 1004, 422, "FAILED_PRECONDITION"),
    "circular_dependency": ("CircularDependencyError", 1005, 422, "FAILED_PRECONDITION"),
    "timeout": ("TektonTimeoutError", 1006, 504, "DEADLINE_EXCEEDED"),
    "resource_constraint": ("ResourceConstraintError", 1007, 422, "RESOURCE_EXHAUSTED"),
    "missing_token": ("MissingTokenError", 1008, 401, "UNAUTHENTICATED"),
    "invalid_token": ("InvalidTokenError", 1008, 401, "UNAUTHENTICATED"),
    "forbidden": ("ForbiddenError", 1008, 403, "PERMISSION_DENIED"),
    "no_route": ("NoRouteError", 1009, 404, "NOT_FOUND"),
    "unknown_path": ("UnknownPathError", 1009, 404, "NOT_FOUND"),
    "model_unavailable": ("ModelUnavailableError", 1010, 503, "UNAVAILABLE"),
    "already_exists": ("AlreadyExistsError", 1011, 409, "ALREADY_EXISTS"),
    "invalid_transition": ("InvalidTransitionError", 1012, 409, "FAILED_PRECONDITION"),
    "unavailable": ("UnavailableError", 1000, 503, "UNAVAILABLE"),
    "conflict": ("ConflictError", 1000, 409, "ABORTED"),
    "stale_session": ("StaleSessionError", 1000, 409, "FAILED_PRECONDITION"),
    "request_mismatch": ("RequestMismatchError", 1000, 409, "FAILED_PRECONDITION"),
    "compacted": ("CompactedError", 1000, 410, "OUT_OF_RANGE"),
    "slow_watcher": ("SlowWatcherError", 1000, 410, "OUT_OF_RANGE"),
    "rate_limited": ("RateLimitedError", 1000, 429, "RESOURCE_EXHAUSTED"),
    "too_large": ("TooLargeError", 1000, 413, "RESOURCE_EXHAUSTED"),
}


def test_the_table_is_the_contracts_table() -> None:
    """Number, HTTP status and gRPC status of every class, written out here a second time."""
    found = {cls.default_reason: (cls.__name__, cls.number, cls.http_status, cls.grpc_status) for cls in ALL}
    assert found == TABLE


def test_the_table_is_whole() -> None:
    """Every class of the module is in it, and no two share a reason."""
    defined = {c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, TektonError)}
    assert defined == set(ALL)
    assert len(ALL) == len(defined)
    assert dict(BY_REASON) == {cls.default_reason: cls for cls in ALL}
    assert len(BY_REASON) == len(ALL)


def test_every_documented_number_has_a_class() -> None:
    assert {cls.number for cls in ALL} == set(range(1000, 1013))


def test_the_reasons_are_those_of_the_wire() -> None:
    """ErrorReason of tekton.v1 names each, and nothing but `unspecified` besides."""
    assert set(BY_REASON) == set(errors_pb2.ErrorReason.Value.keys()) - {"unspecified"}


@pytest.mark.parametrize("cls", ALL)
def test_every_grpc_status_exists(cls: type[TektonError]) -> None:
    assert grpc.StatusCode[cls.grpc_status] is not grpc.StatusCode.OK


def test_only_what_passes_by_itself_says_when_to_retry() -> None:
    """RetryInfo and Retry-After: a refusal that stays one must not invite a loop."""
    assert {cls.default_reason for cls in ALL if cls.retry_after is not None} == {"unavailable", "rate_limited"}


details = st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(max_size=8))


@given(st.sampled_from(ALL), st.text(max_size=30), st.sampled_from(["athena", "hermes"]), details)
def test_a_client_raises_the_class_the_server_raised(
    cls: type[TektonError], message: str, component: str, about: dict[str, object]
) -> None:
    """Rebuilt from the reason, with the message, the component and the details it was raised with."""
    raised = cls(message, component, details=about)
    rebuilt = from_reason(raised.reason, raised.message, raised.component, raised.details)
    assert type(rebuilt) is cls
    assert rebuilt.body() == raised.body()
    assert rebuilt.code == raised.code
    assert str(rebuilt) == message
    assert rebuilt.details is not about


def test_a_reason_from_a_newer_server_is_kept() -> None:
    """An older client gets the general error, still carrying what it was told."""
    error = from_reason("quota_spent", "no more", "athena", {"left": 0})
    assert type(error) is TektonError
    assert (error.number, error.reason, error.code, error.component) == (1000, "quota_spent", "quota_spent", "athena")
    assert error.details == {"left": 0}


def test_the_body_is_the_documented_one() -> None:
    body = errors.AlreadyExistsError("athena exists").body()
    assert json.loads(json.dumps(body)) == {
        "success": False,
        "error": {
            "message": "athena exists",
            "code": 1011,
            "reason": "already_exists",
            "component": "tekton_core",
            "details": {},
        },
    }


def test_a_more_special_class_keeps_the_row_of_its_parent() -> None:
    """The table is looked up along the hierarchy: a storage failure is `unavailable` whatever its class is called."""

    class DiskFullError(errors.UnavailableError):
        """A more special one."""

    error = DiskFullError("full")
    assert (error.number, error.http_status, error.grpc_status, error.reason) == (
        1000,
        503,
        "UNAVAILABLE",
        "unavailable",
    )
    assert error.retry_after is not None


def test_a_violation_completes_the_sentence_that_its_field_starts() -> None:
    error = ValidationError.of("port", "must be between 1 and 65535", "range", limit=65535)
    assert error.message == "port must be between 1 and 65535"
    assert error.details["violations"] == [
        {"field": "port", "message": "must be between 1 and 65535", "rule": "range", "limit": 65535}
    ]


def test_a_dependency_error_names_the_failed_dependencies() -> None:
    assert DependencyError("x", details={"failed_dependencies": ["hermes"]}).failed_dependencies == ["hermes"]
    assert DependencyError("x").failed_dependencies == []


def test_a_components_own_error_has_the_code_of_its_choice() -> None:
    """The documented components print `error.code`; inside Tekton the number and the reason are always there."""
    error = ComponentError("no data", "athena", "data_error")
    assert (error.code, error.reason, error.number, error.component) == ("data_error", "data_error", 1000, "athena")
    assert ComponentError("no data").code == "component_error"
