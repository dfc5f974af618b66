"""SystemService: Tekton about itself."""

from __future__ import annotations

from tekton.core.errors import CORE_COMPONENT, UnavailableError
from tekton.v1 import system_service_pb2 as pb
from tekton.v1 import system_service_pb2_grpc as system_grpc
from tekton_server.build import BUILD
from tekton_server.live.system import SystemState
from tekton_server.services.base import Context, now
from tekton_server.services.convert import timestamp


class SystemServicer(system_grpc.SystemServiceServicer):
    """See proto/tekton/v1/system_service.proto."""

    def __init__(self, state: SystemState) -> None:
        self._state = state

    async def Health(self, request: pb.HealthRequest, context: Context) -> pb.HealthResponse:
        """Tell how the parts are."""
        parts = self._state.health()
        wrong = {part: sentence for part, sentence in parts.items() if sentence is not None}
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
