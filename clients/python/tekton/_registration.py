"""Registrations as calls: what is sent for one, and many in few calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tekton import _free_form, _given
from tekton._calls import Calls
from tekton.core import errors
from tekton.core.errors import RequestMismatchError, StaleSessionError, TektonError, ValidationError
from tekton.core.ids import launched_uuid, new_uuid
from tekton.core.lifecycle import ComponentRegistration
from tekton.v1 import errors_pb2
from tekton.v1 import registry_service_pb2 as pb

# What the server takes in one call, and the gateway in one body.
_ITEMS = 1000
_BYTES = 900_000

Outcome = pb.RegisterComponentResponse | TektonError


def request_of(
    registration: ComponentRegistration, *, replace: bool = False, expected_revision: int | None = None
) -> pb.RegisterComponentRequest:
    """Make the request of a registration. It always carries a uuid, which makes the call safe to repeat.

    Raises:
        ValidationError: naming every field that cannot be sent.
    """
    if not isinstance(registration, ComponentRegistration):
        message = f"must be a ComponentRegistration, not {_given.shown(registration)}"
        raise ValidationError.of("registration", message, "type")
    found, given = _given.Findings(), registration
    none: list[str] = []
    request = pb.RegisterComponentRequest(
        component_id=found.take(_given.text, "component_id", given.component_id, ""),
        component_name=found.take(_given.text, "component_name", given.component_name, ""),
        component_type=found.take(_given.text, "component_type", given.component_type, ""),
        version=found.take(_given.text, "version", given.version, ""),
        capabilities=found.take(_given.names, "capabilities", given.capabilities, none),
        dependencies=found.take(_given.names, "dependencies", given.dependencies, none),
        host=found.take(_given.text, "host", given.host, ""),
        port=found.take(_given.port, "port", given.port, 0),
        health_check=found.take(_given.text, "health_check", given.health_check, ""),
        metadata=found.take(_free_form.struct, "metadata", given.metadata, None),
        instance_uuid=found.take(_given.text, "instance_uuid", given.instance_uuid, "") or new_uuid(),
        replace=replace,
        expected_revision=_given.revision(expected_revision),
    )
    found.refuse()
    return request


async def register(calls: Calls, request: pb.RegisterComponentRequest) -> pb.RegisterComponentResponse:
    """Register one; a uuid that is used up becomes a new one, in the request too.

    Raises:
        TektonError: it was refused, or nobody answered.
    """
    try:
        return await calls.ask(lambda stubs: stubs.registry.RegisterComponent, request)
    except (StaleSessionError, RequestMismatchError) as error:
        if not _used_up(request, error):
            raise
        request.instance_uuid = new_uuid()
    return await calls.ask(lambda stubs: stubs.registry.RegisterComponent, request)


def _used_up(request: pb.RegisterComponentRequest, error: object) -> bool:
    """Tell whether a uuid is no use any more: it has ended, or another instance of this launched process has it."""
    ours = request.instance_uuid == launched_uuid(request.component_id)
    return isinstance(error, StaleSessionError) or (ours and isinstance(error, RequestMismatchError))


async def register_all(calls: Calls, requests: Sequence[pb.RegisterComponentRequest]) -> list[Outcome]:
    """Register many; the outcomes are in the order of the requests. Uuids that are used up become new ones.

    Raises:
        TektonError: nobody answered. What was registered before is told again when the same is sent again.
    """
    outcomes = await _in_parts(calls, requests)
    ended = [index for index, outcome in enumerate(outcomes) if _used_up(requests[index], outcome)]
    for index in ended:
        requests[index].instance_uuid = new_uuid()
    again = await _in_parts(calls, [requests[index] for index in ended])
    for index, outcome in zip(ended, again, strict=True):
        outcomes[index] = outcome
    return outcomes


async def _in_parts(calls: Calls, requests: Sequence[pb.RegisterComponentRequest]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for part in _parts(requests):
        answer = await calls.ask(lambda stubs: stubs.registry.BatchRegisterComponents, part)
        outcomes += [_outcome(result) for result in answer.results]
    return outcomes


def _parts(requests: Sequence[pb.RegisterComponentRequest]) -> Iterator[pb.BatchRegisterComponentsRequest]:
    part, size = pb.BatchRegisterComponentsRequest(), 0
    for request in requests:
        weight = request.ByteSize()
        if part.components and (len(part.components) == _ITEMS or size + weight > _BYTES):
            yield part
            part, size = pb.BatchRegisterComponentsRequest(), 0
        part.components.append(request)
        size += weight
    if part.components:
        yield part


def _outcome(result: pb.BatchRegisterComponentsResponse.Result) -> Outcome:
    if not result.success:
        error = result.error
        reason = errors_pb2.ErrorReason.Value.DESCRIPTOR.values_by_number.get(error.reason)
        details = _free_form.unstruct(error.details)
        return errors.from_reason(reason.name if reason else "", error.message, error.component, details)
    return pb.RegisterComponentResponse(
        success=True,
        message=result.message,
        instance_uuid=result.instance_uuid,
        component_id=result.component_id,
        fencing_token=result.fencing_token,
        lease=result.lease,
        created=result.created,
        revision=result.revision,
    )
