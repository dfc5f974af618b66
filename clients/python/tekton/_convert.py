"""Messages to plain values and records, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from tekton.core.errors import ValidationError
from tekton.core.ids import Token
from tekton.core.lifecycle import ComponentRegistration, ComponentState, parse_state
from tekton.core.view import Definition, Instance
from tekton.v1 import component_pb2, registry_service_pb2

_LARGEST_EXACT = 2**53
_METRICS = 64
_HEALTH = 64
_HEALTH_CHARS = 256


def plain(message: Message) -> dict[str, Any]:
    """Give a message as the documented JSON object: every field (None for an absent one), states by name, ISO times."""
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def _field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: _one(field.message_type.fields_by_name["value"], value[key]) for key in sorted(value)}
    if field.is_repeated:
        return [_one(field, item) for item in value]
    if field.message_type is not None and not message.HasField(field.name):
        return {} if field.message_type.full_name == Struct.DESCRIPTOR.full_name else None
    return _one(field, value)


def _one(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else value
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Struct):
        return unstruct(value)
    return plain(value) if isinstance(value, Message) else value


def unstruct(value: Struct) -> dict[str, Any]:
    """Give free-form data as plain values; whole numbers become int."""
    return {key: _free(item) for key, item in value.fields.items()}


def _free(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return unstruct(value.struct_value)
    if kind == "list_value":
        items: ListValue = value.list_value
        return [_free(item) for item in items.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < _LARGEST_EXACT else number
    return None if kind in (None, "null_value") else getattr(value, kind)


def struct(field: str, value: Mapping[str, Any] | None) -> Struct:
    """Make free-form data of plain values.

    Raises:
        ValidationError: it holds something that JSON has no form for.
    """
    message = Struct()
    try:
        message.update(dict(value or {}))
    except (TypeError, ValueError) as error:
        raise ValidationError.of(field, f"must hold JSON values only: {error}", "type") from None
    return message


def register_request(registration: ComponentRegistration) -> registry_service_pb2.RegisterComponentRequest:
    """Make the request of a registration.

    Raises:
        ValidationError: a field has the wrong type.
    """
    try:
        return registry_service_pb2.RegisterComponentRequest(
            component_id=registration.component_id,
            component_name=registration.component_name,
            component_type=registration.component_type,
            version=registration.version,
            capabilities=names("capabilities", registration.capabilities),
            dependencies=names("dependencies", registration.dependencies),
            host=registration.host,
            port=registration.port,
            health_check=registration.health_check,
            metadata=struct("metadata", registration.metadata),
            instance_uuid=registration.instance_uuid,
        )
    except (TypeError, ValueError) as error:
        raise ValidationError(f"the registration cannot be sent: {error}") from None


def names(field: str, value: Iterable[str] | None) -> list[str]:
    """Give a list of names.

    Raises:
        ValidationError: it is one text, which would come apart into its letters.
    """
    if isinstance(value, str):
        raise ValidationError.of(field, "must be a list of names, not one text", "type")
    return list(value or ())


def state_text(state: str | ComponentState | None) -> str:
    """Give a state's name; empty for none.

    Raises:
        ValidationError: there is no such state.
    """
    return parse_state(str(state.value if isinstance(state, Enum) else state)).value if state else ""


def interval(seconds: float) -> float:
    """Read an interval in seconds.

    Raises:
        ValidationError: it is no finite number over 0.
    """
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or seconds <= 0:
        raise ValidationError.of("interval", f"must be a number of seconds over 0, not {seconds!r}", "range")
    return float(seconds)


def figures(metrics: Mapping[str, float] | None) -> dict[str, float]:
    """Give metrics as the numbers they must be. Checked here because a beat that the server refuses ends the stream.

    Raises:
        ValidationError: too many, or one is no finite number.
    """
    if metrics and len(metrics) > _METRICS:
        raise ValidationError.of("metrics", f"must have at most {_METRICS} items", "max_items", limit=_METRICS)
    try:
        numbers = {str(name): float(value) for name, value in (metrics or {}).items()}
    except (TypeError, ValueError) as error:
        raise ValidationError.of("metrics", f"must be numbers: {error}", "type") from None
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise ValidationError.of(f"metrics.{name}", "must be a finite number", "finite")
    return numbers


def words(health: Mapping[str, str] | None) -> dict[str, str]:
    """Give the health of parts as the short texts it must be; checked here for the reason of `figures`.

    Raises:
        ValidationError: too many, or one is too long.
    """
    if health and len(health) > _HEALTH:
        raise ValidationError.of("health", f"must have at most {_HEALTH} items", "max_items", limit=_HEALTH)
    found = {str(name): str(text) for name, text in (health or {}).items()}
    for name, text in found.items():
        if len(text) > _HEALTH_CHARS:
            limit = _HEALTH_CHARS
            message = f"must have at most {limit} characters"
            raise ValidationError.of(f"health.{name}", message, "max_length", limit=limit)
    return found


def state_name(number: component_pb2.ComponentState.Value.ValueType) -> str:
    """Give the name of a state."""
    return component_pb2.ComponentState.Value.Name(number)


def definition(message: component_pb2.Definition) -> Definition:
    """Read a definition."""
    return Definition(
        component_id=message.component_id,
        component_name=message.component_name,
        component_type=message.component_type,
        capabilities=tuple(message.capabilities),
        dependencies=tuple(message.dependencies),
        health_check=message.health_check,
        metadata=unstruct(message.metadata),
        created_at=message.created_at.ToDatetime(tzinfo=UTC),
        revision=message.revision,
    )


def instance(message: component_pb2.Instance) -> Instance:
    """Read an instance."""
    ended_at = _when(message, "ended_at")
    token = Token.parse(message.fencing_token)
    return Instance(
        instance_uuid=message.instance_uuid,
        component_id=message.component_id,
        version=message.version,
        host=message.host,
        port=message.port,
        machine=message.machine,
        state=ComponentState(state_name(message.status)),
        state_since=message.status_since.ToDatetime(tzinfo=UTC),
        reason=message.status_reason,
        registered_at=message.created_at.ToDatetime(tzinfo=UTC),
        ready_at=_when(message, "ready_at"),
        ended_at=ended_at,
        leased=message.leased,
        granted=token.revision if token else 0,
        revision=message.revision,
    )


def _when(message: Message, field: str) -> datetime | None:
    value: Timestamp = getattr(message, field)
    return value.ToDatetime(tzinfo=UTC) if message.HasField(field) else None
