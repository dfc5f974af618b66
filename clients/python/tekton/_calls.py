"""Calls to Tekton from an event loop: a lazy channel to each address, a deadline on each call, retries where safe."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
import tenacity
from grpc import aio

from tekton import _forks
from tekton._channel import Target, async_channel
from tekton._errors import from_rpc, unreachable
from tekton.core.backoff import full_jitter, shuffled
from tekton.core.errors import TektonError, TektonTimeoutError, UnavailableError
from tekton.v1.error_report_service_pb2_grpc import ErrorReportServiceStub
from tekton.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub
from tekton.v1.lifecycle_service_pb2_grpc import LifecycleServiceStub
from tekton.v1.registry_service_pb2_grpc import RegistryServiceStub
from tekton.v1.resource_service_pb2_grpc import ResourceServiceStub
from tekton.v1.routing_service_pb2_grpc import RoutingServiceStub

if TYPE_CHECKING:
    from tekton.v1.error_report_service_pb2_grpc import ErrorReportServiceAsyncStub
    from tekton.v1.heartbeat_service_pb2_grpc import HeartbeatServiceAsyncStub
    from tekton.v1.lifecycle_service_pb2_grpc import LifecycleServiceAsyncStub
    from tekton.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub
    from tekton.v1.resource_service_pb2_grpc import ResourceServiceAsyncStub
    from tekton.v1.routing_service_pb2_grpc import RoutingServiceAsyncStub

log = logging.getLogger(__name__)

Q = TypeVar("Q")
R = TypeVar("R")

# How long a client that was never answered tries again where nobody listens, in seconds.
CONNECT_TIMEOUT = 2.0
_NOBODY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
# A watch hears at least a bookmark every few seconds; one that is silent for so long is dead without knowing it.
SILENCE = 45.0


class Stubs:
    """The services over one channel."""

    def __init__(self, channel: aio.Channel) -> None:
        self.channel = channel
        self.registry: RegistryServiceAsyncStub = RegistryServiceStub(channel)
        self.lifecycle: LifecycleServiceAsyncStub = LifecycleServiceStub(channel)
        self.heartbeat: HeartbeatServiceAsyncStub = HeartbeatServiceStub(channel)
        self.routing: RoutingServiceAsyncStub = RoutingServiceStub(channel)
        self.resources: ResourceServiceAsyncStub = ResourceServiceStub(channel)
        self.errors: ErrorReportServiceAsyncStub = ErrorReportServiceStub(channel)


class Calls:
    """Everything a client asks. `timeout` bounds each call with all its retries, in seconds.

    Where nobody listens, who was never answered is told so after `connect_timeout`: most likely Tekton is not running,
    or is somewhere else. Who was answered once waits for the whole timeout: most likely Tekton is being restarted.
    """

    def __init__(self, target: Target, timeout: float, connect_timeout: float = CONNECT_TIMEOUT) -> None:
        self.target = target
        self.timeout = timeout
        self.connect_timeout = min(timeout, connect_timeout)
        self.reached = False
        # So that the processes of a fleet spread over several servers.
        self._addresses = shuffled(target.addresses)
        self._open: dict[Target, Stubs] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def patience(self) -> float:
        """How long to try again, in seconds."""
        return self.timeout if self.reached else self.connect_timeout

    async def ask(
        self,
        method: Callable[[Stubs], aio.UnaryUnaryMultiCallable[Q, R]],
        request: Q,
        *,
        retry: bool = True,
        within: float | None = None,
    ) -> R:
        """Make one call. `retry` repeats it while Tekton cannot answer, so the call must be safe to repeat.

        `within` is another bound than `timeout`, for what takes its time.

        Raises:
            TektonError: the class the server raised; UnavailableError or TektonTimeoutError when it did not answer.
        """
        self._stubs()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self.timeout if within is None else within)
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((UnavailableError, TektonTimeoutError)),
            stop=self._impatient if retry else tenacity.stop_after_attempt(1),
            wait=_pause,
            before_sleep=_note,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    return await self._once(method, request, max(0.001, deadline - loop.time()))
        except TektonError as error:
            # Without the frames of the attempts, which tell the caller nothing.
            raise error.with_traceback(None) from None
        raise AssertionError("tenacity ends with an answer or with an error")

    def _impatient(self, state: tenacity.RetryCallState) -> bool:
        return tenacity.stop_before_delay(self.patience)(state)

    async def _once(self, method: Callable[[Stubs], aio.UnaryUnaryMultiCallable[Q, R]], request: Q, within: float) -> R:
        asked = self._addresses[0]
        try:
            answer = await method(self._stubs())(request, timeout=within)
        except aio.AioRpcError as error:
            raise self._failed(error, asked) from None
        self.reached = True
        return answer

    def _failed(self, error: aio.AioRpcError, asked: Target) -> TektonError:
        # Where nobody listens, nothing comes back. A server or a gateway on the way sends metadata with its refusal.
        answered = bool(error.initial_metadata() or error.trailing_metadata())
        self.reached = self.reached or answered
        # Several calls fail together where a server ends; only the first of them turns to the next.
        if error.code() in _NOBODY and not answered and asked == self._addresses[0]:
            self._addresses.append(self._addresses.pop(0))
        return from_rpc(error, self.target)

    async def stream(
        self, method: Callable[[Stubs], aio.UnaryStreamMultiCallable[Q, R]], request: Q
    ) -> AsyncGenerator[R, None]:
        """Read a server stream to its end.

        Raises:
            TektonError: as `ask`; UnavailableError also when the stream fell silent.
        """
        call, asked = method(self._stubs())(request), self._addresses[0]
        try:
            while True:
                async with asyncio.timeout(SILENCE):
                    message = await call.read()
                if message is aio.EOF:
                    return
                self.reached = True
                yield cast(R, message)
        except aio.AioRpcError as error:
            raise self._failed(error, asked) from None
        except TimeoutError:
            raise unreachable(self.target, f"nothing came for {SILENCE:.0f} s") from None
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close the channel; calls that are under way end."""
        self._closed = True
        opened, self._open = self._open, {}
        for stubs in opened.values():
            await stubs.channel.close()

    def _stubs(self) -> Stubs:
        _forks.check()
        if self._closed:
            raise RuntimeError("this TektonClient is closed; make a new one")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        elif self._loop is not asyncio.get_running_loop():
            raise RuntimeError("this TektonClient belongs to another event loop; make one for each")
        address = self._addresses[0]
        if address not in self._open:
            self._open[address] = Stubs(async_channel(address))
        return self._open[address]


def _pause(state: tenacity.RetryCallState) -> float:
    asked = _error(state).retry_after or 0.0
    return asked + full_jitter(state.attempt_number - 1, base=0.1, ceiling=1.0)


def _note(state: tenacity.RetryCallState) -> None:
    log.debug("attempt %d failed, trying again: %s", state.attempt_number, _error(state))


def _error(state: tenacity.RetryCallState) -> TektonError:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, TektonError) else TektonError("no error")
