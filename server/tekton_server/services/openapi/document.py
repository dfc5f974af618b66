"""The OpenAPI document, made from the contract that the gateway serves."""

from __future__ import annotations

from typing import Any

from tekton_server.build import BUILD
from tekton_server.services.openapi import failures, paths
from tekton_server.services.openapi.schemas import Schemas
from tekton_server.services.openapi.source import Source, bindings

Json = dict[str, Any]

_ABOUT = """\
The JSON face of the gRPC contract tekton.v1, on the same port.

Names are snake_case, states lower case, times RFC 3339 in UTC, 64-bit numbers text. Every failure has one body, \
ErrorBody; an operation lists its own failures and those that the gateway answers by itself. A path that is not here \
is 404 (unknown_path), and so is a method that a path does not take: `details.allowed` and the header Allow say which \
it takes, and so does OPTIONS. Where there is a GET, HEAD answers as it would, without the body; for an event stream \
at once, without opening it. Paths under /events and others that answer text/event-stream never end by themselves: a \
browser reads them with EventSource, and Last-Event-ID resumes them."""


def build() -> Json:
    """Make the document."""
    source = Source()
    schemas = Schemas(source)
    schemas.message(f"tekton.v1.{failures.BODY}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tekton",
            "version": BUILD.version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": service.name, "description": source.comment(name)} for name, service in source.services.items()
        ],
        "paths": paths.build(source, schemas),
        "components": {"schemas": dict(sorted(schemas.named.items())), "examples": failures.examples()},
        "x-grpc-only": _grpc_only(source),
    }


def _grpc_only(source: Source) -> list[Json]:
    """Give the RPCs without a REST path; their comments say why there is none."""
    return [
        {"x-grpc-method": f"{name}/{method.name}", "description": source.comment(f"{name}.{method.name}")}
        for name, service in source.services.items()
        for method in service.method
        if not bindings(method)
    ]
