"""The writing half of a client: registering, changing definitions, and taking out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tekton import _convert, _free_form, _given, _registration
from tekton._channel import Target
from tekton._heart import heart_of
from tekton._lease import KeptLease
from tekton._reader import Reader
from tekton._results import RegistrationResult
from tekton.core.errors import TektonError, TektonTimeoutError, UnavailableError, ValidationError
from tekton.core.ids import lookup_key, new_uuid
from tekton.core.lifecycle import ComponentRegistration
from tekton.core.view import Definition
from tekton.v1 import registry_service_pb2 as pb


class Registrar(Reader):
    """Registers instances and remembers their leases, and changes what is registered."""

    def __init__(self, target: Target, timeout: float, connect_timeout: float) -> None:
        super().__init__(target, timeout, connect_timeout)
        self._heart = heart_of(self.target)
        self._registered: dict[str, KeptLease] = {}

    async def register_component(
        self, registration: ComponentRegistration, *, replace: bool = False, expected_revision: int | None = None
    ) -> RegistrationResult:
        """Register an instance: `success, uuid = await client.register_component(registration)`.

        replace: take the address over from a live instance of another component.
        expected_revision: a compare-and-set on the revision of the component's definition, 0 for "there must be none";
            where it lost, the result's error is a ConflictError.

        The result also has message, fencing_token, lease and error. A refusal gives (False, None) with the error, also
        of what cannot be sent; where nobody could be asked it raises. Registering again with the same instance_uuid
        gives the same instance; once that has ended, it becomes a new one and `registration.instance_uuid` changes.

        Raises:
            UnavailableError, TektonTimeoutError: Tekton did not answer within the timeout.
        """
        try:
            request = _registration.request_of(registration, replace=replace, expected_revision=expected_revision)
            answer = await _registration.register(self._calls, request)
        except TektonError as error:
            if not _is_refusal(error):
                raise
            return RegistrationResult.refused(error)
        return self._granted(registration, request, answer)

    async def register_components(
        self, registrations: Iterable[ComponentRegistration], *, replace: bool = False
    ) -> list[RegistrationResult]:
        """Register many instances in few calls; the results are in the order given, as `register_component` gives them.

        Each is decided on its own: one that is refused, or could not be recorded (UnavailableError), fails alone.
        Registering the same again is safe: what is registered already gives the same instance.

        Raises:
            UnavailableError, TektonTimeoutError: Tekton did not answer within the timeout; some may be registered.
        """
        given = list(registrations)
        results: list[RegistrationResult | None] = [None] * len(given)
        requests: dict[int, pb.RegisterComponentRequest] = {}
        for index, registration in enumerate(given):
            try:
                requests[index] = _registration.request_of(registration, replace=replace)
            except ValidationError as error:
                results[index] = RegistrationResult.refused(error)
        outcomes = await _registration.register_all(self._calls, list(requests.values()))
        for (index, request), outcome in zip(requests.items(), outcomes, strict=True):
            if isinstance(outcome, TektonError):
                results[index] = RegistrationResult.refused(outcome)
            else:
                results[index] = self._granted(given[index], request, outcome)
        return [result for result in results if result is not None]

    def _granted(
        self,
        registration: ComponentRegistration,
        request: pb.RegisterComponentRequest,
        answer: pb.RegisterComponentResponse,
    ) -> RegistrationResult:
        registration.instance_uuid = answer.instance_uuid
        lease = self._heart.leases.add(KeptLease(answer.component_id, answer.instance_uuid))
        lease.granted(request, answer)
        self._registered[lookup_key(answer.component_id)] = lease
        return RegistrationResult(
            answer.instance_uuid, answer.message, fencing_token=answer.fencing_token, lease=lease.terms
        )

    async def update_component(
        self, component_id: str, patch: Mapping[str, Any], *, expected_revision: int | None = None
    ) -> Definition:
        """Change a component's definition, and give it as it is now.

        patch: a JSON merge patch (RFC 7396) of component_name, component_type, capabilities, dependencies, health_check
            and metadata. What it does not name stays, None clears, lists are replaced as a whole, metadata is merged.
        expected_revision: a compare-and-set on the revision of the definition, which `get_component` gives.

        Raises:
            ComponentNotFoundError, AlreadyExistsError, ConflictError, RegistrationError, ValidationError: as they say.
        """
        request = pb.UpdateComponentRequest(
            component_id=_given.text("component_id", component_id),
            # Metadata of as many levels as it may have is one level down.
            patch=_free_form.struct("patch", patch, levels=_free_form.LEVELS + 1),
            expected_revision=_given.revision(expected_revision),
            # The answer of a repeated call is that of the first, not a lost compare-and-set.
            request_id=new_uuid(),
        )
        found = await self._calls.ask(lambda stubs: stubs.registry.UpdateComponent, request)
        return _convert.definition(found)

    async def deregister_component(
        self, component_id: str, instance_uuid: str, *, expected_revision: int | None = None
    ) -> None:
        """End an instance: it walks to `stopped`, and its heartbeat ends first.

        expected_revision: a compare-and-set on the revision of the component's definition.

        Raises:
            ComponentNotFoundError, ConflictError, StaleSessionError, ValidationError: as they say.
        """
        if not instance_uuid:
            # The server would take this for the whole component.
            raise ValidationError.of("instance_uuid", "is required", "required")
        request = pb.DeregisterComponentRequest(
            component_id=_given.text("component_id", component_id),
            instance_uuid=_given.text("instance_uuid", instance_uuid),
            expected_revision=_given.revision(expected_revision),
        )
        lease = self._heart.leases.find(instance_uuid)
        if lease is not None:
            self._heart.release(lease)
            request.instance_uuid, request.fencing_token = lease.instance_uuid, lease.fencing_token
        await self._calls.ask(lambda stubs: stubs.registry.DeregisterComponent, request)
        if lease is not None:
            self._forget(lease)

    async def remove_component(self, component_id: str, *, expected_revision: int | None = None) -> None:
        """Remove a whole component: all its instances end, and it is no longer known.

        The heartbeats of its instances, here and elsewhere, are told that their lease has ended.

        Raises:
            ComponentNotFoundError, ConflictError, RegistrationError, ValidationError: as they say.
        """
        request = pb.DeregisterComponentRequest(
            component_id=_given.text("component_id", component_id),
            expected_revision=_given.revision(expected_revision),
            # The answer of a repeated call is that of the first, not "there is none".
            request_id=new_uuid(),
        )
        await self._calls.ask(lambda stubs: stubs.registry.DeregisterComponent, request)

    def _forget(self, lease: KeptLease) -> None:
        self._heart.leases.forget(lease)
        key = lookup_key(lease.component_id)
        if self._registered.get(key) is lease:
            del self._registered[key]


def _is_refusal(error: TektonError) -> bool:
    """Whether Tekton judged the request, rather than failed at it."""
    return not isinstance(error, UnavailableError | TektonTimeoutError) and error.grpc_status != "INTERNAL"
