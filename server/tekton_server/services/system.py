"""SystemService: Tekton about itself."""

from __future__ import annotations

from collections.abc import Mapping

from google.api.httpbody_pb2 import HttpBody

from tekton.core.errors import CORE_COMPONENT, UnavailableError, UnknownPathError
from tekton.v1 import system_service_pb2 as pb
from tekton.v1 import system_service_pb2_grpc as system_grpc
from tekton_server.build import BUILD
from tekton_server.live.metrics import Telemetry
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.system import SystemState
from tekton_server.services import openapi, read
from tekton_server.services.base import Context, now
from tekton_server.services.convert import timestamp
from tekton_server.services.exposition import Exposition

METRICS_OFF = (
    "metrics are off; to turn them on, set monitoring.enable_metrics to true in tekton.json, "
    "or TEKTON_MONITORING_ENABLE_METRICS=true, and start Tekton again"
)


class SystemServicer(system_grpc.SystemServiceServicer):
    """See proto/tekton/v1/system_service.proto."""

    def __init__(self, live: LiveRegistry, state: SystemState, telemetry: Telemetry, *, metrics: bool = True) -> None:
        self._live = live
        self._state = state
        self._telemetry = telemetry
        self._exposition = Exposition(live, state, telemetry) if metrics else None

    async def Index(self, request: pb.IndexRequest, context: Context) -> pb.IndexResponse:
        """Say where everything is."""
        return pb.IndexResponse(
            name="tekton",
            version=BUILD.version,
            docs="/docs",
            openapi="/api/openapi.json",
            health="/api/health",
            ready="/api/ready",
            components="/api/tekton/components",
        )

    async def Health(self, request: pb.HealthRequest, context: Context) -> pb.HealthResponse:
        """Tell how the parts are."""
        parts = self._state.health()
        wrong = told(parts)
        return pb.HealthResponse(
            status="degraded" if wrong else "healthy",
            checks={part: "failing" if part in wrong else "passing" for part in parts},
            timestamp=timestamp(now()),
            details=wrong,
        )

    async def Ready(self, request: pb.ReadyRequest, context: Context) -> pb.ReadyResponse:
        """Tell since when Tekton serves."""
        if not self._state.ready:
            phase = "stopping" if self._state.stopping else self._state.phase
            raise UnavailableError(f"Tekton is not ready: {phase}", details={"phase": phase})
        wrong = told(self._state.parts())
        if wrong:
            # Reads and beats go on; who only wants those goes by health instead.
            raise UnavailableError(
                f"Tekton is not ready: {'; '.join(wrong.values())}",
                details={"phase": self._state.phase, "checks": wrong},
            )
        return pb.ReadyResponse(
            status="ready",
            uptime=self._state.uptime,
            ready_time=timestamp(self._state.ready_at),
            uptime_seconds=self._state.uptime,
        )

    async def Version(self, request: pb.VersionRequest, context: Context) -> pb.VersionResponse:
        """Tell which component this is."""
        return pb.VersionResponse(
            component=CORE_COMPONENT, version=BUILD.version, build_date=BUILD.date, git_commit=BUILD.commit
        )

    async def ApiVersion(self, request: pb.ApiVersionRequest, context: Context) -> pb.ApiVersionResponse:
        """Tell which version of the API is served."""
        return pb.ApiVersionResponse(
            version=BUILD.version, build_date=BUILD.date, git_commit=BUILD.commit, api_version="v1"
        )

    async def Metrics(self, request: pb.MetricsRequest, context: Context) -> pb.MetricsResponse:
        """Tell how busy Tekton is."""
        process, calls, live = self._telemetry.process.figures(), self._telemetry.calls, self._live
        per_second, mean = calls.recent.figures()
        return pb.MetricsResponse(
            cpu_percent=process.cpu_percent,
            memory_percent=process.memory_percent,
            active_connections=calls.active,
            requests_per_second=per_second,
            request_latency_ms=mean * 1000,
            requests_total=calls.ended,
            request_errors_total=calls.failed,
            uptime_seconds=self._state.uptime,
            memory_mb=process.resident_bytes / 2**20,
            threads=process.threads,
            components=len(live.view.components),
            instances=len(live.view.instances),
            leases=len(live.leases),
            suspects=live.leases.suspects,
            sessions=len(live.sessions),
            watchers=live.hub.watchers + live.feed.watchers + live.commands.watchers + len(live.resources.feed),
            writes_waiting=live.writer.waiting,
            revision=live.view.revision,
            database_up=live.writer.down_since is None,
        )

    async def Exposition(self, request: pb.ExpositionRequest, context: Context) -> HttpBody:
        """Give every figure as OpenMetrics text."""
        if self._exposition is None:
            raise UnknownPathError(METRICS_OFF, details={"setting": "monitoring.enable_metrics"})
        return HttpBody(content_type=openapi.OPENMETRICS, data=await self._exposition.text())

    async def GetSelfPreservation(
        self, request: pb.GetSelfPreservationRequest, context: Context
    ) -> pb.SelfPreservation:
        """Tell how self-preservation stands."""
        return _self_preservation(self._live)

    async def SetSelfPreservation(
        self, request: pb.SetSelfPreservationRequest, context: Context
    ) -> pb.SelfPreservation:
        """Take an operator's word about it."""
        await self._live.switches.preserve(read.word(request.mode))
        return _self_preservation(self._live)

    async def OpenApi(self, request: pb.OpenApiRequest, context: Context) -> HttpBody:
        """Give the OpenAPI document."""
        return HttpBody(content_type=openapi.JSON, data=openapi.document())

    async def Docs(self, request: pb.DocsRequest, context: Context) -> HttpBody:
        """Give the page that shows it."""
        return HttpBody(content_type=openapi.HTML, data=openapi.page())


def _self_preservation(live: LiveRegistry) -> pb.SelfPreservation:
    judge = live.leases.judge
    told = judge.preservation.told()
    return pb.SelfPreservation(
        mode=told.word,
        mode_set_at=timestamp(told.said_at),
        active=told.active,
        since=timestamp(told.since),
        until=timestamp(told.until),
        reason=told.reason,
        sessions=told.sessions,
        missing=told.missing,
        kept=told.kept,
        evicted=judge.evictions.done,
        spared=judge.evictions.spared,
    )


def told(parts: Mapping[str, str | None]) -> dict[str, str]:
    """Keep the parts that are not well."""
    return {part: sentence for part, sentence in parts.items() if sentence is not None}
