"""Server-sent events: the watches as text/event-stream, one google.api.HttpBody a message.

Source of the format: the HTML standard, section "Server-sent events". A revision is the unit, so the id is written on
the last event of a revision only: a client that was cut inside it gets the whole revision again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tekton.core.ids import Token
from tekton.v1 import heartbeat_service_pb2 as heartbeat_pb
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb

KEEP_ALIVE = b": keep-alive\n\n"
# How long an EventSource waits before it reconnects, in milliseconds; and something to flush the headers with.
_OPENING = b"retry: 1000\n\n"
_ESCAPES = (("\u2028", "\\u2028"), ("\u2029", "\\u2029"), ("\x85", "\\u0085"))
_Phase = registry_pb.WatchRegistryResponse


def last_event_id(metadata: object) -> str:
    """Give the Last-Event-ID that a reconnecting EventSource sends; empty when there is none."""
    return next((str(value) for key, value in metadata or () if key == "last-event-id"), "")  # type: ignore[attr-defined]


async def registry(messages: AsyncIterator[registry_pb.WatchRegistryResponse]) -> AsyncIterator[HttpBody]:
    """Render a registry watch."""
    yield _body(_OPENING)
    async for message in messages:
        yield _body(b"".join(_registry_frames(message)))
    yield _body(_end())


def _registry_frames(message: registry_pb.WatchRegistryResponse) -> Iterator[bytes]:
    if message.phase == _Phase.PHASE_BOOKMARK:
        yield _frame("bookmark", f'{{"revision":"{message.revision}"}}', message.resume_token)
    elif message.phase == _Phase.PHASE_RESET:
        yield _frame("reset", f'{{"revision":"{message.revision}"}}')
    elif message.phase == _Phase.PHASE_SNAPSHOT_END:
        yield _frame("snapshot_end", f'{{"revision":"{message.revision}"}}', message.resume_token)
    else:
        name = "snapshot" if message.phase == _Phase.PHASE_SNAPSHOT else "registry"
        last = len(message.events) - 1
        for position, event in enumerate(message.events):
            if position == last:
                token = message.resume_token
            elif message.phase == _Phase.PHASE_LIVE and message.events[position + 1].revision != event.revision:
                token = str(Token(message.history_id, event.revision))
            else:
                token = ""
            yield _frame(name, to_json(event), token)


async def states(messages: AsyncIterator[lifecycle_pb.WatchStatesResponse]) -> AsyncIterator[HttpBody]:
    """Render a watch of states."""
    yield _body(_OPENING)
    async for message in messages:
        yield _body(b"".join(_state_frames(message)))
    yield _body(_end())


def _state_frames(message: lifecycle_pb.WatchStatesResponse) -> Iterator[bytes]:
    if message.reset:
        yield _frame("reset", f'{{"revision":"{message.revision}"}}', message.resume_token)
    elif not message.changes:
        yield _frame("bookmark", f'{{"revision":"{message.revision}"}}', message.resume_token)
    last = len(message.changes) - 1
    for position, change in enumerate(message.changes):
        yield _frame("state_change", to_json(change), message.resume_token if position == last else "")


async def heartbeats(messages: AsyncIterator[heartbeat_pb.HeartbeatEvent | None]) -> AsyncIterator[HttpBody]:
    """Render a watch of beats; None is a pause without any."""
    yield _body(_OPENING)
    async for message in messages:
        yield _body(KEEP_ALIVE if message is None else _frame("heartbeat", to_json(message)))
    yield _body(_end())


def to_json(message: Message) -> str:
    """Print a message as the gateway prints replies: snake_case, nothing left out, on one line."""
    value = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Print whole numbers without a fraction, as the gateway does."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _frame(event: str, data: str, token: str = "") -> bytes:
    head = f"id: {token}\n" if token else ""
    # Legal in JSON and no line ends of an event stream, but some readers take them for line ends.
    for character, escape in _ESCAPES:
        data = data.replace(character, escape)
    return f"{head}event: {event}\ndata: {data}\n\n".encode()


def _end() -> bytes:
    return _frame("end", '{"reason":"shutting_down"}')


def _body(data: bytes) -> HttpBody:
    return HttpBody(content_type="text/event-stream", data=data)
