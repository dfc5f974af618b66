"""What happens around every call. `around` is the order, and why it is that order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tekton.core.ids import Token
from tekton_server.interceptors.calls import CallInterceptor
from tekton_server.interceptors.handlers import Handlers
from tekton_server.live.metrics import Calls

__all__ = ["CallInterceptor", "Interceptor", "around"]

Interceptor = Callable[[Callable[[], Token], Callable[[Token], Awaitable[None]], Calls], CallInterceptor]
"""Makes the interceptor; tracing has one of its own."""


def around(
    revision: Callable[[], Token],
    reach: Callable[[Token], Awaitable[None]],
    calls: Calls,
    interceptor: Interceptor = CallInterceptor,
) -> Handlers:
    """Give what servicers are added to, so that this happens around each of their calls, outermost first:

    1. the request id and, where calls are traced, the span, so that everything after it can name the call;
    2. counting and timing, around the errors, so that a call is counted with the status its caller sees;
    3. errors, around all that can fail, the deserializer included;
    4. reaching the revision that the caller wants to see at least;
    5. deserializing, since protobuf's own refusals must come out as the documented error;
    6. the handler; then the revision, which is only known once the handler has answered.
    """
    return Handlers(interceptor(revision, reach, calls).wrap)
