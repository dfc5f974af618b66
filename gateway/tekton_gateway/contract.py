"""The contract as the gateway needs it: which services there are, and which calls stream.

Everything is read from the descriptor set, so that a new RPC is served without a line here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import descriptor_pb2

DESCRIPTORS = Path(__file__).with_name("tekton.binpb")
VARIABLE = re.compile(r"\{([a-z0-9_]+)(?:=[^}]*)?\}")
"""A field in a path template."""
_HTTP_BODY = ".google.api.HttpBody"


@dataclass(frozen=True)
class Binding:
    """One way to call an RPC over REST."""

    verb: str
    template: str
    elsewhere: frozenset[str]
    """The fields that the path or the body holds, by both of their JSON names: the query must not hold them."""
    lists: frozenset[str]
    """The fields that hold lists, likewise: the query may hold them more than once."""


@dataclass(frozen=True)
class Method:
    """One RPC."""

    service: str
    name: str
    streams: bool
    """The server, or both sides, send as long as they like."""
    bindings: tuple[Binding, ...]
    http_body: bool
    """The reply is google.api.HttpBody: it brings its own content type."""

    @property
    def rest(self) -> tuple[tuple[str, str], ...]:
        """Its (HTTP method, path template) pairs."""
        return tuple((binding.verb, binding.template) for binding in self.bindings)

    @property
    def path(self) -> str:
        """The path of its gRPC calls, and of its REST calls once they are transcoded."""
        return f"/{self.service}/{self.name}"

    @property
    def sse(self) -> bool:
        """Whether REST clients get server-sent events."""
        return self.streams and self.http_body and bool(self.rest)


@cache
def methods() -> tuple[Method, ...]:
    """Every RPC of the contract, in the order of the files."""
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    messages = {
        f".{file.package}.{message.name}": message for file in descriptors.file for message in file.message_type
    }
    return tuple(
        Method(
            service=f"{file.package}.{service.name}",
            name=method.name,
            streams=method.server_streaming or method.client_streaming,
            bindings=tuple(_bindings(method.options.Extensions[annotations_pb2.http], messages[method.input_type])),
            http_body=method.output_type == _HTTP_BODY,
        )
        for file in descriptors.file
        for service in file.service
        for method in service.method
    )


def services() -> tuple[str, ...]:
    """The full names of the services."""
    return tuple(dict.fromkeys(method.service for method in methods()))


@cache
def lists() -> frozenset[str]:
    """The names of the fields that hold lists."""
    return frozenset(field.name for field, entry in _repeated() if not entry)


@cache
def maps() -> frozenset[str]:
    """The names of the fields that hold maps."""
    return frozenset(field.name for field, entry in _repeated() if entry)


@cache
def descriptors_without_comments() -> str:
    """The descriptor set in base64, without the source information that only the OpenAPI document needs."""
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    for file in descriptors.file:
        file.ClearField("source_code_info")
    return base64.b64encode(descriptors.SerializeToString()).decode("ascii")


def _repeated() -> Iterator[tuple[descriptor_pb2.FieldDescriptorProto, bool]]:
    """Give the repeated fields of the contract's top-level messages, and whether each is a map."""
    for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        for message in file.message_type if file.package.startswith("tekton.") else ():
            entries = {entry.name for entry in message.nested_type if entry.options.map_entry}
            for field in message.field:
                if field.label == field.LABEL_REPEATED:
                    yield field, field.type_name.rpartition(".")[2] in entries


def _json_names(fields: Iterable[descriptor_pb2.FieldDescriptorProto]) -> frozenset[str]:
    return frozenset(name for field in fields for name in (field.name, field.json_name))


def _bindings(rule: HttpRule, request: descriptor_pb2.DescriptorProto) -> Iterator[Binding]:
    kind = rule.WhichOneof("pattern")
    if kind is not None:
        custom = kind == "custom"
        verb, template = (rule.custom.kind, rule.custom.path) if custom else (kind.upper(), str(getattr(rule, kind)))
        held = {*VARIABLE.findall(template), rule.body}
        fields = [field for field in request.field if rule.body == "*" or field.name in held]
        lists = (field for field in request.field if field.label == field.LABEL_REPEATED)
        yield Binding(verb, template, _json_names(fields), _json_names(lists))
    for more in rule.additional_bindings:
        yield from _bindings(more, request)
