"""Messages as JSON schemas, in the JSON that the gateway speaks: snake_case, enums by name, 64-bit numbers as text."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2 as pb

from tekton_server.services.openapi.source import Source

Json = dict[str, Any]
_Field = pb.FieldDescriptorProto

# Nothing is required: the gateway takes an absent field for its zero value, and the rules that ask for more are told
# in the comments. Nothing is closed either: the gateway ignores unknown fields, and replies may gain some.
_WELL_KNOWN: dict[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Value": {},
}
_INT32: Json = {"type": "integer", "format": "int32"}
_UINT32: Json = {"type": "integer", "format": "int64", "minimum": 0}
_INT64: Json = {"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"}
_UINT64: Json = {"type": "string", "format": "uint64", "pattern": "^[0-9]+$"}
_SCALARS: dict[int, Json] = {
    _Field.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _Field.TYPE_FLOAT: {"type": "number", "format": "float"},
    _Field.TYPE_BOOL: {"type": "boolean"},
    _Field.TYPE_STRING: {"type": "string"},
    _Field.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _Field.TYPE_INT32: _INT32,
    _Field.TYPE_SINT32: _INT32,
    _Field.TYPE_SFIXED32: _INT32,
    _Field.TYPE_UINT32: _UINT32,
    _Field.TYPE_FIXED32: _UINT32,
    _Field.TYPE_INT64: _INT64,
    _Field.TYPE_SINT64: _INT64,
    _Field.TYPE_SFIXED64: _INT64,
    _Field.TYPE_UINT64: _UINT64,
    _Field.TYPE_FIXED64: _UINT64,
}


class Schemas:
    """The schemas that the paths refer to, and those which these refer to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.named: dict[str, Json] = {}

    def message(self, name: str) -> Json:
        """Give the schema of a message by its full name, as a reference where it has a name of its own."""
        known = _WELL_KNOWN.get(name)
        if known is not None:
            return dict(known)
        short = _short(name)
        if short not in self.named:
            self.named[short] = {}  # a message may hold itself
            self.named[short] = self.object(name)
        return _reference(short)

    def object(self, name: str, without: frozenset[str] = frozenset()) -> Json:
        """Give the schema of a message in place, leaving out some of its fields."""
        fields = [field for field in self._source.messages[name].field if field.name not in without]
        properties = {field.name: self.field(name, field) for field in fields}
        schema: Json = {"type": "object", "description": self._source.comment(name)}
        return schema | ({"properties": properties} if properties else {})

    def field(self, message: str, field: pb.FieldDescriptorProto) -> Json:
        """Give the schema of a field, with its comment."""
        schema = self._value(field)
        if field.label == _Field.LABEL_REPEATED and "additionalProperties" not in schema:
            schema = {"type": "array", "items": schema}
        return schema | {"description": self._source.comment(f"{message}.{field.name}")}

    def _value(self, field: pb.FieldDescriptorProto) -> Json:
        name = field.type_name.removeprefix(".")
        if field.type == _Field.TYPE_ENUM:
            return self._enum(name)
        if field.type != _Field.TYPE_MESSAGE:
            return dict(_SCALARS[field.type])
        message = self._source.messages.get(name)
        if message is not None and message.options.map_entry:
            return {"type": "object", "additionalProperties": self._value(message.field[1])}
        return self.message(name)

    def _enum(self, name: str) -> Json:
        short = _short(name)
        # Of two names of one number the first is the one that is written.
        first = {value.number: value.name for value in reversed(self._source.enums[name].value)}
        values = [first[number] for number in sorted(first)]
        lines = [self._source.comment(name), *(f"* {self._source.comment(f'{name}.{value}')}" for value in values)]
        self.named[short] = {"type": "string", "enum": values, "description": "\n".join(lines)}
        return _reference(short)


def _short(name: str) -> str:
    """Leave out the package: tekton.v1.ComponentState.Value is ComponentState.Value."""
    return name.split(".", 2)[2]


def _reference(short: str) -> Json:
    return {"$ref": f"#/components/schemas/{short}"}
