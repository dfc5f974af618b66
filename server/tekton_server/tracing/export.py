"""The way of the spans to the collector: OTLP over gRPC, from a thread of its own, behind a queue with a bound."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from tekton import __version__
from tekton_server.live.writer import MAX_BATCH

log = logging.getLogger(__name__)

SERVICE = "tekton"
_SCOPE = "tekton_server"
# How long one export may take, retries included; while it does, spans queue up and the oldest are dropped.
_EXPORT_WITHIN = 5.0
# How long the last spans may take at the stop.
_FLUSH_WITHIN = 2.0


class Export:
    """Takes spans and sends them, until it is stopped. Whatever becomes of them, no call is disturbed."""

    def __init__(self, endpoint: str) -> None:
        # The exporter tells each failure of each attempt; ours says it once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._exporter = _Reported(OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_WITHIN), endpoint)
        resource = Resource.create(
            {"service.name": SERVICE, "service.version": __version__, "service.instance.id": str(uuid4())}
        )
        # A batch links the spans of all its commands.
        limits = SpanLimits(max_links=MAX_BATCH)
        self._provider = TracerProvider(resource=resource, span_limits=limits, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter, schedule_delay_millis=1000))
        self.tracer: Tracer = self._provider.get_tracer(_SCOPE, __version__)

    async def stop(self) -> None:
        """Send what waits, and give it up after the deadline."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            # The loop may be closed by then: this thread is left behind after the deadline.
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        # Not one of the loop's own threads, whose end every exit waits for.
        threading.Thread(target=shut_down, name="last spans", daemon=True).start()
        try:
            async with asyncio.timeout(_FLUSH_WITHIN):
                await ended.wait()
        except TimeoutError:
            log.warning("the last traces could not be sent within %g s", _FLUSH_WITHIN)
        finally:
            self._exporter.give_up()


class _Reported(SpanExporter):
    """Says once that spans cannot be sent, and once that they can be again."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._failing = False
        self._ended = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, from the thread of the queue."""
        try:
            result: SpanExportResult = self._exporter.export(spans)
        except Exception as error:
            return self._failed(error)
        if result is not SpanExportResult.SUCCESS:
            return self._failed(None)
        if self._failing:
            self._failing = False
            log.info("traces are sent to %s again", self._endpoint)
        return result

    def _failed(self, error: Exception | None) -> SpanExportResult:
        if not self._failing and not self._ended:
            self._failing = True
            log.warning(
                "traces cannot be sent to %s; they are dropped until they can be", self._endpoint, exc_info=error
            )
        return SpanExportResult.FAILURE

    def give_up(self) -> None:
        """Break off what is under way."""
        if not self._ended:
            self._ended = True
            self._exporter.shutdown()

    def shutdown(self) -> None:
        """End with the queue."""
        self.give_up()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits in here."""
        return True
