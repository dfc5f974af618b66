"""The contract with its comments, as the descriptor set that the gateway serves from holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import descriptor_pb2 as pb

from tekton_gateway.contract import DESCRIPTORS

_PACKAGE = "tekton."
# The numbers of the fields that a SourceCodeInfo path goes through (descriptor.proto).
_FILE = {"message": 4, "enum": 5, "service": 6}
_MESSAGE = {"field": 2, "message": 3, "enum": 4}
_METHODS, _VALUES = 2, 2

_Texts = dict[tuple[int, ...], str]


class Source:
    """Messages, enums and services of the contract by full name, without a leading dot, and the comment of each."""

    def __init__(self) -> None:
        self.messages: dict[str, pb.DescriptorProto] = {}
        self.enums: dict[str, pb.EnumDescriptorProto] = {}
        self.services: dict[str, pb.ServiceDescriptorProto] = {}
        self._comments: dict[str, str] = {}
        for file in pb.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
            if file.package.startswith(_PACKAGE):
                self._read(file)

    def comment(self, name: str) -> str:
        """Give the comment of anything by its full name, one paragraph a line."""
        return self._comments.get(name, "")

    def _read(self, file: pb.FileDescriptorProto) -> None:
        texts = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        for index, message in enumerate(file.message_type):
            self._message(f"{file.package}.{message.name}", message, (_FILE["message"], index), texts)
        for index, enum in enumerate(file.enum_type):
            self._enum(f"{file.package}.{enum.name}", enum, (_FILE["enum"], index), texts)
        for index, service in enumerate(file.service):
            name, path = f"{file.package}.{service.name}", (_FILE["service"], index)
            self.services[name] = service
            self._comment(name, path, texts)
            for number, method in enumerate(service.method):
                self._comment(f"{name}.{method.name}", (*path, _METHODS, number), texts)

    def _message(self, name: str, message: pb.DescriptorProto, path: Sequence[int], texts: _Texts) -> None:
        self.messages[name] = message
        self._comment(name, path, texts)
        for index, field in enumerate(message.field):
            self._comment(f"{name}.{field.name}", (*path, _MESSAGE["field"], index), texts)
        for index, nested in enumerate(message.nested_type):
            self._message(f"{name}.{nested.name}", nested, (*path, _MESSAGE["message"], index), texts)
        for index, enum in enumerate(message.enum_type):
            self._enum(f"{name}.{enum.name}", enum, (*path, _MESSAGE["enum"], index), texts)

    def _enum(self, name: str, enum: pb.EnumDescriptorProto, path: Sequence[int], texts: _Texts) -> None:
        self.enums[name] = enum
        self._comment(name, path, texts)
        for index, value in enumerate(enum.value):
            self._comment(f"{name}.{value.name}", (*path, _VALUES, index), texts)

    def _comment(self, name: str, path: Sequence[int], texts: _Texts) -> None:
        paragraphs = texts.get(tuple(path), "").split("\n\n")
        self._comments[name] = "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).strip()


def bindings(method: pb.MethodDescriptorProto) -> list[tuple[str, str, str]]:
    """Give the REST bindings of an RPC: HTTP method, path template, and which field is the body ("*": all of them)."""
    return list(_bindings(method.options.Extensions[annotations_pb2.http]))


def _bindings(rule: HttpRule) -> Iterator[tuple[str, str, str]]:
    kind = rule.WhichOneof("pattern")
    if kind is not None:
        yield kind.upper(), str(getattr(rule, kind)), rule.body
    for more in rule.additional_bindings:
        yield from _bindings(more)
