"""Around every call: it is counted, errors become the documented status, and replies carry `tekton-revision`."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from tekton.core.errors import TektonError, ValidationError
from tekton.core.ids import Token
from tekton_server.interceptors.failure import code_of, status_name, trailers
from tekton_server.live.metrics import Calls, MethodCalls
from tekton_server.services import reply

log = logging.getLogger(__name__)

REST_MARK = "x-tekton-rest"
LEAST_REVISION = "tekton-min-revision"
_OWN = "/tekton.v1."
# What a call ended with that neither answered nor failed: its caller went away while we did not look.
_LEFT = "CANCELLED"

if TYPE_CHECKING:
    Context = aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]


class CallInterceptor(aio.ServerInterceptor):
    """Wraps each method's handler once, and keeps it."""

    def __init__(self, revision: Callable[[], Token], reach: Callable[[Token], Awaitable[None]], calls: Calls) -> None:
        self._revision = revision
        self._reach = reach
        self._calls = calls
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Give the wrapped handler of a method; methods of other services (health, reflection) pass untouched."""
        method: str = handler_call_details.method
        known = self._wrapped.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(_OWN):
            return handler
        wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        # The wrapped handlers take raw bytes: what the deserializer raises has to become a documented error too.
        serialize = reply.sender(handler.response_serializer)
        figures = self._calls.method(method, streams=handler.response_streaming)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler, figures), None, serialize)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._unary_stream(method, handler, figures), None, serialize)
        return grpc.stream_stream_rpc_method_handler(self._stream_stream(method, handler, figures), None, serialize)

    async def _reached(self, text: str) -> None:
        """Wait until the view has reached the least revision a caller wants to see."""
        token = Token.parse(text)
        if token is None:
            raise ValidationError.of(LEAST_REVISION, "must be a token from a tekton-revision", "format")
        await self._reach(token)

    def _unary(self, method: str, handler: Handler, figures: MethodCalls) -> Any:
        behave: Any = handler.unary_unary
        decode, revision = handler.request_deserializer, self._revision

        async def call(raw: bytes, context: Context) -> Any:
            rest, least = _marks(context)
            reply.begin()
            began, code = figures.begin(), _LEFT
            try:
                if least is not None:
                    await self._reached(least)
                answer = await behave(_decode(decode, raw), context)
                code = "OK"
            except asyncio.CancelledError:
                code = _left(context)
                raise
            except Exception as error:
                code = status_name(error)
                await _fail(context, method, error, rest, revision())
                raise  # not reached: aborting raises
            finally:
                figures.end(code, began)
            token = ("tekton-revision", str(revision()))
            if rest:
                status = reply.take_http_status()
                extra = () if status is None else (("tekton-http-status", str(status)),)
                # Only headers become HTTP headers, so REST pays for sending them first; gRPC gets it in the trailer.
                await context.send_initial_metadata((token, *extra))
            else:
                context.set_trailing_metadata((token,))
            return answer

        return call

    def _unary_stream(self, method: str, handler: Handler, figures: MethodCalls) -> Any:
        behave: Any = handler.unary_stream
        decode, revision = handler.request_deserializer, self._revision

        async def call(raw: bytes, context: Context) -> AsyncIterator[Any]:
            rest, least = _marks(context)
            began, code = figures.begin(), _LEFT
            try:
                if least is not None:
                    await self._reached(least)
                async for message in behave(_decode(decode, raw), context):
                    yield message
                code = "OK"
            except asyncio.CancelledError:
                code = _left(context)
                raise
            except Exception as error:
                code = status_name(error)
                await _fail(context, method, error, rest, revision())
            finally:
                figures.end(code, began)

        return call

    def _stream_stream(self, method: str, handler: Handler, figures: MethodCalls) -> Any:
        behave: Any = handler.stream_stream
        decode, revision = handler.request_deserializer, self._revision

        async def call(raws: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            rest, least = _marks(context)
            began, code = figures.begin(), _LEFT
            try:
                if least is not None:
                    await self._reached(least)
                async for message in behave(_decoded(decode, raws), context):
                    yield message
                code = "OK"
            except asyncio.CancelledError:
                code = _left(context)
                raise
            except Exception as error:
                code = status_name(error)
                await _fail(context, method, error, rest, revision())
            finally:
                figures.end(code, began)

        return call


def _marks(context: Context) -> tuple[bool, str | None]:
    """Read what a call's metadata says to us: whether REST is spoken, and the least revision to answer from."""
    rest, least = False, None
    for key, value in context.invocation_metadata() or ():
        if key == REST_MARK:
            rest = True
        elif key == LEAST_REVISION:
            least = str(value)
    return rest, least


def _left(context: Context) -> str:
    """Tell why a call was cancelled, as its caller sees it."""
    remaining = context.time_remaining()
    return _LEFT if remaining is None or remaining > 0 else "DEADLINE_EXCEEDED"


def _decode(decode: Callable[[bytes], Any] | None, raw: bytes) -> Any:
    try:
        return decode(raw) if decode else raw
    except DecodeError as error:
        # upb refuses nesting over 100 levels here, and texts that are not UTF-8.
        raise ValidationError(
            "the request cannot be read: it is nested too deep, or a text is not UTF-8",
            details={"violations": [{"field": "body", "message": "cannot be read", "rule": "decodable"}]},
        ) from error


async def _decoded(decode: Callable[[bytes], Any] | None, raws: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for raw in raws:
        yield _decode(decode, raw)


async def _fail(context: Context, method: str, error: Exception, rest: bool, revision: Token) -> None:
    if isinstance(error, (aio.AbortError, asyncio.CancelledError)):
        raise error
    if not isinstance(error, TektonError):
        request_id = secrets.token_hex(8)
        log.error("%s failed (request %s)", method, request_id, exc_info=error)
        error = TektonError(
            "Tekton failed to answer this; the server's log has the cause under the request id",
            details={"request_id": request_id},
        )
    extra = (("tekton-revision", str(revision)), *trailers(error, rest=rest))
    await context.abort(code_of(error), error.message[:1024], trailing_metadata=extra)
