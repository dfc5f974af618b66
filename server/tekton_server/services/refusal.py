"""A failure inside a reply: said as the call would have that failed for it."""

from __future__ import annotations

import json

from tekton.core.errors import TektonError
from tekton.v1 import errors_pb2
from tekton_server.services import convert

# A thousand of them stay below the 4 MB that gRPC clients take by default.
_MOST_MESSAGE = 512
_MOST_DETAILS = 2048


def told(error: TektonError) -> errors_pb2.Error:
    """Convert a failure; details that are too large give way."""
    small = len(json.dumps(error.details)) <= _MOST_DETAILS
    details = error.details if small else {"truncated": True}
    return errors_pb2.Error(
        message=error.message[:_MOST_MESSAGE],
        code=error.number,
        reason=errors_pb2.ErrorReason.Value.Value(error.reason),
        component=error.component,
        details=convert.struct(details),
    )
