"""The contract as the gateway needs it: which services there are, and which calls stream.

Everything is read from the descriptor set, so that a new RPC is served without a line here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import descriptor_pb2

DESCRIPTORS = Path(__file__).with_name("tekton.binpb")
_HTTP_BODY = ".google.api.HttpBody"


@dataclass(frozen=True)
class Method:
    """One RPC."""

    service: str
    name: str
    streams: bool
    """The server, or both sides, send as long as they like."""
    rest: tuple[tuple[str, str], ...]
    """Its (HTTP method, path template) pairs."""
    http_body: bool
    """The reply is google.api.HttpBody: it brings its own content type."""

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
    return tuple(
        Method(
            service=f"{file.package}.{service.name}",
            name=method.name,
            streams=method.server_streaming or method.client_streaming,
            rest=tuple(_bindings(method.options.Extensions[annotations_pb2.http])),
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
def descriptors_without_comments() -> str:
    """The descriptor set in base64, without the source information that only the OpenAPI document needs."""
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    for file in descriptors.file:
        file.ClearField("source_code_info")
    return base64.b64encode(descriptors.SerializeToString()).decode("ascii")


def _bindings(rule: HttpRule) -> Iterator[tuple[str, str]]:
    kind = rule.WhichOneof("pattern")
    if kind == "custom":
        yield rule.custom.kind, rule.custom.path
    elif kind is not None:
        yield kind.upper(), str(getattr(rule, kind))
    for more in rule.additional_bindings:
        yield from _bindings(more)
