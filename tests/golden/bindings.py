"""The request of an RPC, made from the REST call that says the same: `google.api.http`, read backwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

from tekton.v1 import (
    error_report_service_pb2,
    heartbeat_service_pb2,
    lifecycle_service_pb2,
    registry_service_pb2,
    resource_service_pb2,
    routing_service_pb2,
    system_service_pb2,
)
from tests.golden.corpus import Exchange

PACKAGE = "tekton.v1"
_FILES = (
    registry_service_pb2,
    lifecycle_service_pb2,
    heartbeat_service_pb2,
    routing_service_pb2,
    resource_service_pb2,
    error_report_service_pb2,
    system_service_pb2,
)
SERVICES: dict[str, ServiceDescriptor] = {
    name: service for file in _FILES for name, service in file.DESCRIPTOR.services_by_name.items()
}


def method_of(rpc: str) -> MethodDescriptor:
    """Find an RPC by service and method."""
    service, _, name = rpc.partition(".")
    return SERVICES[service].methods_by_name[name]


def twin(method: MethodDescriptor) -> MethodDescriptor:
    """Give the RPC that serves a call over REST: what streams has one that streams its events as text."""
    if not method.server_streaming:
        return method
    return method.containing_service.methods_by_name[f"Stream{method.name.removeprefix('Watch')}"]


def request_of(exchange: Exchange) -> dict[str, Any]:
    """Make the JSON of the request.

    Raises:
        LookupError: the RPC is not served at this path.
    """
    method = method_of(exchange.rpc)
    path, _, query = exchange.path.partition("?")
    for verb, template, body in _bindings(twin(method).GetOptions().Extensions[annotations_pb2.http]):
        one = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
        found = re.fullmatch(re.sub(r"\{(\w+)=\*\*\}", r"(?P<\1>.+)", one), path)
        if verb == exchange.method and found:
            named = {name: unquote(value) for name, value in found.groupdict().items()}
            asked = {name: _typed(method.input_type, name, values) for name, values in _parsed(query).items()}
            return {**_body(body, exchange.body or {}), **asked, **named}
    raise LookupError(f"{exchange.rpc} is not served as {exchange.method} {path}")


def _bindings(rule: HttpRule) -> Iterator[tuple[str, str, str]]:
    verb = rule.WhichOneof("pattern")
    if verb is not None:
        yield verb.upper(), getattr(rule, verb), rule.body
    for more in rule.additional_bindings:
        yield from _bindings(more)


def _body(place: str, body: dict[str, Any]) -> dict[str, Any]:
    return body if place in ("", "*") else {place: body}


def _parsed(query: str) -> dict[str, list[str]]:
    return parse_qs(query, keep_blank_values=True, strict_parsing=bool(query))


def _typed(message: Descriptor, name: str, values: list[str]) -> Any:
    """Read a parameter. Numbers may stay texts in JSON, truth may not."""
    field = message.fields_by_name[name]
    read = [value == "true" if field.type == FieldDescriptor.TYPE_BOOL else value for value in values]
    return read if field.is_repeated else read[0]
