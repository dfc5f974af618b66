"""A span for each call, as the semantic conventions of RPC have it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio
from opentelemetry import context as active
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, format_span_id, format_trace_id
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tekton.core.errors import TektonError
from tekton_server.interceptors.calls import CallInterceptor
from tekton_server.live.call import Call

if TYPE_CHECKING:
    Context = aio.ServicerContext[Any, Any]

# W3C trace context: https://www.w3.org/TR/trace-context/
_PROPAGATOR = TraceContextTextMapPropagator()
_CARRIED = _PROPAGATOR.fields
# Of a server's span the conventions count as errors only those that are the server's.
_OURS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})


class TracedCalls(CallInterceptor):
    """Begins a span with each call, below the one that its caller tells of."""

    def __init__(self, tracer: Tracer, *given: Any) -> None:
        super().__init__(*given)
        self._tracer = tracer

    def _beginner(self, method: str) -> Callable[[Context], Call]:
        plain = super()._beginner(method)
        name = method.removeprefix("/")
        service, _, rpc = name.partition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc}

        def begun(context: Context) -> Call:
            call = plain(context)
            carrier = {key: str(value) for key, value in context.invocation_metadata() or () if key in _CARRIED}
            # Never below what the task that made this one was about.
            parent = _PROPAGATOR.extract(carrier, active.Context())
            span = self._tracer.start_span(name, parent, SpanKind.SERVER, attributes)
            span.set_attribute("tekton.request_id", call.request_id)
            # Nobody detaches it: the task, and with it this context, ends with the call.
            active.attach(set_span_in_context(span, parent))
            found = span.get_span_context()
            call.trace = (format_trace_id(found.trace_id), format_span_id(found.span_id))
            call.ended = partial(_ended, span, call)
            return call

        return begun


def _ended(span: Span, call: Call, code: str) -> None:
    span.set_attribute("rpc.grpc.status_code", int(grpc.StatusCode[code].value[0]))
    if code in _OURS:
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR, code))
    if call.error is not None:
        tell(span, call.error)
    span.end()
    # It holds the call, which holds it.
    call.ended = None


def tell(span: Span, error: BaseException) -> None:
    """Write down why something failed; only what is a fault of ours has a traceback."""
    if isinstance(error, TektonError):
        span.set_attribute("error.type", error.reason)
        said = {"exception.type": type(error).__name__, "exception.message": error.message}
        span.add_event("exception", said | {"tekton.reason": error.reason, "tekton.code": error.number})
    else:
        span.set_attribute("error.type", type(error).__name__)
        span.record_exception(error)
