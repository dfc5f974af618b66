"""What no caller should send, made from the descriptors: every field of a request with every value it must not have."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

HUGE = "x" * 200_000
NUL = "a\0b"
# Stands for an object of a thousand levels, which Python's own writer of JSON refuses.
ABYSS = "<a thousand levels>"
_Field = FieldDescriptor
_TEXT = {
    "a number": 5,
    "true": True,
    "an object": {"a": 1},
    "a list": ["a", "b"],
    "NUL": NUL,
    "a control character": "a\x07b",
    "a line separator": "a\u2028b",
    "a lone surrogate": "\ud800",
    "huge": HUGE,
}
_INT = {"a word": "many", "a fraction": 1.5, "an object": {"a": 1}, "over 64 bits": 2**64, "negative": -1}
_BOOL = {"a word": "maybe", "a number": 5, "an object": {"a": 1}}
_DOUBLE = {"a word": "many", "an object": {"a": 1}, "not a number": "NaN", "infinite": "Infinity"}
_TEXTS = {
    "a number": 5,
    "an object": {"a": 1},
    "holding a number": [5],
    "holding an object": [{"a": 1}],
    "holding NUL": [NUL],
    "holding huge": [HUGE],
    "10,000 items": [f"item-{number}" for number in range(10_000)],
}
_STRUCT = {"a number": 5, "a word": "word", "a list": [1], "true": True}
_FIGURES = {
    "a list": [1], "a word": "word", "holding a word": {"a": "many"}, "holding an object": {"a": {}},
    "NaN": {"a": "NaN"}, "infinite": {"a": "-Infinity"}, "a key with NUL": {NUL: 1}, "a huge key": {HUGE: 1},
    "10,000 entries": {f"k{number}": 1 for number in range(10_000)},
}  # fmt: skip
_NOTES = {
    "a list": [1], "a word": "word", "holding a number": {"a": 5}, "holding an object": {"a": {}},
    "holding NUL": {"a": NUL}, "holding huge": {"a": HUGE}, "a key with NUL": {NUL: "a"}, "a huge key": {HUGE: "a"},
    "10,000 entries": {f"k{number}": "a" for number in range(10_000)},
}  # fmt: skip


def nested(levels: int) -> dict[str, Any]:
    """Make an object as deep as that."""
    found: dict[str, Any] = {"a": 1}
    for _ in range(levels - 1):
        found = {"a": found}
    return found


def of_struct() -> dict[str, Any]:
    """Give what no free-form data may be or hold."""
    return _STRUCT | {
        "17 levels": nested(17), "60 levels": nested(60), "1,000 levels": ABYSS, "holding huge": {"a": HUGE},
        "holding NUL": {"a": NUL}, "a key with NUL": {NUL: 1}, "deep NUL": {"a": [{"b": NUL}]},
        "a lone surrogate": {"a": "\ud800"},
    }  # fmt: skip


def of_field(field: FieldDescriptor) -> dict[str, Any]:
    """Give, by name, the values that a field must not have."""
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return _FIGURES if kind.fields_by_name["value"].type == _Field.TYPE_DOUBLE else _NOTES
    if kind is not None and kind.full_name == "google.protobuf.Struct":
        return of_struct()
    if kind is not None and not field.is_repeated:
        return _STRUCT
    if field.is_repeated:
        return _TEXTS
    by_type: dict[int, dict[str, Any]] = {
        _Field.TYPE_STRING: _TEXT, _Field.TYPE_INT32: _INT, _Field.TYPE_INT64: _INT, _Field.TYPE_UINT32: _INT,
        _Field.TYPE_UINT64: _INT, _Field.TYPE_BOOL: _BOOL, _Field.TYPE_DOUBLE: _DOUBLE,
    }  # fmt: skip
    return by_type[field.type]


class Request(NamedTuple):
    """A REST call, as it goes out."""

    verb: str
    target: str
    content: bytes | None = None


class Answer(NamedTuple):
    """What came back, with the body of a reply that is no stream."""

    status: int
    content_type: str
    text: str


def exchange(port: int, request: Request) -> Answer:
    """Send a request as it is; HTTP clients with manners refuse most of what has to be sent here."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        # An answer may come, and the connection end, before all of a long request is sent.
        with suppress(BrokenPipeError, ConnectionResetError):
            headers = {"content-type": "application/json"} if request.content is not None else {}
            connection.request(request.verb, request.target, request.content, headers)
        reply = connection.getresponse()
        content_type = reply.headers.get("content-type", "")
        text = "" if content_type == "text/event-stream" else reply.read().decode()
        return Answer(reply.status, content_type, text)


class Operation(NamedTuple):
    """One RPC as REST has it."""

    method: MethodDescriptor
    verb: str
    path: str
    body: str

    @classmethod
    def of(cls, method: MethodDescriptor) -> Operation | None:
        """Read the binding of an RPC; None where it has none."""
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        verb = rule.WhichOneof("pattern")
        return cls(method, verb.upper(), getattr(rule, verb), rule.body) if verb else None

    def place(self, field: str) -> str:
        """Tell where a field goes: path, body or query."""
        if f"{{{field}}}" in self.path:
            return "path"
        return "body" if self.body in ("*", field) else "query"

    def request(self, fields: dict[str, Any]) -> Request:
        """Make the request that says these fields."""
        path, query, body = self.path, [], {}
        for name, value in fields.items():
            match self.place(name):
                case "path":
                    path = path.replace(f"{{{name}}}", _quoted(value))
                case "query":
                    query += [(name, _plain(one)) for one in (value if isinstance(value, list) else [value])]
                case "body":
                    body[name] = value
        target = path + ("?" + urlencode(query, errors="surrogatepass") if query else "")
        if not self.body:
            return Request(self.verb, target)
        content = json.dumps(body if self.body == "*" else body[self.body])
        return Request(
            self.verb, target, content.replace(json.dumps(ABYSS), '{"a":' * 1000 + "1" + "}" * 1000).encode()
        )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(value: Any) -> str:
    return quote(_plain(value), safe="", errors="surrogatepass")


class Row(NamedTuple):
    """One bad value in one field of one operation; `named` is what the refusal has to name."""

    operation: Operation
    field: str
    name: str
    value: Any
    named: str

    def __str__(self) -> str:
        return f"{self.operation.method.name} {self.named} {self.name}"


def rows(operation: Operation) -> Iterator[Row]:
    """Give every bad value of every field of an operation that has a rule for it."""
    for field in operation.method.input_type.fields:
        for name, value in of_field(field).items():
            if operation.place(field.name) == "body" or _in_url(field, value):
                yield Row(operation, field.name, name, value, field.name)


def patch_rows(operation: Operation, fields: Sequence[FieldDescriptor]) -> Iterator[Row]:
    """Give every bad value inside a patch of these fields."""
    for field in fields:
        for name, value in of_field(field).items():
            yield Row(operation, "patch", name, {field.name: value}, field.name)


def _in_url(field: FieldDescriptor, value: Any) -> bool:
    """Tell whether a value stays what it is in a path or a query, which know texts only."""
    if field.is_repeated:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if field.type == _Field.TYPE_STRING:
        return isinstance(value, str)
    return isinstance(value, str | int | float) and not isinstance(value, bool)
