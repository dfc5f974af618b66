"""Updating: the definition of a component, changed by a JSON merge patch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from tekton.core.errors import ValidationError
from tekton.core.view import Cause, Definition, DefinitionChange
from tekton_server.domain import instances
from tekton_server.domain.commands import Decision, UpdateComponent
from tekton_server.domain.fleet import needs_together
from tekton_server.domain.merge_patch import merged
from tekton_server.domain.overlay import Overlay
from tekton_server.domain.registration import check_type, without_repeats
from tekton_server.domain.revisions import check_revision
from tekton_server.domain.validation import Violation, check_definition, check_metadata, refuse, violation

FIELDS = ("component_name", "component_type", "capabilities", "dependencies", "health_check", "metadata")
_LISTS = ("capabilities", "dependencies")
_OF_INSTANCES = ("version", "host", "port", "status", "state")


def update(view: Overlay, command: UpdateComponent, now: datetime) -> Decision:
    """Decide an update; one that changes nothing takes no revision.

    Raises:
        ValidationError: the patch names an unknown field, has a wrong type, or makes something too long.
        RegistrationError: the result breaks a rule, or the component is built in.
        ComponentNotFoundError: there is no such component.
        ConflictError: `expected_revision` does not match.
        AlreadyExistsError: another type, while instances of the present one live.
    """
    if command.expected_revision is not None and command.expected_revision < 0:
        raise ValidationError.of("expected_revision", "must not be negative", "range", limit=0)
    refuse(ValidationError, [*_unknown(command.patch), *_mistyped(command.patch)])
    # Before it is merged: the patch itself can be deeper than what it leaves.
    check_metadata("metadata", command.patch.get("metadata") or {})
    old = view.definition(command.component_id)
    if old is None:
        raise instances.absent(command.component_id)
    check_revision(old, command.expected_revision)
    new = _patched(old, command.patch)
    check_definition(new)
    new = msgspec.structs.replace(new, **{name: without_repeats(getattr(new, name)) for name in _LISTS})
    new = msgspec.structs.replace(new, dependencies=needs_together(command.configured, new.dependencies))
    if new == old:
        return Decision((), old)
    check_type(view, old, new.component_type)
    new = msgspec.structs.replace(new, revision=view.revision)
    return Decision((DefinitionChange(old, new, Cause("updated")),), new)


def _patched(old: Definition, patch: dict[str, Any]) -> Definition:
    fields = {name: getattr(old, name) for name in FIELDS}
    result = merged(fields, patch)
    for name in FIELDS:
        # What null removed is as it is where it was never given.
        default: Any = {} if name == "metadata" else () if name in _LISTS else ""
        fields[name] = result.get(name, default)
    return msgspec.structs.replace(old, **fields)


def _unknown(patch: dict[str, Any]) -> Iterator[Violation]:
    # Sorted, since protobuf keeps no order of them.
    for name in sorted(patch):
        if name == "component_id":
            yield violation(name, "cannot be changed; register a new component", "immutable")
        elif name in _OF_INSTANCES:
            yield violation(name, "belongs to an instance, not to the definition; register again", "unknown")
        elif name not in FIELDS:
            allowed = ", ".join(FIELDS)
            yield violation(name[:128], f"is not a field that can be updated: {allowed}", "unknown", allowed=FIELDS)


def _mistyped(patch: dict[str, Any]) -> Iterator[Violation]:
    for name in FIELDS:
        value = patch.get(name)
        if value is None:
            continue
        if name == "metadata":
            if not isinstance(value, dict):
                yield violation(name, "must be an object", "type")
        elif name in _LISTS:
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                yield violation(name, "must be a list of strings", "type")
        elif not isinstance(value, str):
            yield violation(name, "must be a string", "type")
