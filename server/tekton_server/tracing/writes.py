"""Spans of the write path: the wait for a batch, and the batch.

A batch serves many callers. Where it serves one traced caller it is part of that one's trace; where it serves several
it belongs to none of them: it is a trace of its own, linked with the span of each write, and each of those with it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, Status, StatusCode, Tracer, get_current_span
from opentelemetry.trace.propagation import set_span_in_context

from tekton_server.live.batch import Pending
from tekton_server.live.writer import Writer
from tekton_server.tracing.calls import tell


class TracedWriter(Writer):
    """Traces the writes of traced callers."""

    def __init__(self, tracer: Tracer, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._tracer = tracer
        # Pending holds the future, and the future this writer's callback: gone with the answer.
        self._writes: dict[Pending, _Write] = {}

    def _enqueue(self, pending: Pending) -> asyncio.Future[Any]:
        future = super()._enqueue(pending)
        if get_current_span().is_recording():
            command = "Refresh" if pending.command is None else type(pending.command).__name__
            self._writes[pending] = _Write(self._tracer, command)
            future.add_done_callback(partial(self._answered, pending))
        return future

    def _answered(self, pending: Pending, future: asyncio.Future[Any]) -> None:
        write = self._writes.pop(pending, None)
        if write is not None:
            write.end(None if future.cancelled() else future.exception())

    async def _attempt(self, batch: list[Pending]) -> bool:
        writes = [write for item in batch if (write := self._writes.get(item)) is not None]
        if not writes:
            return await super()._attempt(batch)
        for write in writes:
            write.taken()
        alone = len(writes) == 1
        parent = set_span_in_context(writes[0].span) if alone else Context()
        links = [] if alone else [Link(write.span.get_span_context()) for write in writes]
        size = {"tekton.batch.commands": len(batch)}
        with self._tracer.start_as_current_span("write batch", parent, links=links, attributes=size) as span:
            for write in () if alone else writes:
                write.span.add_link(span.get_span_context())
            stored = await super()._attempt(batch)
            if not stored:
                span.set_status(Status(StatusCode.ERROR, "the database does not answer"))
        return stored


class _Write:
    """One command, from its caller's hand to the answer."""

    def __init__(self, tracer: Tracer, command: str) -> None:
        self._tracer = tracer
        self._since: int | None = time_ns()
        self.span: Span = tracer.start_span(
            f"write {command}", attributes={"tekton.command": command}, start_time=self._since
        )

    def taken(self) -> None:
        """A batch has it: the wait is over. One that is put back has waited already."""
        if self._since is not None:
            waited = self._tracer.start_span("write wait", set_span_in_context(self.span), start_time=self._since)
            waited.end()
            self._since = None

    def end(self, error: BaseException | None) -> None:
        """It is answered, or its caller has gone."""
        if error is not None:
            tell(self.span, error)
        self.span.end()
