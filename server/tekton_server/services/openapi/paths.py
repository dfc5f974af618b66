"""REST bindings as OpenAPI operations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2 as pb

from tekton_server.services.openapi import failures
from tekton_server.services.openapi.schemas import Schemas
from tekton_server.services.openapi.source import Source, bindings

Json = dict[str, Any]

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
JSON = "application/json"
HTML = "text/html; charset=utf-8"
EVENTS = "text/event-stream"
MEDIA = {
    "tekton.v1.SystemService.Exposition": OPENMETRICS,
    "tekton.v1.SystemService.OpenApi": JSON,
    "tekton.v1.SystemService.Docs": HTML,
}
"""What the RPCs that return google.api.HttpBody send. Streams of it are server-sent events."""

_RESUME = "after_revision"
_QUIET = "quiet"
_HTTP_BODY = "google.api.HttpBody"
_PARAMETER = re.compile(r"\{([a-z0-9_.]+)(?:=[^}]*)?\}")
_SUCCESS = re.compile(r"\b[23]\d\d\b")
_Field = pb.FieldDescriptorProto


def build(source: Source, schemas: Schemas) -> Json:
    """Give the paths, in the order of the contract."""
    found: Json = {}
    for service_name, service in source.services.items():
        for method in service.method:
            for number, binding in enumerate(bindings(method)):
                verb, template, body = binding
                operation = _Operation(source, schemas, service_name, method, template, body)
                identity = f"{service.name}_{method.name}" + (f"_{number + 1}" if number else "")
                path = found.setdefault(_PARAMETER.sub(r"{\1}", template), {})
                path[verb.lower()] = {"operationId": identity} | operation.render()
    return found


class _Operation:
    """One binding of one RPC."""

    def __init__(
        self,
        source: Source,
        schemas: Schemas,
        service: str,
        method: pb.MethodDescriptorProto,
        template: str,
        body: str,
    ) -> None:
        self._source = source
        self._schemas = schemas
        self._service = service
        self._method = method
        self._request = method.input_type.removeprefix(".")
        self._in_path = _PARAMETER.findall(template)
        self._body = body
        comment = source.comment(f"{service}.{method.name}")
        self._about, self._errors = failures.split(comment)

    def render(self) -> Json:
        """Give the operation object, without its id."""
        rendered: Json = {
            "tags": [self._service.rpartition(".")[2]],
            "summary": re.split(r"[.;:](?:\s|$)", self._about)[0],
            "description": self._about,
            "x-grpc-method": f"{self._service}/{self._method.name}",
        }
        parameters = [*self._path_parameters(), *self._query_parameters(self._request), *self._resuming()]
        if parameters:
            rendered["parameters"] = parameters
        if self._body:
            rendered["requestBody"] = {"content": {JSON: {"schema": self._body_schema()}}}
        rendered["responses"] = self._success() | failures.responses(
            self._errors, with_body=bool(self._body), streams=self._method.server_streaming
        )
        return rendered

    def _path_parameters(self) -> Iterator[Json]:
        fields = {field.name: field for field in self._source.messages[self._request].field}
        for name in self._in_path:
            yield self._parameter("path", name, self._schemas.field(self._request, fields[name])) | {"required": True}

    def _query_parameters(self, message: str, prefix: str = "") -> Iterator[Json]:
        """What neither the path nor the body holds is a query parameter; fields of fields are written with a dot."""
        if self._body == "*":
            return
        for field in self._source.messages[message].field:
            name, kind = f"{prefix}{field.name}", field.type_name.removeprefix(".")
            if name in (*self._in_path, self._body):
                continue
            if kind in self._source.messages:
                yield from self._query_parameters(kind, f"{name}.")
            else:
                yield self._parameter("query", name, self._schemas.field(message, field))

    def _resuming(self) -> Iterator[Json]:
        """What a browser's EventSource sends when it reconnects to a stream that can be resumed."""
        if any(field.name == _RESUME for field in self._source.messages[self._request].field):
            about = f"The id of the last event that was received; as {_RESUME}, and before it."
            yield {"name": "Last-Event-ID", "in": "header", "description": about, "schema": {"type": "string"}}

    @staticmethod
    def _parameter(place: str, name: str, schema: Json) -> Json:
        about = schema.pop("description")
        return {"name": name, "in": place, "description": about, "schema": schema}

    def _body_schema(self) -> Json:
        if self._body != "*":
            field = next(f for f in self._source.messages[self._request].field if f.name == self._body)
            return self._schemas.field(self._request, field)
        if self._in_path:
            return self._schemas.object(self._request, without=frozenset(self._in_path))
        return self._schemas.message(self._request)

    def _success(self) -> Json:
        reply = self._method.output_type.removeprefix(".")
        media = JSON if reply != _HTTP_BODY else EVENTS if self._method.server_streaming else self._media()
        schema = self._schemas.message(reply) if reply != _HTTP_BODY else {} if media == JSON else {"type": "string"}
        content = {media: {"schema": schema}} | self._quietly()
        return {status: _success(status, content) for status in self._statuses()}

    def _quietly(self) -> Json:
        """What a stream that may be asked to say only how it ended says then: one message of its twin over gRPC."""
        if not any(field.name == _QUIET for field in self._source.messages[self._request].field):
            return {}
        twin = self._method.name.removeprefix("Stream")
        methods = {one.name: one for one in self._source.services[self._service].method}
        return {JSON: {"schema": self._schemas.message(methods[twin].output_type.removeprefix("."))}}

    def _media(self) -> str:
        return MEDIA[f"{self._service}.{self._method.name}"]

    def _statuses(self) -> list[str]:
        """A comment that says "REST answers 201 …" names the statuses of success in that sentence; else it is 200."""
        _, _, told = self._about.partition("REST answers ")
        return sorted(_SUCCESS.findall(re.split(r"\.\s", told)[0])) or ["200"]


def _success(status: str, content: Json) -> Json:
    if status.startswith("3"):
        where = {"description": "Where it is.", "schema": {"type": "string"}}
        return {"description": "See Other", "headers": {"Location": where}}
    return {"description": {"201": "Created", "202": "Accepted"}.get(status, "OK"), "content": content}
