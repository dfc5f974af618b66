"""LifecycleService: report, read and watch states."""

from __future__ import annotations

from collections.abc import AsyncIterator

from google.api.httpbody_pb2 import HttpBody

from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import lifecycle_service_pb2_grpc as lifecycle_grpc
from tekton_server.services import convert, read, sse, watching
from tekton_server.services.base import Context, Servicer, now
from tekton_server.services.selector import Selector


class LifecycleServicer(Servicer, lifecycle_grpc.LifecycleServiceServicer):
    """See proto/tekton/v1/lifecycle_service.proto."""

    async def UpdateComponentState(
        self, request: lifecycle_pb.UpdateComponentStateRequest, context: Context
    ) -> lifecycle_pb.UpdateComponentStateResponse:
        """Move an instance to a state."""
        return convert.reported(await self.submit(read.report(request), context, request))

    async def GetComponentStatus(
        self, request: lifecycle_pb.GetComponentStatusRequest, context: Context
    ) -> lifecycle_pb.GetComponentStatusResponse:
        """Read the state of a component."""
        return convert.status(await self.component(request.component_id), self.live.leases, now())

    async def WatchStates(
        self, request: lifecycle_pb.WatchStatesRequest, context: Context
    ) -> AsyncIterator[lifecycle_pb.WatchStatesResponse]:
        """Watch state changes."""
        async for message in watching.states(self.live, Selector.of(request), request.after_revision):
            yield message

    async def StreamStates(self, request: lifecycle_pb.WatchStatesRequest, context: Context) -> AsyncIterator[HttpBody]:
        """Watch state changes as server-sent events."""
        token = sse.last_event_id(context.invocation_metadata()) or request.after_revision
        watching.resume_check(token)
        async for body in sse.states(watching.unbroken_states(self.live, Selector.of(request), token)):
            yield body
