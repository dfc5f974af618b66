"""Server-sent events: the watches as text/event-stream, one google.api.HttpBody a message.

Source of the format: the HTML standard, section "Server-sent events". A revision is the unit, so the id is written on
the last event of a revision only: a client that was cut inside it gets the whole revision again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tekton.core.errors import StaleSessionError, UnavailableError
from tekton.core.ids import Token
from tekton_server.live.fanout import Folded
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import changes, convert, watching
from tekton_server.services.encodings import Encodings, cut
from tekton_server.services.selector import Selector
from tekton_server.services.watching import Began, Step

KEEP_ALIVE = b": keep-alive\n\n"
# How long an EventSource waits before it reconnects, in milliseconds; and something to flush the headers with.
_OPENING = b"retry: 1000\n\n"
_ESCAPES = (("\u2028", "\\u2028"), ("\u2029", "\\u2029"), ("\x85", "\\u0085"))


def last_event_id(metadata: object) -> str:
    """Give the Last-Event-ID that a reconnecting EventSource sends; empty when there is none."""
    return next((str(value) for key, value in metadata or () if key == "last-event-id"), "")  # type: ignore[attr-defined]


class _Events:
    """Watches of one kind as event streams."""

    def __init__(self, live: LiveRegistry, name: str, found: Callable[[Folded, Selector], Iterable[Message]]) -> None:
        self._live = live
        self._name = name
        self._found = found
        self._encodings = Encodings(self._frames, lambda portion: _body(b"".join(portion.events)))

    def _follow(self, selector: Selector, token: str, *, snapshot: bool) -> AsyncIterator[Step]:
        return watching.follow(self._live, selector, token, self._encodings, snapshot=snapshot, unbroken=True)

    async def _bodies(
        self, steps: AsyncIterator[Step], began: Callable[[Began], Iterable[bytes]]
    ) -> AsyncIterator[bytes]:
        def beginning(step: Began) -> Iterator[bytes]:
            return (_body(b"".join(part)) for part in cut(began(step)))

        yield _body(_OPENING)
        async for body in watching.rendered(steps, beginning, self._quiet):
            yield body
        yield _body(_end())

    def _quiet(self, revision: int) -> bytes:
        return _body(KEEP_ALIVE + self._standing("bookmark", revision))

    def _frames(self, folded: Folded, selector: Selector) -> Iterator[bytes]:
        """Render a commit: the id is on its last event."""
        events = list(self._found(folded, selector))
        for position, event in enumerate(events, 1):
            token = self._token(folded.commit.revision) if position == len(events) else ""
            yield _frame(self._name, to_json(event), token)

    def _standing(self, event: str, revision: int, *, token: bool = True) -> bytes:
        return _frame(event, f'{{"revision":"{revision}"}}', self._token(revision) if token else "")

    def _token(self, revision: int) -> str:
        return str(Token(self._live.view.history_id, revision))


class RegistryEvents(_Events):
    """Watches of the registry as event streams."""

    def __init__(self, live: LiveRegistry) -> None:
        super().__init__(
            live, "registry", lambda folded, selector: changes.registry_events(folded, selector, live.view)
        )

    def bodies(self, selector: Selector, token: str) -> AsyncIterator[bytes]:
        """Watch; see `watching.follow` for what is raised."""
        return self._bodies(self._follow(selector, token, snapshot=True), self._snapshot)

    def _snapshot(self, began: Began) -> Iterator[bytes]:
        if began.reset:
            yield self._standing("reset", began.revision, token=False)
        history_id = self._live.view.history_id
        for record in began.records:
            yield _frame("snapshot", to_json(convert.registry_event(record, began.revision, history_id)))
        yield self._standing("snapshot_end", began.revision)


class StateEvents(_Events):
    """Watches of state changes as event streams."""

    def __init__(self, live: LiveRegistry) -> None:
        super().__init__(live, "state_change", changes.state_changes)

    def bodies(self, selector: Selector, token: str) -> AsyncIterator[bytes]:
        """Watch; see `watching.follow` for what is raised."""
        return self._bodies(self._follow(selector, token, snapshot=False), self._opening)

    def _opening(self, began: Began) -> Iterator[bytes]:
        yield self._standing("reset" if began.reset else "bookmark", began.revision)


async def passing(name: str | Callable[[Any], str], messages: AsyncIterator[Message | None]) -> AsyncIterator[bytes]:
    """Render a watch of what has no history, such as beats; None is a pause without any. It ends with its lease.

    Every event has one name, or each the one that its message is given.
    """
    name_of = name if callable(name) else lambda _: name
    yield _body(_OPENING)
    try:
        async for message in messages:
            yield _body(KEEP_ALIVE if message is None else _frame(name_of(message), to_json(message)))
    except StaleSessionError:
        # An EventSource would take an error for a cut, and say nothing to its page.
        yield _body(_end("lease_ended"))
        return
    yield _body(_end())


async def progress(messages: AsyncIterator[Message]) -> AsyncIterator[bytes]:
    """Render what goes on until it is done, each message by the name in its `event`."""
    try:
        async for message in messages:
            yield _body(_frame(getattr(message, "event", ""), to_json(message)))
    except UnavailableError:
        yield _body(_end())


async def document(messages: AsyncIterator[Message]) -> AsyncIterator[bytes]:
    """Render the only message of a stream as the JSON that it is."""
    async for message in messages:
        data = to_json(message).encode()
        yield HttpBody(content_type="application/json", data=data).SerializeToString()


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


def _end(reason: str = "shutting_down") -> bytes:
    return _frame("end", f'{{"reason":"{reason}"}}')


def _body(data: bytes) -> bytes:
    """Give a part of the stream as the message that carries it, encoded."""
    encoded: bytes = HttpBody(content_type="text/event-stream", data=data).SerializeToString()
    return encoded
