"""The beginning of a call: what its metadata says to us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpc import aio

from tekton_server.live.call import CURRENT, Call

REST_MARK = "x-tekton-rest"
LEAST_REVISION = "tekton-min-revision"
REQUEST_ID = "x-request-id"

if TYPE_CHECKING:
    Context = aio.ServicerContext[Any, Any]


def begun(context: Context) -> Call:
    """Begin a call; on the way of every one, so a single pass over the metadata."""
    rest, least, name = False, None, None
    for key, value in context.invocation_metadata() or ():
        if key == REST_MARK:
            rest = True
        elif key == REQUEST_ID:
            name = str(value)
        elif key == LEAST_REVISION:
            least = str(value)
    call = Call(rest, least, name)
    CURRENT.set(call)
    return call


def promise_name(context: Context, call: Call) -> None:
    """Let the trailers of a stream have the name of the call, where it has one; the gateway sees to REST."""
    if call.name is not None and not call.rest:
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
