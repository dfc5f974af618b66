"""What the gateway itself answers when a call does not reach the server: the documented body, never Envoy's words.

One table. Each reply is rendered twice: as JSON for REST, and as the status of a gRPC call.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tekton.core import errors
from tekton_gateway.settings import GatewaySettings

Json = dict[str, Any]

MARK = "x-tekton-transcoder"
"""On replies that quote the transcoder: the Lua filter removes it, and puts the transcoder's words into ours.

Only there: a reply that Envoy makes while it reads the server's answer does not pass the filter.
"""

ASKED = "x-tekton-asked"
"""On replies to what there is no path or method for, what that was: the Lua filter puts the path's methods there."""

REFUSED = "x-tekton-refused"
"""The header of a request in which the Lua filter says why it refuses it."""

PARAMETER = "x-tekton-parameter"
"""And this the header in which it says for which parameter of the query."""

GRPC_STATUS = "x-tekton-grpc-status"
"""On replies to gRPC calls, the status that they should have: the Lua filter puts it in place of Envoy's."""

BROKEN = "The server went away during the call; it may have been carried out. Look before you try again."
TOO_LATE = "The call took longer than its deadline; it may have been carried out."

_NOT_SENT = ("UF", "UH", "UO")
"""Envoy's flags for: no connection, no host, circuit breaker. The server has seen nothing of the call."""


@dataclass(frozen=True)
class Reply:
    """The answer to one kind of failure."""

    status: int
    """The HTTP status, or with `and_above` the lowest, for which it stands."""
    error: errors.TektonError
    flags: Sequence[str] = ()
    """Only with one of these response flags."""
    and_above: bool = False
    header: tuple[str, str] | None = None
    """A header for the Lua filter, which completes the reply."""
    refused: str = ""
    """Only where the Lua filter refused the request for this."""

    def matches(self) -> Json:
        """Give the filter that finds it."""
        if self.refused:
            return {"header_filter": {"header": {"name": REFUSED, "string_match": {"exact": self.refused}}}}
        comparison = {"op": "GE" if self.and_above else "EQ", "value": _runtime(self.status)}
        status: Json = {"status_code_filter": {"comparison": comparison}}
        return _all(status, {"response_flag_filter": {"flags": list(self.flags)}}) if self.flags else status


def render(settings: GatewaySettings) -> Json:
    """Give the local_reply_config: the first mapper that matches decides."""
    table = replies(settings)
    return {
        "mappers": [_empty(), *(_for_grpc(reply) for reply in table), *(_for_rest(reply) for reply in table)],
        "body_format": {"json_format": errors.UnavailableError("The gateway cannot answer.").body()},
    }


def replies(settings: GatewaySettings) -> list[Reply]:
    """Give every reply, the more special before the more general."""
    unknown = "There is no %REQ(:METHOD)% %PATH(NQ):256% on this gateway."
    unreachable = "The server cannot be reached now; nothing was done. Try again."
    body_limit = f"The request body is over the limit of {settings.max_request_bytes} bytes."
    header_limit = (
        f"The request headers are over the limit of {settings.max_header_kib} KiB or of {settings.max_headers} headers."
    )
    reply_limit = (
        f"The reply is over the limit of {settings.max_response_bytes} bytes; ask for less, such as a smaller page."
    )
    return [
        *_refusals(),
        Reply(400, errors.ValidationError("%LOCAL_REPLY_BODY%"), header=(MARK, "1")),
        Reply(404, errors.UnknownPathError(unknown), header=(ASKED, "%REQ(:METHOD)% %PATH(NQ)%")),
        Reply(408, errors.TektonTimeoutError("The request was not sent in time.")),
        Reply(413, errors.TooLargeError(body_limit)),
        Reply(426, errors.ValidationError("HTTP/1.0 is not served here: use HTTP/1.1 or HTTP/2.")),
        Reply(431, errors.TooLargeError(header_limit)),
        Reply(500, errors.TektonError(reply_limit)),
        Reply(503, errors.UnavailableError(unreachable), flags=_NOT_SENT),
        Reply(503, errors.UnavailableError(BROKEN, details={"outcome": "unknown"})),
        Reply(504, errors.TektonTimeoutError(TOO_LATE, details={"outcome": "unknown"})),
        Reply(500, errors.UnavailableError("The server's answer was not understood."), and_above=True),
        Reply(400, errors.ValidationError("The request is not one that this gateway serves."), and_above=True),
    ]


def _refusals() -> list[Reply]:
    """Give what border.lua refuses."""
    host = (
        "This gateway is not called %REQ(:AUTHORITY):256%: use localhost or the address that it listens on, "
        "or add the name to allowed_hosts."
    )
    origin = (
        "A web page of %REQ(ORIGIN):256% may not do this: serve the page under the gateway's own address, "
        "or let the page's own server call."
    )
    content_type = "must be application/json for a %REQ(:METHOD)%: send that header, even without a body"
    parameter = f"%REQ({PARAMETER})%"
    misplaced = "stands in the path or in the body of this call: leave it out of the query"
    bare = "must be written as a name, = and a value"
    repeated = "holds one value: give it once"
    no_message = "The call ends before its first message: send one, with its frame of five bytes."
    events = "events are server-sent events, which a plain GET of a path under /events reads"
    upgrade = f"is not taken by any path: leave it out; {events}"
    websocket = f"There is no %PATH(NQ):256% on this gateway, and no WebSocket: {events}."
    tunnel = "This gateway opens no tunnels: call it as a server, not as a proxy."
    encoding = "is not understood here: send the body as it is, without this header or as identity"
    return [
        Reply(403, errors.ForbiddenError(host), refused="host"),
        Reply(403, errors.ForbiddenError(origin), refused="origin"),
        Reply(400, errors.ValidationError.of("content-type", content_type, "format"), refused="content-type"),
        Reply(400, errors.ValidationError.of(parameter, misplaced, "place"), refused="query"),
        Reply(400, errors.ValidationError.of(parameter, bare, "format"), refused="parameter"),
        Reply(400, errors.ValidationError.of(parameter, repeated, "unique"), refused="repeated"),
        Reply(400, errors.ValidationError.of("content-encoding", encoding, "format"), refused="content-encoding"),
        Reply(400, errors.ValidationError(no_message), refused="message"),
        Reply(400, errors.ValidationError.of("upgrade", upgrade, "format"), refused="upgrade"),
        Reply(404, errors.UnknownPathError(websocket), refused="websocket"),
        Reply(404, errors.UnknownPathError(tunnel), refused="tunnel"),
    ]


def fallbacks() -> dict[str, errors.TektonError]:
    """Give, by the number of the gRPC status, what REST is told when the server ended a call without its own words.

    Only the gRPC library does so: our interceptors never came to run, or the call was cut short.
    """
    unknown = {"outcome": "unknown"}
    unserved = errors.UnknownPathError("This server does not serve the call.")
    known = {
        code_pb2.CANCELLED: errors.UnavailableError("The server ended the call.", details=unknown),
        code_pb2.UNKNOWN: errors.TektonError("The server failed.", details=unknown),
        code_pb2.INVALID_ARGUMENT: errors.ValidationError("The request cannot be read."),
        code_pb2.DEADLINE_EXCEEDED: errors.TektonTimeoutError(TOO_LATE, details=unknown),
        code_pb2.RESOURCE_EXHAUSTED: errors.TooLargeError("The request is over a size limit of the server."),
        code_pb2.UNIMPLEMENTED: unserved,
        code_pb2.INTERNAL: errors.TektonError("The server failed.", details=unknown),
        code_pb2.UNAVAILABLE: errors.UnavailableError(BROKEN, details=unknown),
    }
    return {str(int(code)): error for code, error in known.items()}


def _empty() -> Json:
    """What the Lua filter answers that is no failure says all in its headers."""
    success = {"status_code_filter": {"comparison": {"op": "LE", "value": _runtime(399)}}}
    return {"filter": success, "body_format_override": {"text_format_source": {"inline_string": ""}}}


def _for_rest(reply: Reply) -> Json:
    headers = [_header(*reply.header)] if reply.header else []
    if reply.error.retry_after is not None:
        headers.append(_header("retry-after", f"{reply.error.retry_after:.0f}"))
    return {
        "filter": reply.matches(),
        "headers_to_add": headers,
        "body_format_override": {"json_format": reply.error.body()},
    }


def _for_grpc(reply: Reply) -> Json:
    """The body becomes grpc-message. Where no filter sees it the status is Envoy's: details only if it is ours."""
    headers = []
    if not isinstance(reply.error, errors.UnknownPathError):  # that is UNIMPLEMENTED, as Envoy says
        headers.append(_header(GRPC_STATUS, str(code_pb2.Code.Value(reply.error.grpc_status))))
    if isinstance(reply.error, errors.UnavailableError) and not reply.and_above:
        headers.append(_header("grpc-status-details-bin", _status_details(reply.error)))
    return {
        "filter": _all(_is_grpc(), reply.matches()),
        "headers_to_add": headers,
        "body_format_override": {"text_format_source": {"inline_string": reply.error.message}},
    }


def _status_details(error: errors.TektonError) -> str:
    """Give the rich status of an error as the server would, without padding as gRPC wants it."""
    metadata = {"code": str(error.number), "component": errors.CORE_COMPONENT, "details": json.dumps(error.details)}
    status = status_pb2.Status(code=code_pb2.Code.Value(error.grpc_status), message=error.message)
    status.details.append(_packed(error_details_pb2.ErrorInfo(reason=error.reason, domain="tekton", metadata=metadata)))
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return base64.b64encode(status.SerializeToString()).decode("ascii").rstrip("=")


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _is_grpc() -> Json:
    """A REST call looks like gRPC once it is transcoded, but bears the Lua filter's mark.

    A gRPC-Web call does so once its filter has seen it; what is refused before is plain HTTP.
    """
    content_type = {"name": "content-type", "string_match": {"safe_regex": {"regex": "application/grpc([+].*)?"}}}
    unmarked = {"name": "x-tekton-rest", "present_match": False}
    return _all({"header_filter": {"header": content_type}}, {"header_filter": {"header": unmarked}})


def _all(*filters: Json) -> Json:
    return {"and_filter": {"filters": list(filters)}}


def _header(key: str, value: str) -> Json:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _runtime(value: int) -> Json:
    """Envoy demands a runtime key, which nobody sets."""
    return {"default_value": value, "runtime_key": "tekton.unset"}
