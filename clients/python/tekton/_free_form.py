"""Free-form data: from the application's values to a Struct and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, time
from enum import Enum
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from tekton._given import shown, text
from tekton.core.errors import ValidationError

# Beyond it neighbouring whole numbers are one number in JSON.
_LARGEST_EXACT = 2**53
# The server's own limit; it also ends data that holds itself.
LEVELS = 16
_PATH_CHARS = 128
_REMEDIES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    ((date, time), "its isoformat()"),
    ((bytes, bytearray), "a text, for example its base64 form"),
    ((set, frozenset), "a sorted list of it"),
    (Enum, "its value"),
)


def struct(field: str, value: object, levels: int = LEVELS) -> Struct:
    """Make free-form data of plain values: texts, numbers, true, false, None, and lists and dicts of them.

    levels: how deep lists and dicts may be nested; a flat dict is 1.

    Raises:
        ValidationError: it is no dict, or holds something that JSON has no form for, under the path of that.
    """
    message = Struct()
    if value is None:
        return message
    if not isinstance(value, Mapping):
        raise ValidationError.of(field, f"must be a dict of JSON values, not {shown(value)}", "type")
    message.update(_object(field, value, levels))
    return message


def _object(path: str, value: Mapping[Any, Any], levels: int) -> dict[str, Any]:
    _check_levels(path, levels)
    for key in value:
        if not isinstance(key, str):
            raise ValidationError.of(path[:_PATH_CHARS], f"must have texts for keys, not {shown(key)}", "type")
    return {text(path[:_PATH_CHARS], key): _plain(f"{path}.{key}", item, levels - 1) for key, item in value.items()}


def _plain(path: str, value: object, levels: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(path[:_PATH_CHARS], value)
    if isinstance(value, int | float):
        return _number(path[:_PATH_CHARS], value)
    if isinstance(value, Mapping):
        return _object(path, value, levels)
    if isinstance(value, list | tuple):
        _check_levels(path, levels)
        return [_plain(f"{path}[{index}]", item, levels - 1) for index, item in enumerate(value)]
    remedy = next((say for kind, say in _REMEDIES if isinstance(value, kind)), "a text or a number instead")
    raise ValidationError.of(
        path[:_PATH_CHARS], f"is {shown(value)}, which JSON has no form for: give {remedy}", "type"
    )


def _number(path: str, value: float) -> float:
    if isinstance(value, int):
        if abs(value) > _LARGEST_EXACT and (value.bit_length() > 1000 or int(float(value)) != value):
            raise ValidationError.of(path, f"is {shown(value)}, which JSON would round: give it as a text", "range")
    elif not math.isfinite(value):
        raise ValidationError.of(path, f"must be a finite number, not {value}", "finite")
    return float(value)


def _check_levels(path: str, left: int) -> None:
    if left < 1:
        field = path.partition(".")[0].partition("[")[0]
        message = f"must be nested at most {LEVELS} levels deep"
        raise ValidationError.of(field, message, "max_depth", limit=LEVELS)


def unstruct(value: Struct) -> dict[str, Any]:
    """Give free-form data as plain values; whole numbers become int."""
    return {key: _free(item) for key, item in value.fields.items()}


def unlist(value: ListValue) -> list[Any]:
    """Give a free-form list as plain values."""
    return [_free(item) for item in value.values]


def _free(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return unstruct(value.struct_value)
    if kind == "list_value":
        return unlist(value.list_value)
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < _LARGEST_EXACT else number
    return None if kind in (None, "null_value") else getattr(value, kind)
