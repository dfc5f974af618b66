"""Around every call: it is counted, errors become the documented status, and replies carry `tekton-revision`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from tekton.core.errors import TektonError, TooLargeError, ValidationError
from tekton.core.ids import Token
from tekton_server.domain import limits
from tekton_server.interceptors.begin import LEAST_REVISION, REQUEST_ID, begun, promise_name
from tekton_server.interceptors.failure import Metadata, code_of, status_name, trailers
from tekton_server.live.call import Call
from tekton_server.live.metrics import Calls, MethodCalls
from tekton_server.services import reply

log = logging.getLogger(__name__)

# What a call ended with that neither answered nor failed: its caller went away while we did not look.
_LEFT = "CANCELLED"

if TYPE_CHECKING:
    Context = aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]


class CallInterceptor:
    """Wraps the handlers of methods. One does the whole of it, because each coroutine costs every call (DESIGN §10)."""

    def __init__(self, revision: Callable[[], Token], reach: Callable[[Token], Awaitable[None]], calls: Calls) -> None:
        self._revision = revision
        self._reach = reach
        self._calls = calls
        self._last = revision()
        self._trailers: Metadata = (("tekton-revision", str(self._last)),)

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Put this around the handler of a method."""
        # The handlers of one message take raw bytes: what the deserializer raises has to become a documented error too.
        serialize = reply.sender(handler.response_serializer)
        figures = self._calls.method(method, streams=handler.response_streaming)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler, figures), None, serialize)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._unary_stream(method, handler, figures), None, serialize)
        # Here the handler itself asks for each message, so that it is there that one is refused.
        decode = partial(_decode, handler.request_deserializer)
        return grpc.stream_stream_rpc_method_handler(self._stream_stream(method, handler, figures), decode, serialize)

    def _beginner(self, method: str) -> Callable[[Context], Call]:
        """Give what begins a call of a method; tracing has its own."""
        return begun

    async def _reached(self, text: str) -> None:
        """Wait until the view has reached the least revision a caller wants to see."""
        token = Token.parse(text)
        if token is None:
            raise ValidationError.of(LEAST_REVISION, "must be a token from a tekton-revision", "format")
        await self._reach(token)

    def _told(self) -> Metadata:
        """Give the trailers of every reply: they are made once for a revision."""
        token = self._revision()
        if token is not self._last:
            self._last, self._trailers = token, (("tekton-revision", str(token)),)
        return self._trailers

    def _unary(self, method: str, handler: Handler, figures: MethodCalls) -> Any:
        behave: Any = handler.unary_unary
        begin, decode, revision = self._beginner(method), handler.request_deserializer, self._revision
        told = self._told

        async def answer(raw: bytes, context: Context) -> Any:
            call = begin(context)
            began, code = figures.begin(), _LEFT
            try:
                if call.least is not None:
                    await self._reached(call.least)
                message = await behave(_decode(decode, raw), context)
                code = "OK"
            except asyncio.CancelledError:
                code = _left(context)
                raise
            except Exception as error:
                code = status_name(error)
                await _fail(context, method, error, call, revision())
                raise  # not reached: aborting raises
            finally:
                figures.end(code, began)
                if call.ended is not None:
                    call.ended(code)
            # In the trailers for REST too, where the gateway makes headers of them: sending headers first costs a
            # quarter of a call.
            if call.rest and call.http_status is not None:
                context.set_trailing_metadata((*told(), ("tekton-http-status", str(call.http_status))))
            elif call.name is None or call.rest:  # the gateway names REST calls, in their replies too
                context.set_trailing_metadata(told())
            else:
                context.set_trailing_metadata((*told(), (REQUEST_ID, call.request_id)))
            return message

        return answer

    def _unary_stream(self, method: str, handler: Handler, figures: MethodCalls) -> Any:
        behave: Any = handler.unary_stream
        answer, decode = self._stream(method, figures), handler.request_deserializer

        async def decoded(raw: bytes, context: Context) -> None:
            await answer(lambda: behave(_decode(decode, raw), context), context)

        return decoded

    def _stream_stream(self, method: str, handler: Handler, figures: MethodCalls) -> Any:
        behave: Any = handler.stream_stream
        answer = self._stream(method, figures)

        async def streamed(requests: AsyncIterator[Any], context: Context) -> None:
            await answer(lambda: behave(requests, context), context)

        return streamed

    def _stream(
        self, method: str, figures: MethodCalls
    ) -> Callable[[Callable[[], AsyncGenerator[Any]], Context], Awaitable[None]]:
        begin, revision = self._beginner(method), self._revision

        async def answer(behave: Callable[[], AsyncGenerator[Any]], context: Context) -> None:
            call = begin(context)
            promise_name(context, call)
            began, code = figures.begin(), _LEFT
            try:
                if call.least is not None:
                    await self._reached(call.least)
                # Written, not yielded: a generator around a generator costs each message its way through both.
                async with aclosing(behave()) as messages:
                    async for message in messages:
                        await _write(context, message)
                code = "OK"
            except asyncio.CancelledError:
                code = _left(context)
                raise
            except Exception as error:
                code = status_name(error)
                await _fail(context, method, error, call, revision())
            finally:
                figures.end(code, began)
                if call.ended is not None:
                    call.ended(code)

        return answer


async def _write(context: Context, message: Any) -> None:
    """Send a message of a stream; that it cannot be sent says that its caller has left."""
    try:
        await context.write(message)
    except aio.InternalError:
        # What was being written when the caller left fails before gRPC cancels the call.
        raise asyncio.CancelledError from None


def _left(context: Context) -> str:
    """Tell why a call was cancelled, as its caller sees it."""
    remaining = context.time_remaining()
    return _LEFT if remaining is None or remaining > 0 else "DEADLINE_EXCEEDED"


def _decode(decode: Callable[[bytes], Any] | None, raw: bytes) -> Any:
    if len(raw) > limits.REQUEST_BYTES:
        raise TooLargeError(
            f"the request is {len(raw)} bytes; at most {limits.REQUEST_BYTES} are taken",
            details={"limit_bytes": limits.REQUEST_BYTES},
        )
    try:
        return decode(raw) if decode else raw
    except DecodeError as error:
        # upb refuses nesting over 100 levels here, and texts that are not UTF-8.
        raise ValidationError(
            "the request cannot be read: it is nested too deep, or a text is not UTF-8",
            details={"violations": [{"field": "body", "message": "cannot be read", "rule": "decodable"}]},
        ) from error


async def _fail(context: Context, method: str, error: Exception, call: Call, revision: Token) -> None:
    if isinstance(error, (aio.AbortError, asyncio.CancelledError)):
        raise error
    call.error = error
    if not isinstance(error, TektonError):
        log.error("%s failed (request %s)", method, call.request_id, exc_info=error)
        error = TektonError(
            "Tekton failed to answer this; the server's log has the cause under the request id",
            details={"request_id": call.request_id},
        )
    name = () if call.rest else ((REQUEST_ID, call.request_id),)
    extra = (("tekton-revision", str(revision)), *name, *trailers(error, rest=call.rest))
    await context.abort(code_of(error), error.message[:1024], trailing_metadata=extra)
