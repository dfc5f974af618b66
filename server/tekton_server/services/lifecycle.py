"""LifecycleService: start and stop; report, read, explain and watch states; who needs whom; and give commands."""

from __future__ import annotations

from collections.abc import AsyncIterator

from google.api.httpbody_pb2 import HttpBody

from tekton.core.ids import lookup_key
from tekton.core.view import InstanceCommand
from tekton.v1 import component_pb2 as pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import lifecycle_service_pb2_grpc as lifecycle_grpc
from tekton_server.domain.instance_commands import no_command
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert, history, instance_commands, read, reply, sse, starting
from tekton_server.services.base import Context, Servicer, now
from tekton_server.services.explain import Explanations
from tekton_server.services.fleets import Fleets
from tekton_server.services.graphs import Graphs
from tekton_server.services.selector import Selector
from tekton_server.services.watches import StateWatches


class LifecycleServicer(Servicer, lifecycle_grpc.LifecycleServiceServicer):
    """See proto/tekton/v1/lifecycle_service.proto."""

    def __init__(self, live: LiveRegistry) -> None:
        super().__init__(live)
        self._watches, self._events = StateWatches(live), sse.StateEvents(live)
        self._graphs, self._explanations = Graphs(live), Explanations(live)
        self._fleets = Fleets(live)

    async def UpdateComponentState(
        self, request: lifecycle_pb.UpdateComponentStateRequest, context: Context
    ) -> lifecycle_pb.UpdateComponentStateResponse:
        """Move an instance to a state."""
        self.live.pulses.check_epoch(request.instance_uuid, request.session_epoch)
        return convert.reported(await self.submit(read.report(request), context, request))

    async def GetComponentStatus(
        self, request: lifecycle_pb.GetComponentStatusRequest, context: Context
    ) -> lifecycle_pb.GetComponentStatusResponse:
        """Read the state of a component."""
        found = await self.component(request.component_id)
        answer = convert.status(found, self.live.leases, now())
        if (detail := starting.detail(self.live.view.launch(request.component_id))) is not None:
            answer.status_detail.CopyFrom(detail)
        return answer

    async def StartComponent(
        self, request: lifecycle_pb.StartComponentRequest, context: Context
    ) -> lifecycle_pb.StartComponentResponse:
        """Start a component."""
        self.live.fleet.starts(request.component_id)
        return await starting.start(self.live.lifecycle, request)

    async def StopComponent(
        self, request: lifecycle_pb.StopComponentRequest, context: Context
    ) -> lifecycle_pb.StopComponentResponse:
        """Stop a component."""
        if not request.instance_uuid:
            self.live.fleet.stops(request.component_id)
        return await starting.stop(self.live.lifecycle, request)

    async def RestartComponent(
        self, request: lifecycle_pb.RestartComponentRequest, context: Context
    ) -> lifecycle_pb.RestartComponentResponse:
        """Restart a component."""
        self.live.fleet.starts(request.component_id)
        return await starting.restart(self.live.lifecycle, request)

    async def GetDependencyGraph(
        self, request: lifecycle_pb.GetDependencyGraphRequest, context: Context
    ) -> lifecycle_pb.GetDependencyGraphResponse:
        """Read the dependency graph."""
        return reply.encoded(lifecycle_pb.GetDependencyGraphResponse, await self._graphs.whole())

    async def GetComponentDependencies(
        self, request: lifecycle_pb.GetComponentDependenciesRequest, context: Context
    ) -> lifecycle_pb.GetComponentDependenciesResponse:
        """Read a component's place in it."""
        return await self._graphs.place(await self.component(request.component_id))

    async def ExplainComponent(
        self, request: lifecycle_pb.ExplainComponentRequest, context: Context
    ) -> lifecycle_pb.ExplainComponentResponse:
        """Tell why a component is not ready."""
        return await self._explanations.reply(await self.component(request.component_id))

    async def ListTransitions(
        self, request: lifecycle_pb.ListTransitionsRequest, context: Context
    ) -> lifecycle_pb.ListTransitionsResponse:
        """Read the history of a component."""
        page = await history.page(self.live, request)
        if not page.transitions:
            # Where even the journal knows nothing, there has to be such a component.
            await self.component(request.component_id)
        return page

    async def WatchStates(
        self, request: lifecycle_pb.WatchStatesRequest, context: Context
    ) -> AsyncIterator[lifecycle_pb.WatchStatesResponse]:
        """Watch state changes."""
        async for message in self._watches.messages(Selector.of(request), request.after_revision):
            yield reply.encoded(lifecycle_pb.WatchStatesResponse, message)

    async def StreamStates(self, request: lifecycle_pb.WatchStatesRequest, context: Context) -> AsyncIterator[HttpBody]:
        """Watch state changes as server-sent events."""
        token = sse.last_event_id(context.invocation_metadata()) or request.after_revision
        async for body in self._events.bodies(Selector.of(request), token):
            yield reply.encoded(HttpBody, body)

    async def PostCommand(
        self, request: lifecycle_pb.PostCommandRequest, context: Context
    ) -> lifecycle_pb.PostCommandResponse:
        """Give a command to instances."""
        posted = await self.submit(instance_commands.post(request), context, request)
        reply.http_status(201)
        return instance_commands.posted(posted)

    async def GetCommand(self, request: lifecycle_pb.GetCommandRequest, context: Context) -> pb.CommandStatus:
        """Read what became of a command."""
        command_id = instance_commands.command_id(request.command_id)
        found = self._command(request.component_id, command_id)
        if found is None:
            await self.live.confirm()
            found = self._command(request.component_id, command_id)
        if found is None:
            raise no_command(request.component_id, command_id)
        return instance_commands.status(found)

    async def PlanStart(self, request: lifecycle_pb.PlanStartRequest, context: Context) -> lifecycle_pb.FleetPlan:
        """Tell what a start would do."""
        return await self._fleets.plan(request)

    async def StartComponents(
        self, request: lifecycle_pb.StartComponentsRequest, context: Context
    ) -> AsyncIterator[lifecycle_pb.FleetProgress]:
        """Start components and what they need."""
        async for message in self._fleets.messages(await self._fleets.start(request)):
            yield message

    async def StreamStartComponents(
        self, request: lifecycle_pb.StartComponentsRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Start components and what they need, as server-sent events."""
        async for body in self._fleets.bodies(await self._fleets.start(request)):
            yield reply.encoded(HttpBody, body)

    async def StopComponents(
        self, request: lifecycle_pb.StopComponentsRequest, context: Context
    ) -> AsyncIterator[lifecycle_pb.FleetProgress]:
        """Stop components in the reverse order."""
        async for message in self._fleets.messages(await self._fleets.stop(request)):
            yield message

    async def StreamStopComponents(
        self, request: lifecycle_pb.StopComponentsRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Stop components in the reverse order, as server-sent events."""
        async for body in self._fleets.bodies(await self._fleets.stop(request)):
            yield reply.encoded(HttpBody, body)

    def _command(self, component_id: str, command_id: str) -> InstanceCommand | None:
        found = self.live.commands.get(command_id)
        return found if found is not None and lookup_key(found.component_id) == lookup_key(component_id) else None
