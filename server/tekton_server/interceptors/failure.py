"""A TektonError as a gRPC status: the one place where the error table meets gRPC."""

from __future__ import annotations

import json
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from tekton.core.errors import TektonError

DOMAIN = "tekton"
# Metadata over 16 kB is refused by the gateway with a body of its own; the details give way before the message does.
_MOST_DETAILS = 4096
_MOST_MESSAGE = 1024

Metadata = tuple[tuple[str, str | bytes], ...]


def code_of(error: TektonError) -> grpc.StatusCode:
    """Give the gRPC status code of an error."""
    found: grpc.StatusCode = grpc.StatusCode[error.grpc_status]
    return found


def status_name(error: Exception) -> str:
    """Give the name of the gRPC status code that any exception ends a call with."""
    return error.grpc_status if isinstance(error, TektonError) else TektonError.grpc_status


def trailers(error: TektonError, *, rest: bool) -> Metadata:
    """Give what goes with the status: the details for gRPC, the documented body for REST."""
    error = _bounded(error)
    if not rest:
        return (("grpc-status-details-bin", _status(error).SerializeToString()),)
    found: list[tuple[str, str | bytes]] = [
        ("tekton-error", json.dumps(error.body())),
        ("tekton-http-status", str(error.http_status)),
    ]
    if error.retry_after is not None:
        found.append(("retry-after", str(max(1, round(error.retry_after)))))
    return tuple(found)


def _status(error: TektonError) -> Status:
    metadata = {"code": str(error.number), "component": error.component, "details": json.dumps(error.details)}
    details: list[Any] = [ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)]
    violations = error.details.get("violations")
    if violations:
        fields = [BadRequest.FieldViolation(field=v["field"], description=v["message"]) for v in violations]
        details.append(BadRequest(field_violations=fields))
    if error.retry_after is not None:
        details.append(RetryInfo(retry_delay=Duration(seconds=int(error.retry_after), nanos=0)))
    status = Status(code=code_of(error).value[0], message=error.message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _bounded(error: TektonError) -> TektonError:
    small = len(json.dumps(error.details)) <= _MOST_DETAILS
    if small and len(error.message) <= _MOST_MESSAGE:
        return error
    bounded = type(error)(error.message[:_MOST_MESSAGE], error.component, error.code, error.details if small else {})
    bounded.retry_after = error.retry_after
    bounded.details |= {} if small else {"truncated": True, "violations": error.details.get("violations", [])[:3]}
    return bounded
