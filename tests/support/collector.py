"""An OpenTelemetry collector inside the test's process: it takes OTLP over gRPC and keeps the spans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from grpc import aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest as Request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse as Response
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

ERROR = 2


@dataclass(frozen=True)
class Seen:
    """A span as it was sent; ids in hexadecimal, the parent's empty where there is none."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    status: int
    attributes: dict[str, Any]
    events: dict[str, dict[str, Any]]
    links: list[str]
    seconds: float


@dataclass
class Collector(TraceServiceServicer):
    """Keeps what is sent to it."""

    endpoint: str = ""
    spans: list[Seen] = field(default_factory=list)

    async def Export(self, request: Request, context: Any) -> Response:
        """Take spans."""
        for resource in request.resource_spans:
            service = str(_values(resource.resource.attributes)["service.name"])
            self.spans += [_seen(service, span) for scope in resource.scope_spans for span in scope.spans]
        return Response()

    async def until(self, enough: Callable[[list[Seen]], bool], deadline: float = 15.0) -> list[Seen]:
        """Wait until the spans that have come are enough, and give them all."""
        async with asyncio.timeout(deadline):
            while not enough(self.spans):
                await asyncio.sleep(0.05)
        return list(self.spans)

    async def trace(self, trace_id: str, *names: str) -> dict[str, Seen]:
        """Wait until a trace has spans of these names, and give its spans by name."""

        def found(spans: list[Seen]) -> dict[str, Seen]:
            return {span.name: span for span in spans if span.trace_id == trace_id}

        try:
            return found(await self.until(lambda spans: set(names) <= set(found(spans))))
        except TimeoutError:
            raise AssertionError(f"{names} are not all in {sorted(found(self.spans))}") from None


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Run a collector on a free port."""
    server, running = aio.server(), Collector()
    add_TraceServiceServicer_to_server(running, server)  # type: ignore[no-untyped-call, unused-ignore]
    running.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield running
    finally:
        await server.stop(None)


def _seen(service: str, span: Sent) -> Seen:
    return Seen(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        span.status.code,
        _values(span.attributes),
        {event.name: _values(event.attributes) for event in span.events},
        [link.span_id.hex() for link in span.links],
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
    )


def _values(attributes: Any) -> dict[str, Any]:
    found: list[KeyValue] = list(attributes)
    return {one.key: _value(one.value) for one in found}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
