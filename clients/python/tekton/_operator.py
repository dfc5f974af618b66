"""The operating half of a client: starting, stopping and restarting components."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from grpc import aio

from tekton import _convert, _given
from tekton._calls import Stubs
from tekton._fleet import FleetControl
from tekton._results import OperationResult
from tekton.core.errors import TektonError, UnavailableError
from tekton.v1 import lifecycle_service_pb2 as pb

Q = TypeVar("Q")
A = TypeVar("A", pb.StartComponentResponse, pb.StopComponentResponse, pb.RestartComponentResponse)

# How long a server takes at most, in seconds: until a program runs, and what a stop takes beside what it gives.
_BEGIN, _END = 80.0, 30.0
# What a component gets to become ready where nobody says how long to wait: it may have asked for more time.
_READY = 3600.0
# What a stop gives that is not told how much: a launch specification may give more than is usual.
_GIVES = 300.0


class Operator(FleetControl):
    """Starts and stops what Tekton launches, and asks what it did not launch to stop."""

    async def start_component(
        self, component_id: str, *, wait: bool = False, deadline: float | None = None
    ) -> OperationResult:
        """Start a component as its launch specification says: `success = await client.start_component("rhetor")`.

        wait: come back once it is ready or degraded, instead of once its program runs.
        deadline: how long to wait for the answer, in seconds. What was begun goes on without whoever waits.

        One that runs is left alone, and that is a success. A failure is a result too, with its error: such as
        NoLaunchSpecError, StartupError, CircularDependencyError, and TektonTimeoutError where it runs and is not ready.

        Raises:
            UnavailableError: Tekton could not be asked.
        """
        request = pb.StartComponentRequest(component_id=_given.text("component_id", component_id), wait=bool(wait))
        within = _within(deadline, _READY if wait else _BEGIN)
        answer = await self._operate(lambda stubs: stubs.lifecycle.StartComponent, request, within)
        if isinstance(answer, TektonError):
            return _failed(component_id, answer)
        return OperationResult(
            answer.component_id, answer.message, answer.instance_uuid, already_running=answer.already_running
        )

    async def stop_component(
        self,
        component_id: str,
        *,
        instance_uuid: str = "",
        force: bool = False,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> OperationResult:
        """Stop a component, or one instance of it, and come back once nothing of that runs.

        force: kill what does not end by itself.
        timeout: how many seconds it has for what it has in hand before it is signalled, at most 3,600; by default what
            its launch specification gives, or 30.
        deadline: how long to wait for the answer, in seconds. What was asked for goes on without whoever waits.

        A failure is a result too, with its error: TektonTimeoutError where something runs on (its
        `details["instances"]` say what, and what to do), ConflictError where what Tekton did not launch refused.

        Raises:
            UnavailableError: Tekton could not be asked.
        """
        request = pb.StopComponentRequest(
            component_id=_given.text("component_id", component_id),
            instance_uuid=_given.text("instance_uuid", instance_uuid),
            force=bool(force),
            timeout=None if timeout is None else _given.span("timeout", timeout),
        )
        within = _within(deadline, (_GIVES if timeout is None else timeout) + _END)
        answer = await self._operate(lambda stubs: stubs.lifecycle.StopComponent, request, within)
        if isinstance(answer, TektonError):
            return _failed(component_id, answer)
        instances = tuple(map(_convert.plain, answer.instances))
        return OperationResult(answer.component_id, answer.message, instances=instances)

    async def restart_component(
        self,
        component_id: str,
        *,
        instance_uuid: str = "",
        force: bool = False,
        timeout: float | None = None,
        wait: bool = False,
        deadline: float | None = None,
    ) -> OperationResult:
        """Stop a component as `stop_component` does, and start it as `start_component` does.

        One that does not run is started; one that Tekton did not launch is asked to restart.

        Raises:
            UnavailableError: Tekton could not be asked.
        """
        request = pb.RestartComponentRequest(
            component_id=_given.text("component_id", component_id),
            instance_uuid=_given.text("instance_uuid", instance_uuid),
            force=bool(force),
            timeout=None if timeout is None else _given.span("timeout", timeout),
            wait=bool(wait),
        )
        usual = (_GIVES if timeout is None else timeout) + _END + (_READY if wait else _BEGIN)
        within = _within(deadline, usual)
        answer = await self._operate(lambda stubs: stubs.lifecycle.RestartComponent, request, within)
        if isinstance(answer, TektonError):
            return _failed(component_id, answer)
        return OperationResult(answer.component_id, answer.message, answer.instance_uuid)

    async def _operate(
        self, method: Callable[[Stubs], aio.UnaryUnaryMultiCallable[Q, A]], request: Q, within: float
    ) -> A | TektonError:
        try:
            return await self._calls.ask(method, request, retry=False, within=within)
        except UnavailableError:
            raise
        except TektonError as error:
            return error


def _failed(component_id: str, error: TektonError) -> OperationResult:
    return OperationResult(component_id, error.message, error=error)


def _within(deadline: float | None, usual: float) -> float:
    return usual if deadline is None else _given.seconds("deadline", deadline)
