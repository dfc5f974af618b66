"""Registering many at once: every item is queued before the first is waited for, so that they share commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from tekton.core.errors import TektonError, UnavailableError, ValidationError
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.domain import limits
from tekton_server.domain.commands import Registered
from tekton_server.live.lease import Timing
from tekton_server.live.writer import Writer
from tekton_server.services import convert, read, refusal

Answer = Registered | TektonError
_Result = registry_pb.BatchRegisterComponentsResponse.Result


async def register(
    writer: Writer,
    request: registry_pb.BatchRegisterComponentsRequest,
    machine: str,
    within: float,
    configured: Callable[[str], tuple[str, ...]],
) -> list[Answer]:
    """Register every item, and give what became of each in the same order. `configured` gives what the operator says
    that a component needs.

    Raises:
        ValidationError: there is no item, or too many.
        UnavailableError, RateLimitedError: nothing could be decided; the call can be tried again.
    """
    count, most = len(request.components), limits.BATCH_ITEMS
    if not 1 <= count <= most:
        raise ValidationError.of("components", f"must have 1 to {most} items", "max_items", limit=most)
    queued = [_queued(writer, item, machine, configured(item.component_id)) for item in request.components]
    waiting = [one for one in queued if isinstance(one, asyncio.Future)]
    if waiting:
        await asyncio.wait(waiting, timeout=within)
    answers = [_answer(one) for one in queued]
    undecided = [one for one in answers if isinstance(one, TektonError) and one.retry_after is not None]
    if len(undecided) == count:
        raise next((one for one in undecided if one.details.get("outcome") == "unknown"), undecided[0])
    return answers


def _queued(
    writer: Writer, item: registry_pb.RegisterComponentRequest, machine: str, configured: tuple[str, ...]
) -> asyncio.Future[Registered] | TektonError:
    try:
        return writer.submit_nowait(read.register(item, machine, configured), request=read.request_of(item))
    except TektonError as error:
        return error


def _answer(queued: asyncio.Future[Registered] | TektonError) -> Answer:
    if isinstance(queued, TektonError):
        return queued
    if not queued.done():
        queued.add_done_callback(_consume)
        return UnavailableError(
            "the write did not finish in time and may still happen; read before you try again",
            details={"outcome": "unknown"},
        )
    error = queued.exception()
    if error is None:
        return queued.result()
    if isinstance(error, TektonError):
        return error
    raise error


def _consume(future: asyncio.Future[Any]) -> None:
    """Take the answer that nobody waits for any more, or it is logged as forgotten."""
    if not future.cancelled():
        future.exception()


def response(
    request: registry_pb.BatchRegisterComponentsRequest, answers: Sequence[Answer], history_id: str, timing: Timing
) -> registry_pb.BatchRegisterComponentsResponse:
    """Convert the answers."""
    results = [
        _refused(item.component_id, answer)
        if isinstance(answer, TektonError)
        else convert.registered(_Result, answer, history_id, timing)
        for item, answer in zip(request.components, answers, strict=True)
    ]
    failed = sum(not result.success for result in results)
    return registry_pb.BatchRegisterComponentsResponse(
        success=not failed,
        message=f"{len(results) - failed} of {len(results)} components registered",
        registered=len(results) - failed,
        failed=failed,
        results=results,
    )


def _refused(component_id: str, error: TektonError) -> _Result:
    return _Result(success=False, component_id=component_id[:64], error=refusal.told(error))
