"""Registering: who may have an id and an address, who is superseded, and what a repeated call gets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

import msgspec

from tekton.core.errors import (
    AlreadyExistsError,
    RegistrationError,
    RequestMismatchError,
)
from tekton.core.ids import is_loopback, lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Cause, Change, Definition, DefinitionChange, Instance, InstanceChange, address_of
from tekton_server.domain import instances, limits
from tekton_server.domain.built_in import check_registrable
from tekton_server.domain.commands import Decision, RegisterComponent, Registered
from tekton_server.domain.fleet import needs_together
from tekton_server.domain.overlay import Overlay
from tekton_server.domain.revisions import check_revision
from tekton_server.domain.validation import address_in, check_registration, refuse, violation


def _normalized(command: RegisterComponent) -> RegisterComponent:
    """Give the registration as it is judged and kept: lists without repeats, host names in lower case."""
    host = _host(command.host)
    return msgspec.structs.replace(
        command,
        capabilities=without_repeats(command.capabilities),
        dependencies=without_repeats(command.dependencies),
        host=host,
        machine=command.machine if is_loopback(host) else "",
    )


def without_repeats(names: Iterable[str]) -> tuple[str, ...]:
    """Give the names in their order, each once."""
    return tuple(dict.fromkeys(names))


@lru_cache(4096)
def _host(host: str) -> str:
    host = (host or "localhost").lower().removesuffix(".")
    address = address_in(host)
    return host if address is None else str(getattr(address, "ipv4_mapped", None) or address)


def register(view: Overlay, command: RegisterComponent, now: datetime) -> Decision:
    """Decide a registration.

    Raises:
        ValidationError, RegistrationError: see `check_registration`; also where the component has too many instances.
        AlreadyExistsError: the id is Tekton's own or lives with another type, or another component's instance lives at
            the address.
        RequestMismatchError: the uuid lives with another body.
        StaleSessionError: the uuid has ended.
        ConflictError: `expected_revision` does not match.
    """
    check_registration(command)
    check_registrable(command.component_id)
    command = _normalized(command)
    definition = view.definition(command.component_id)
    fingerprint = _fingerprint(command)
    if command.instance_uuid:
        grave = view.tombstone(command.instance_uuid)
        if grave is not None:
            raise instances.buried(command.instance_uuid, grave)
        known = view.instance(command.instance_uuid)
        if known is not None:
            return _repeated(known, command, fingerprint)
    check_revision(definition, command.expected_revision)
    if definition is not None:
        check_type(view, definition, command.component_type)
        _check_room(view, definition.component_id)
    changes = _supersede(view, command, now)
    defined = _define(view, definition, command, now)
    if defined is not None:
        changes += (DefinitionChange(definition, defined, Cause("registered")),)
    component_id = definition.component_id if definition else command.component_id
    instance = _grant(view, command, component_id, fingerprint, now)
    return Decision((*changes, InstanceChange(None, instance, Cause("registered"))), Registered(instance, created=True))


def _repeated(known: Instance, command: RegisterComponent, fingerprint: str) -> Decision:
    if lookup_key(known.component_id) != lookup_key(command.component_id):
        raise RequestMismatchError(
            f"instance_uuid {known.instance_uuid} belongs to another component; leave it empty to get a new one",
            details={"instance_uuid": known.instance_uuid, "component_id": known.component_id},
        )
    if not known.leased:
        raise instances.stale(known, "this instance has ended; register with a new instance_uuid")
    if known.fingerprint != fingerprint:
        raise RequestMismatchError(
            f"instance_uuid {known.instance_uuid} is registered with another body; use a new one",
            details={"instance_uuid": known.instance_uuid},
        )
    return Decision((), Registered(known, created=False))


def check_type(view: Overlay, definition: Definition, component_type: str) -> None:
    """Refuse another type for a component while instances of it live.

    Raises:
        AlreadyExistsError: naming the type.
    """
    if definition.component_type == component_type:
        return
    if any(instance.leased for instance in view.instances_of(definition.component_id)):
        raise AlreadyExistsError(
            f"component {definition.component_id} exists with component_type {definition.component_type}; "
            "use another component_id, or deregister it first",
            details={"component_id": definition.component_id, "component_type": definition.component_type},
        )


def _check_room(view: Overlay, component_id: str) -> None:
    """Refuse more instances of one component than can be shown, and removed, at once.

    Raises:
        RegistrationError: naming the limit.
    """
    if view.count_instances(component_id) >= limits.INSTANCES:
        sentence = f"has {limits.INSTANCES} instances already; deregister some, or use another component_id"
        refuse(RegistrationError, [violation("component_id", sentence, "max_items", limit=limits.INSTANCES)])


def _supersede(view: Overlay, command: RegisterComponent, now: datetime) -> tuple[Change, ...]:
    address = address_of(command.host, command.port, command.machine)
    holder = view.leased_at(address) if address else None
    if holder is None:
        return ()
    same = lookup_key(holder.component_id) == lookup_key(command.component_id)
    if not same and not command.replace:
        raise AlreadyExistsError(
            f"{command.host}:{command.port} is held by a live instance of {holder.component_id}; "
            "use another port, or replace=true to take it over",
            details={"component_id": holder.component_id, "instance_uuid": holder.instance_uuid},
        )
    cause = Cause("superseded" if same else "replaced", evidence={"by": command.component_id})
    return instances.end(holder, cause, now=now, revision=view.revision)


def _define(view: Overlay, old: Definition | None, command: RegisterComponent, now: datetime) -> Definition | None:
    new = Definition(
        component_id=old.component_id if old else command.component_id,
        component_name=command.component_name,
        component_type=command.component_type,
        capabilities=command.capabilities,
        dependencies=needs_together(command.configured, command.dependencies),
        health_check=command.health_check,
        metadata=command.metadata,
        created_at=old.created_at if old else now,
        revision=old.revision if old else view.revision,
    )
    if new == old:
        return None
    return msgspec.structs.replace(new, revision=view.revision)


def _grant(view: Overlay, command: RegisterComponent, component_id: str, fingerprint: str, now: datetime) -> Instance:
    return Instance(
        instance_uuid=command.instance_uuid,
        component_id=component_id,
        version=command.version,
        host=command.host,
        port=command.port,
        machine=command.machine,
        state=ComponentState.REGISTERING,
        state_since=now,
        reason="registered",
        registered_at=now,
        granted=view.revision,
        revision=view.revision,
        fingerprint=fingerprint,
    )


def _fingerprint(command: RegisterComponent) -> str:
    # Whatever spelling of the id, whoever asks from where, and whatever the operator adds, it is the same registration.
    fields = {"component_id": lookup_key(command.component_id), "machine": "", "instance_uuid": "", "replace": False}
    body = msgspec.structs.replace(command, expected_revision=None, configured=(), **fields)
    return hashlib.blake2b(msgspec.json.encode(body, order="deterministic"), digest_size=8).hexdigest()
