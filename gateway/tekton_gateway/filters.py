"""The HTTP filters, in the order a request meets them; a reply meets them from the last to the first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tekton.core.errors import TektonError
from tekton_gateway import contract, local_replies, paths
from tekton_gateway.settings import GatewaySettings

Json = dict[str, Any]

_LUA = tuple(Path(__file__).with_name(name) for name in ("paths.lua", "border.lua", "words.lua", "rest.lua"))
_PREFIX = "type.googleapis.com/envoy.extensions.filters.http"


def render(settings: GatewaySettings) -> list[Json]:
    """Give the chain."""
    return [
        # First on the way in, so last on the way out: it refuses the pages of others, marks what is REST, and sees what
        # the others made of a reply.
        _filter("lua", "lua.v3.Lua", {"default_source_code": {"inline_string": lua_source(settings)}}),
        _filter("grpc_web", "grpc_web.v3.GrpcWeb", {}),
        # Before the transcoder, whose own limit does not hold: it gives the 413.
        _filter("buffer", "buffer.v3.Buffer", {"max_request_bytes": settings.max_request_bytes}),
        _filter("grpc_json_transcoder", "grpc_json_transcoder.v3.GrpcJsonTranscoder", _transcoder(settings)),
        _filter("router", "router.v3.Router", {"suppress_envoy_headers": True}),
    ]


def lua_source(settings: GatewaySettings) -> str:
    """Give the filter's text: what it has to know, then the code."""
    hosts = "".join(f'  ["{name}"] = true,\n' for name in settings.host_names)
    border = f"local ALLOWED_HOSTS = {{\n{hosts}}}\nlocal ANY_ADDRESS = {str(settings.is_on_every_address).lower()}\n"
    rows = "".join(f"  {_lua_row(status, error)}\n" for status, error in local_replies.fallbacks().items())
    code = "\n".join(path.read_text(encoding="utf-8") for path in _LUA)
    names = _lua_set("LISTS", contract.lists()) + _lua_set("MAPS", contract.maps())
    border += f"local HEADERS, HEADER_BYTES = {settings.max_headers}, {settings.max_header_kib * 1024}\n"
    return f"{border}local FALLBACKS = {{\n{rows}}}\n{names}{paths.lua()}{code}"


def _lua_set(variable: str, names: frozenset[str]) -> str:
    return f"local {variable} = {{ {', '.join(f'{name} = true' for name in sorted(names))} }}\n"


def _lua_row(status: str, error: TektonError) -> str:
    retry = f'"{error.retry_after:.0f}"' if error.retry_after is not None else "false"
    return f'["{status}"] = {{ "{error.http_status}", [==[{json.dumps(error.body())}]==], {retry} }},'


def _filter(name: str, kind: str, config: Json) -> Json:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{_PREFIX}.{kind}"} | config}


def _transcoder(settings: GatewaySettings) -> Json:
    return {
        "proto_descriptor_bin": contract.descriptors_without_comments(),
        "services": list(contract.services()),
        "print_options": {"always_print_primitive_fields": True, "preserve_proto_field_names": True},
        # Unknown paths, methods and query parameters are refused here; else they would reach the server as they are.
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_RESERVED",
        "query_param_unescape_plus": True,
        "max_request_body_size": settings.max_request_bytes + 1,
        "max_response_body_size": settings.max_response_bytes,
    }
