"""From a gRPC status to the class the server raised; no `grpc.RpcError` ever reaches a user."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from tekton._channel import Target
from tekton.core import errors
from tekton.core.errors import TektonError

_DETAILS = "grpc-status-details-bin"
_DOMAIN = "tekton"

# What a status means that carries no details: it comes from gRPC itself or from something on the way. Only Tekton can
# say that a component does not exist, so a bare NOT_FOUND is a path that nobody serves.
_BARE: Mapping[grpc.StatusCode, type[TektonError]] = {
    grpc.StatusCode.CANCELLED: errors.UnavailableError,
    grpc.StatusCode.UNAVAILABLE: errors.UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.TektonTimeoutError,
    grpc.StatusCode.INVALID_ARGUMENT: errors.ValidationError,
    grpc.StatusCode.NOT_FOUND: errors.UnknownPathError,
    grpc.StatusCode.UNIMPLEMENTED: errors.UnknownPathError,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExistsError,
    grpc.StatusCode.PERMISSION_DENIED: errors.ForbiddenError,
    grpc.StatusCode.UNAUTHENTICATED: errors.InvalidTokenError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.RateLimitedError,
    grpc.StatusCode.ABORTED: errors.ConflictError,
    grpc.StatusCode.OUT_OF_RANGE: errors.CompactedError,
}


class RpcFailure(Protocol):
    """What a failed call tells, on either kind of channel."""

    def code(self) -> grpc.StatusCode:
        """Give the status."""
        ...

    def details(self) -> str | None:
        """Give the sentence that came with it."""
        ...

    def trailing_metadata(self) -> Any:
        """Give the pairs of the trailer."""
        ...


def from_rpc(failure: RpcFailure, target: Target) -> TektonError:
    """Rebuild the error of a failed call."""
    rebuilt = _from_details(failure)
    return rebuilt or bare(failure.code(), failure.details() or "", target)


def bare(code: grpc.StatusCode, sentence: str, target: Target) -> TektonError:
    """Make the error for a status without details."""
    kind = _BARE.get(code, TektonError)
    details = {"target": str(target), "grpc_status": code.name}
    if kind is errors.UnavailableError:
        error: TektonError = unreachable(target, sentence)
    elif kind is errors.TektonTimeoutError:
        error = kind(f"Tekton at {target} did not answer in time", details=details)
    else:
        error = kind(sentence or f"the call failed: {code.name}", details=details)
    _at_own_pace(error)
    return error


def unreachable(target: Target, why: str) -> errors.UnavailableError:
    """Say that Tekton cannot be asked, where it was looked for, and what to do."""
    error = errors.UnavailableError(
        f"Tekton does not answer at {target}: is it running? "
        "Start it with `tekton up`, or set TEKTON_HOST and TEKTON_PORT to where it runs",
        details={"target": str(target), "cause": why[:500]},
    )
    _at_own_pace(error)
    return error


def _at_own_pace(error: TektonError) -> None:
    """Nobody asked for a pause, so the caller's own back-off decides."""
    error.retry_after = None


def _from_details(failure: RpcFailure) -> TektonError | None:
    status = _status(failure)
    if status is None:
        return None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        if not detail.Unpack(info):
            detail.Unpack(retry)
    if info.domain != _DOMAIN:
        return None
    error = errors.from_reason(
        info.reason, status.message, info.metadata.get("component", errors.CORE_COMPONENT), _facts(info.metadata)
    )
    if retry.HasField("retry_delay"):
        error.retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    return error


def _status(failure: RpcFailure) -> status_pb2.Status | None:
    for key, value in failure.trailing_metadata() or ():
        if key == _DETAILS:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        facts = json.loads(metadata.get("details") or "{}")
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
