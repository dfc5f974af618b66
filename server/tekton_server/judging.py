"""Everything that is wrong with a decoded value, not the first thing only, each with the path to it."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from tekton_server.json_places import Path


class Problem(NamedTuple):
    """What is wrong: `sentence` goes on after the path. `key`: the key is wrong and not what it stands for."""

    path: Path
    sentence: str
    key: bool = False


def judge(value: Any, kind: Any, path: Path = ()) -> Iterator[Problem]:
    """Compare a value with a type; nothing comes where `msgspec.convert` would take it.

    `Meta.extra` may hold `wanted`, which completes "must be", and `hidden`, for what must not be repeated in a message.
    """
    if _taken(value, kind):
        return
    kind = _not_none(kind)
    bare, metas = _stripped(kind)
    inner = _chosen(bare, value)
    if inner is not None and not isinstance(value, dict):
        yield Problem(path, f"must be an object, not {shown_value(value)}")
    elif _is_struct(inner):
        yield from _fields(value, inner, path)
    elif inner is not None:
        key_kind, value_kind = get_args(inner)
        for key, one in value.items():
            yield from (found._replace(path=(*path, key), key=True) for found in judge(key, key_kind))
            yield from judge(one, value_kind, (*path, key))
    else:
        yield from _plain(value, kind, bare, metas, path)


def _taken(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _fields(value: Mapping[str, Any], kind: type[msgspec.Struct], path: Path) -> Iterator[Problem]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, one in value.items():
        if key in fields:
            yield from judge(one, hints[fields[key].name], (*path, key))
        elif kind.__struct_config__.forbid_unknown_fields:
            nearest = difflib.get_close_matches(key.lower(), fields, 1)
            advice = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(fields)}"
            yield Problem((*path, key), f"is not known; {advice}", key=True)
    for name, field in fields.items():
        if field.required and name not in value:
            yield Problem(path, f"needs {name}")


def _plain(value: Any, kind: Any, bare: Any, metas: Sequence[msgspec.Meta], path: Path) -> Iterator[Problem]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        extra = {name: text for meta in metas for name, text in (meta.extra or {}).items()}
        items = get_args(bare) if get_origin(bare) is tuple and isinstance(value, list) else ()
        inside = [one for at, item in enumerate(value) for one in judge(item, items[0], (*path, at))] if items else []
        shown = "" if extra.get("hidden") else f", not {shown_value(value)}"
        wanted = extra.get("wanted")
        yield from inside or [Problem(path, f"must be {wanted}{shown}" if wanted else f"is wrong: {error}")]


def _not_none(kind: Any) -> Any:
    """Give what a value that may also be none has to be otherwise."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    rest = [one for one in get_args(kind) if one is not type(None)]
    return rest[0] if len(rest) == 1 else kind


def _stripped(kind: Any) -> tuple[Any, list[msgspec.Meta]]:
    metas: list[msgspec.Meta] = []
    while get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        metas += (one for one in more if isinstance(one, msgspec.Meta))
    return kind, metas


def _chosen(bare: Any, value: Any) -> Any:
    """Give the Struct or Mapping that a value has to be, or is meant as where it could be something else too."""
    if get_origin(bare) in (Union, types.UnionType):
        if not isinstance(value, dict):
            return None
        return next((one for one in get_args(bare) if _is_struct(one)), None)
    return bare if _is_struct(bare) or get_origin(bare) is Mapping else None


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def shown_value(value: Any) -> str:
    """Give a value as a message repeats it."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "something that is nested deeply"
    return text if len(text) <= 60 else f"{text[:59]}…"
