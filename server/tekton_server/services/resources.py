"""ResourceService: what machines and components use, and what they may use."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping

from google.api.httpbody_pb2 import HttpBody

from tekton.core.errors import ValidationError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.machine import Machine
from tekton.core.view import Component, Constraints
from tekton.v1 import resource_service_pb2 as pb
from tekton.v1 import resource_service_pb2_grpc as resource_grpc
from tekton_server.domain.commands import SetConstraints
from tekton_server.domain.constraints import LIMITS
from tekton_server.domain.usage import reported, total
from tekton_server.live.pulses import Claim
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert, figures, read, reply, sse
from tekton_server.services.base import Context, Servicer, now
from tekton_server.services.resource_events import ResourceEvents, quiet
from tekton_server.services.selector import Selector

_MOST_HISTORY = 86_400.0


class ResourceServicer(Servicer, resource_grpc.ResourceServiceServicer):
    """See proto/tekton/v1/resource_service.proto."""

    def __init__(self, live: LiveRegistry) -> None:
        super().__init__(live)
        self._resources = live.resources
        self._events = ResourceEvents(live)

    async def GetSystemResources(self, request: pb.GetSystemResourcesRequest, context: Context) -> pb.SystemResources:
        """Read what the machine has and uses."""
        machines, seconds = self._resources.machines, _history(request.history_seconds)
        machine = await machines.now()
        points = machines.since(seconds) if seconds else ()
        return figures.system(machine, self._owners(), machines.others, points)

    async def GetCpuResources(self, request: pb.GetCpuResourcesRequest, context: Context) -> pb.GetCpuResourcesResponse:
        """Read the processors."""
        machine = await self._machine()
        return pb.GetCpuResourcesResponse(cpu=figures.cpu(machine.cpu), timestamp=convert.timestamp(machine.at))

    async def GetMemoryResources(
        self, request: pb.GetMemoryResourcesRequest, context: Context
    ) -> pb.GetMemoryResourcesResponse:
        """Read memory and swap."""
        machine = await self._machine()
        found = figures.memory(machine.memory)
        return pb.GetMemoryResourcesResponse(memory=found, timestamp=convert.timestamp(machine.at))

    async def GetGpuResources(self, request: pb.GetGpuResourcesRequest, context: Context) -> pb.GetGpuResourcesResponse:
        """Read the GPUs."""
        machine, owners = await self._machine(), self._owners()
        found = [figures.gpu(one, owners) for one in machine.gpus]
        return pb.GetGpuResourcesResponse(gpu=found, timestamp=convert.timestamp(machine.at), note=machine.gpu_note)

    async def GetDiskResources(
        self, request: pb.GetDiskResourcesRequest, context: Context
    ) -> pb.GetDiskResourcesResponse:
        """Read the disk."""
        machine = await self._machine()
        return pb.GetDiskResourcesResponse(disk=figures.disk(machine.disk), timestamp=convert.timestamp(machine.at))

    async def GetComponentResources(
        self, request: pb.GetComponentResourcesRequest, context: Context
    ) -> pb.ComponentResources:
        """Read what a component uses."""
        seconds = _history(request.history_seconds)
        component = await self.component(request.component_id)
        counted = self._resources.counted(component)
        everybody = list(dict.fromkeys((*component.instances, *counted)))
        # Without any that counts now, the newest one's last word stands.
        message = await self._used(component, everybody, counted or everybody[-1:])
        if seconds:
            message.history.extend(map(figures.usage_point, await self._resources.history(everybody, seconds)))
        return message

    async def _used(self, component: Component, everybody: list[str], summed: list[str]) -> pb.ComponentResources:
        known = await self._resources.newest(everybody)
        message = pb.ComponentResources(component_id=component.definition.component_id)
        for instance_uuid, told in known.items():
            instance, here = component.instances.get(instance_uuid), self._resources.book.get(instance_uuid)
            message.instances.add(
                instance_uuid=instance_uuid,
                status=convert.STATES[instance.state if instance is not None else ComponentState.UNKNOWN],
                resource_usage=figures.usage(told.usage),
                timestamp=convert.timestamp(told.at),
                source=here.source if here is not None else "reported",
            )
        counted = [known[one] for one in summed if one in known]
        message.resource_usage.CopyFrom(figures.usage(total(one.usage for one in counted)))
        convert.set_time(message.timestamp, max((one.at for one in counted), default=now()))
        return message

    async def ReportComponentResources(
        self, request: pb.ReportComponentResourcesRequest, context: Context
    ) -> pb.ReportComponentResourcesResponse:
        """Take what an instance says that it uses."""
        told = {field.name: value for field, value in request.usage.ListFields()}
        uuid, token = read.instance_uuid(request.instance_uuid), read.fencing_token(request.fencing_token)
        await self._resources.report(Claim(request.component_id, uuid, token), reported(told))
        return pb.ReportComponentResourcesResponse(success=True, message="Resource usage received")

    async def GetResourceConstraints(
        self, request: pb.GetResourceConstraintsRequest, context: Context
    ) -> pb.ResourceConstraints:
        """Read what each instance of a component may use."""
        component_id = (await self.component(request.component_id)).definition.component_id
        found = self.live.view.constraints.get(lookup_key(component_id))
        if found is None:
            return pb.ResourceConstraints(component_id=component_id, system=self._system_constraints())
        return self._constraints(found)

    async def SetResourceConstraints(
        self, request: pb.SetResourceConstraintsRequest, context: Context
    ) -> pb.ResourceConstraints:
        """Say what each instance of a component may use."""
        command = SetConstraints(
            component_id=request.component_id,
            expected_revision=request.expected_revision if request.HasField("expected_revision") else None,
            **{name: getattr(request, name) if request.HasField(name) else None for name in LIMITS},  # type: ignore[arg-type]
        )
        return self._constraints(await self.submit(command, context, request))

    async def WatchResources(
        self, request: pb.WatchResourcesRequest, context: Context
    ) -> AsyncIterator[pb.ResourceEvent]:
        """Watch what is too much, and with figures what is used."""
        async for event in self._events.messages(Selector.of(request), all_figures=request.figures):
            yield quiet() if event is None else event

    async def StreamResources(self, request: pb.WatchResourcesRequest, context: Context) -> AsyncIterator[HttpBody]:
        """Watch the same as server-sent events."""
        events = self._events.messages(Selector.of(request), all_figures=request.figures)
        async for body in sse.passing(lambda event: event.event, events):
            yield reply.encoded(HttpBody, body)

    async def _machine(self) -> Machine:
        return await self._resources.machines.now()

    def _owners(self) -> Mapping[int, str]:
        return self._resources.owners()

    def _constraints(self, found: Constraints) -> pb.ResourceConstraints:
        return pb.ResourceConstraints(
            component_id=found.component_id,
            cpu_limit=found.cpu_limit,
            memory_limit=found.memory_limit,
            gpu_limit=found.gpu_limit,
            revision=found.revision,
            updated_at=convert.timestamp(found.updated_at) if found.revision else None,
            system=self._system_constraints(),
        )

    def _system_constraints(self) -> pb.SystemConstraints:
        return pb.SystemConstraints(**self._resources.terms.constraints)


def _history(seconds: float) -> float:
    if not (math.isfinite(seconds) and 0 <= seconds <= _MOST_HISTORY):
        most = int(_MOST_HISTORY)
        raise ValidationError.of("history_seconds", f"must be between 0 and {most}", "range", limit=most)
    return seconds
