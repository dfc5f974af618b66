"""RegistryService: register, list, read, deregister, watch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from google.api.httpbody_pb2 import HttpBody

from tekton.core.ids import lookup_key
from tekton.core.lifecycle import parse_state
from tekton.core.view import Component, View
from tekton.v1 import component_pb2 as pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import registry_service_pb2_grpc as registry_grpc
from tekton_server.domain import limits
from tekton_server.domain.validation import check_text
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import batch, convert, paging, read, reply, sse
from tekton_server.services.base import Context, Servicer, now, patience
from tekton_server.services.caller import Networks, machine
from tekton_server.services.faces import Faces
from tekton_server.services.selector import Selector
from tekton_server.services.watches import RegistryWatches


class RegistryServicer(Servicer, registry_grpc.RegistryServiceServicer):
    """See proto/tekton/v1/registry_service.proto."""

    def __init__(self, live: LiveRegistry, trusted: Networks = ()) -> None:
        super().__init__(live)
        self._trusted = trusted
        self._faces = Faces(live)
        self._watches, self._events = RegistryWatches(live), sse.RegistryEvents(live)

    async def RegisterComponent(
        self, request: registry_pb.RegisterComponentRequest, context: Context
    ) -> registry_pb.RegisterComponentResponse:
        """Register an instance."""
        configured = self.live.lifecycle.configured_needs(request.component_id)
        command = read.register(request, machine(context, self._trusted), configured)
        answer = await self.submit(command, context, request)
        reply.http_status(201 if answer.created else 200)
        return convert.registered(
            registry_pb.RegisterComponentResponse, answer, self.live.view.history_id, self.live.leases.timing
        )

    async def BatchRegisterComponents(
        self, request: registry_pb.BatchRegisterComponentsRequest, context: Context
    ) -> registry_pb.BatchRegisterComponentsResponse:
        """Register many instances."""
        came_from = machine(context, self._trusted)
        configured = self.live.lifecycle.configured_needs
        answers = await batch.register(self.live.writer, request, came_from, patience(context), configured)
        return batch.response(request, answers, self.live.view.history_id, self.live.leases.timing)

    async def ListComponents(
        self, request: registry_pb.ListComponentsRequest, context: Context
    ) -> registry_pb.ListComponentsResponse:
        """List components."""
        found = sorted(_selected(self.live.view, request), key=_key)
        if not found:
            await self.live.confirm()
            found = sorted(_selected(self.live.view, request), key=_key)
        return self._page(found, request)

    def _page(
        self, found: list[Component], request: registry_pb.ListComponentsRequest
    ) -> registry_pb.ListComponentsResponse:
        most, after = paging.size(request.page_size) or limits.PAGE_SIZE, paging.place(request.page_token)
        page = registry_pb.ListComponentsResponse()
        size = 0
        for component in found:
            if after and _key(component) <= after:
                continue
            row = self._faces.summary(component)
            size += row.ByteSize()
            if page.components and (len(page.components) >= most or size > limits.PAGE_BYTES):
                page.next_page_token = paging.token(lookup_key(page.components[-1].component_id))
                break
            page.components.append(row)
        return page

    async def GetComponent(self, request: registry_pb.GetComponentRequest, context: Context) -> pb.Component:
        """Read one component."""
        return reply.encoded(pb.Component, self._faces.component(await self.component(request.component_id), now()))

    async def UpdateComponent(self, request: registry_pb.UpdateComponentRequest, context: Context) -> pb.Component:
        """Change a definition."""
        configured = self.live.lifecycle.configured_needs(request.component_id)
        definition = await self.submit(read.update(request, configured), context, request)
        # The definition as it was decided, also where the answer is a repeated one and much has happened since.
        found = Component(definition)
        for instance in self.live.view.instances_of(request.component_id):
            found.put(instance)
        return convert.component(found, self.live.leases, self.live.view.history_id, now())

    async def DeregisterComponent(
        self, request: registry_pb.DeregisterComponentRequest, context: Context
    ) -> registry_pb.DeregisterComponentResponse:
        """End an instance, or remove a component."""
        self.live.pulses.check_epoch(request.instance_uuid, request.session_epoch)
        await self.submit(read.deregister(request), context, request)
        what = "Instance" if request.instance_uuid else "Component"
        return registry_pb.DeregisterComponentResponse(success=True, message=f"{what} deregistered successfully")

    async def WatchRegistry(
        self, request: registry_pb.WatchRegistryRequest, context: Context
    ) -> AsyncIterator[registry_pb.WatchRegistryResponse]:
        """Watch the registry."""
        async for message in self._watches.messages(Selector.of(request), request.after_revision):
            yield reply.encoded(registry_pb.WatchRegistryResponse, message)

    async def StreamRegistry(
        self, request: registry_pb.WatchRegistryRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Watch the registry as server-sent events."""
        token = sse.last_event_id(context.invocation_metadata()) or request.after_revision
        async for body in self._events.bodies(Selector.of(request), token):
            yield reply.encoded(HttpBody, body)


def _selected(view: View, request: registry_pb.ListComponentsRequest) -> Iterator[Component]:
    found: Iterator[Component]
    state = parse_state(request.status, "status") if request.status else None
    text = read.query(request.q)
    check_text("type", request.type, limits.COMPONENT_TYPE_CHARS)
    check_text("capability", request.capability, limits.ITEM_CHARS)
    if request.capability:
        found = view.with_capability(request.capability)
    elif request.type:
        found = view.of_type(request.type)
    elif state is not None:
        found = view.in_state(state)
    else:
        found = view.all()
    return (
        component
        for component in found
        if (state is None or component.status is state)
        and (not request.type or component.definition.component_type == request.type)
        and (not text or text in component.text)
    )


def _key(component: Component) -> str:
    return lookup_key(component.definition.component_id)
