"""The half of a client that is about resources and errors: what is used, what may be used, and what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from tekton import _convert, _given
from tekton._error_reports import error_report
from tekton._registrar import Registrar
from tekton._watch import unless_nobody_listens
from tekton.core.backoff import full_jitter
from tekton.core.errors import TektonError, ValidationError
from tekton.core.ids import new_uuid
from tekton.v1 import error_report_service_pb2 as error_pb
from tekton.v1 import resource_service_pb2 as pb

LIMITS = ("cpu_limit", "memory_limit", "gpu_limit")
FIGURES = tuple(pb.ReportedUsage.DESCRIPTOR.fields_by_name)


class ResourceCalls(Registrar):
    """Reads and reports what is used."""

    async def get_system_resources(self, *, history_seconds: float = 0.0) -> dict[str, Any]:
        """Read what Tekton's machine has and uses.

        Gives {cpu, memory, disk, gpu, network, host, timestamp, history, others} as the documented JSON: memory and
        disk in GB, percents from 0 to 100. history_seconds: how far back `history` goes.

        Raises:
            UnavailableError: the figures cannot be read now.
        """
        request = pb.GetSystemResourcesRequest(history_seconds=_given.span("history_seconds", history_seconds))
        answer = await self._calls.ask(lambda stubs: stubs.resources.GetSystemResources, request)
        return _convert.plain(answer)

    async def get_component_resources(self, component_id: str, *, history_seconds: float = 0.0) -> dict[str, Any]:
        """Read what a component uses.

        Gives {component_id, resource_usage, timestamp, instances, history} as the documented JSON: memory in MB,
        cpu_percent 100 is one core. Figures that nobody told are 0; where nothing is known `instances` is empty.

        Raises:
            ComponentNotFoundError: there is no such component.
        """
        request = pb.GetComponentResourcesRequest(
            component_id=_given.text("component_id", component_id),
            history_seconds=_given.span("history_seconds", history_seconds),
        )
        answer = await self._calls.ask(lambda stubs: stubs.resources.GetComponentResources, request)
        return _convert.plain(answer)

    async def report_resource_usage(self, component_id: str, instance_uuid: str, usage: Mapping[str, float]) -> None:
        """Say what an instance uses; the newest report counts.

        usage: any of cpu_percent (100 is one core), memory_mb, memory_percent, gpu_memory_mb, gpu_util,
            disk_read_bytes, disk_write_bytes, network_recv_bytes and network_sent_bytes.

        Raises:
            ComponentNotFoundError, StaleSessionError, ValidationError: it does not count.
        """
        lease = self._heart.leases.find(_given.text("instance_uuid", instance_uuid))
        request = pb.ReportComponentResourcesRequest(
            component_id=_given.text("component_id", component_id),
            instance_uuid=lease.instance_uuid if lease else instance_uuid,
            usage=_usage(usage),
            fencing_token=lease.fencing_token if lease else "",
        )
        await self._calls.ask(lambda stubs: stubs.resources.ReportComponentResources, request)

    async def get_resource_constraints(self, component_id: str) -> dict[str, float]:
        """Read what each instance of a component may use.

        Gives those that are set of cpu_limit (cores), memory_limit (MB) and gpu_limit (MB).

        Raises:
            ComponentNotFoundError: there is no such component.
        """
        request = pb.GetResourceConstraintsRequest(component_id=_given.text("component_id", component_id))
        return _limits(await self._calls.ask(lambda stubs: stubs.resources.GetResourceConstraints, request))

    async def set_resource_constraints(
        self,
        component_id: str,
        *,
        cpu_limit: float | None = None,
        memory_limit: float | None = None,
        gpu_limit: float | None = None,
        expected_revision: int | None = None,
    ) -> dict[str, float]:
        """Say what each instance of a component may use, in place of what was said before; None is no limit.

        Raises:
            ComponentNotFoundError, ConflictError, RegistrationError, ValidationError: as they say.
        """
        request = pb.SetResourceConstraintsRequest(
            component_id=_given.text("component_id", component_id),
            cpu_limit=_number("cpu_limit", cpu_limit),
            memory_limit=_number("memory_limit", memory_limit),
            gpu_limit=_number("gpu_limit", gpu_limit),
            expected_revision=_given.revision(expected_revision),
            request_id=new_uuid(),
        )
        return _limits(await self._calls.ask(lambda stubs: stubs.resources.SetResourceConstraints, request))

    async def watch_resources(
        self, *, component_ids: Iterable[str] = (), component_types: Iterable[str] = (), figures: bool = False
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Watch what gets too much; it reconnects and does not end.

        Gives {event, timestamp, alarm, alarms, system, components}. The first event is `present` with all that is too
        much now, and so is the first after each time that the connection was lost. figures: also `system` and
        `components`, with everything that is used, and `complete` once all of that was told.

        Raises:
            ValidationError: a selector was refused.
            UnavailableError: nobody listens, and Tekton never answered this client.
        """
        request = pb.WatchResourcesRequest(
            component_ids=_given.selection("component_ids", component_ids),
            component_types=_given.selection("component_types", component_types),
            figures=bool(figures),
        )
        async with aclosing(self._resource_events(request, unless_nobody_listens(self._calls))) as messages:
            async for message in messages:
                yield _convert.plain(message)

    async def _resource_events(
        self, request: pb.WatchResourcesRequest, note: Callable[[TektonError], None]
    ) -> AsyncGenerator[pb.ResourceEvent, None]:
        attempt = 0
        while True:
            try:
                opened = self._calls.stream(lambda stubs: stubs.resources.WatchResources, request)
                async with aclosing(opened) as messages:
                    async for message in messages:
                        attempt = 0
                        if message.event != "quiet":
                            yield message
            except ValidationError:
                raise
            except TektonError as error:
                note(error)
            await asyncio.sleep(full_jitter(attempt, base=0.1, ceiling=2.0))
            attempt += 1

    async def report_error(self, report: Mapping[str, Any]) -> str:
        """Report an error that an instance met; gives the id of the report.

        report: component_id, instance_uuid and error_type, and what is known of message, code, timestamp (seconds since
            1970, or a datetime), stack_trace and context. What is too long is cut, and what JSON has no form for is
            told as text: that must not cost the report. Other keys go into the context.

        Raises:
            ComponentNotFoundError, RateLimitedError, StaleSessionError, ValidationError: it was not kept.
        """
        request = error_report(report)
        lease = self._heart.leases.find(request.instance_uuid)
        if lease is not None:
            request.instance_uuid, request.fencing_token = lease.instance_uuid, lease.fencing_token
        answer = await self._calls.ask(lambda stubs: stubs.errors.ReportError, request, retry=False)
        return answer.report_id

    async def list_error_reports(self, component_id: str, *, most: int = 20) -> list[dict[str, Any]]:
        """Read the errors that a component has reported, the newest first, `most` at most.

        Raises:
            ComponentNotFoundError: there is no such component.
        """
        wanted = _given.count("most", most)
        request = error_pb.ListErrorReportsRequest(component_id=_given.text("component_id", component_id))
        found: list[dict[str, Any]] = []
        while len(found) < wanted:
            request.page_size = min(100, wanted - len(found))
            page = await self._calls.ask(lambda stubs: stubs.errors.ListErrorReports, request)
            found += map(_convert.plain, page.errors)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        return found


def _usage(usage: Mapping[str, float]) -> pb.ReportedUsage:
    if not isinstance(usage, Mapping):
        raise ValidationError.of("usage", f"must be a dict of figures, not {_given.shown(usage)}", "type")
    unknown = [name for name in usage if name not in FIGURES]
    if unknown:
        allowed = ", ".join(FIGURES)
        message = f"has no figure {_given.shown(unknown[0])}; known are {allowed}"
        raise ValidationError.of("usage", message, "unknown", allowed=list(FIGURES))
    # What is None is not known.
    return pb.ReportedUsage(**{name: _number(f"usage.{name}", value) for name, value in usage.items()})


def _number(field: str, value: float | None) -> float | None:
    return None if value is None else _given.figure(field, value)


def _limits(message: pb.ResourceConstraints) -> dict[str, float]:
    return {name: getattr(message, name) for name in LIMITS if message.HasField(name)}  # type: ignore[arg-type]
