"""What happens around every call. `chain` is the order, and why it is that order."""

from __future__ import annotations

from collections.abc import Callable

from tekton.core.ids import Token
from tekton_server.interceptors.calls import CallInterceptor


def chain(revision: Callable[[], Token]) -> list[CallInterceptor]:
    """Give the interceptors, outermost first.

    One interceptor does the whole of it, because each costs every call a coroutine (DESIGN §10). Inside, the order is:
    1. the request id, so that everything after it can name the call;
    2. errors, around all that can fail, the deserializer included;
    3. deserializing, since protobuf's own refusals must come out as the documented error;
    4. the handler; then the revision, which is only known once the handler has answered.
    """
    return [CallInterceptor(revision)]
