"""Messages to plain values and records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct
from google.protobuf.timestamp_pb2 import Timestamp

from tekton._free_form import unlist, unstruct
from tekton.core.ids import Token
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Definition, Instance
from tekton.v1 import component_pb2


def plain(message: Message) -> dict[str, Any]:
    """Give a message as the documented JSON object: every field (None for an absent one), states by name, ISO times."""
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def _field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: _one(field.message_type.fields_by_name["value"], value[key]) for key in sorted(value)}
    if field.is_repeated:
        return [_one(field, item) for item in value]
    if field.has_presence and not message.HasField(field.name):
        free_form = field.message_type is not None and field.message_type.full_name == Struct.DESCRIPTOR.full_name
        return {} if free_form else None
    return _one(field, value)


def _one(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else value
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Struct):
        return unstruct(value)
    if isinstance(value, ListValue):
        return unlist(value)
    return plain(value) if isinstance(value, Message) else value


def state_name(number: component_pb2.ComponentState.Value.ValueType) -> str:
    """Give the name of a state; one that only a newer server knows is unknown here."""
    known = component_pb2.ComponentState.Value.DESCRIPTOR.values_by_number.get(number)
    return known.name if known else ComponentState.UNKNOWN.value


def definition(message: component_pb2.Definition | component_pb2.Component) -> Definition:
    """Read a definition, also out of a whole component."""
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
