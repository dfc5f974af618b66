"""Calls to Tekton from an event loop: one lazy channel, a deadline on every call, retries where they are safe."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, TypeVar, cast

import tenacity
from grpc import aio

from tekton._channel import Target, async_channel
from tekton._errors import from_rpc, unreachable
from tekton.core.backoff import full_jitter
from tekton.core.errors import TektonError, TektonTimeoutError, UnavailableError
from tekton.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub
from tekton.v1.lifecycle_service_pb2_grpc import LifecycleServiceStub
from tekton.v1.registry_service_pb2_grpc import RegistryServiceStub

if TYPE_CHECKING:
    from tekton.v1.heartbeat_service_pb2_grpc import HeartbeatServiceAsyncStub
    from tekton.v1.lifecycle_service_pb2_grpc import LifecycleServiceAsyncStub
    from tekton.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub

log = logging.getLogger(__name__)

Q = TypeVar("Q")
R = TypeVar("R")

# A watch hears at least a bookmark every few seconds; one that is silent for so long is dead without knowing it.
SILENCE = 45.0


class Stubs:
    """The services over one channel."""

    def __init__(self, channel: aio.Channel) -> None:
        self.channel = channel
        self.registry: RegistryServiceAsyncStub = RegistryServiceStub(channel)
        self.lifecycle: LifecycleServiceAsyncStub = LifecycleServiceStub(channel)
        self.heartbeat: HeartbeatServiceAsyncStub = HeartbeatServiceStub(channel)


class Calls:
    """Everything a client asks. `timeout` bounds each call with all its retries, in seconds."""

    def __init__(self, target: Target, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self._open: Stubs | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def ask(
        self, method: Callable[[Stubs], aio.UnaryUnaryMultiCallable[Q, R]], request: Q, *, retry: bool = True
    ) -> R:
        """Make one call. `retry` repeats it while Tekton cannot answer, so the call must be safe to repeat.

        Raises:
            TektonError: the class the server raised; UnavailableError or TektonTimeoutError when it did not answer.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((UnavailableError, TektonTimeoutError)),
            stop=tenacity.stop_before_delay(self.timeout) if retry else tenacity.stop_after_attempt(1),
            wait=_pause,
            before_sleep=_note,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                return await self._once(method, request, max(0.001, deadline - loop.time()))
        raise AssertionError("tenacity ends with an answer or with an error")

    async def _once(self, method: Callable[[Stubs], aio.UnaryUnaryMultiCallable[Q, R]], request: Q, within: float) -> R:
        try:
            return await method(self._stubs())(request, timeout=within)
        except aio.AioRpcError as error:
            raise from_rpc(error, self.target) from None

    async def stream(
        self, method: Callable[[Stubs], aio.UnaryStreamMultiCallable[Q, R]], request: Q
    ) -> AsyncGenerator[R, None]:
        """Read a server stream to its end.

        Raises:
            TektonError: as `ask`; UnavailableError also when the stream fell silent.
        """
        call = method(self._stubs())(request)
        try:
            while True:
                async with asyncio.timeout(SILENCE):
                    message = await call.read()
                if message is aio.EOF:
                    return
                yield cast(R, message)
        except aio.AioRpcError as error:
            raise from_rpc(error, self.target) from None
        except TimeoutError:
            raise unreachable(self.target, f"nothing came for {SILENCE:.0f} s") from None
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close the channel; calls that are under way end."""
        self._closed = True
        stubs, self._open = self._open, None
        if stubs is not None:
            await stubs.channel.close()

    def _stubs(self) -> Stubs:
        if self._closed:
            raise RuntimeError("this TektonClient is closed; make a new one")
        if self._open is None:
            self._open = Stubs(async_channel(self.target))
            self._loop = asyncio.get_running_loop()
        elif self._loop is not asyncio.get_running_loop():
            raise RuntimeError("this TektonClient belongs to another event loop; make one for each")
        return self._open


def _pause(state: tenacity.RetryCallState) -> float:
    asked = _error(state).retry_after or 0.0
    return asked + full_jitter(state.attempt_number - 1, base=0.1, ceiling=1.0)


def _note(state: tenacity.RetryCallState) -> None:
    log.debug("attempt %d failed, trying again: %s", state.attempt_number, _error(state))


def _error(state: tenacity.RetryCallState) -> TektonError:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, TektonError) else TektonError("no error")
