"""The watches: snapshot, live, bookmarks and resets, as messages; their SSE twins render the same messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

from tekton.core.errors import CompactedError, SlowWatcherError, ValidationError
from tekton.core.ids import Token
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.live.fanout import Folded, Watcher
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import changes, convert
from tekton_server.services.selector import Selector

# A watcher that has had nothing for this long gets a bookmark, however busy the registry is.
BOOKMARK_AFTER = 15.0
# A message stays well under what gateways and clients take by default.
_SNAPSHOT_EVENTS = 500
_MESSAGE_BYTES = 900_000
_STATE_CHANGES = 2000

Message = registry_pb.WatchRegistryResponse


def resume_at(live: LiveRegistry, token: str) -> int | None:
    """Give the revision to resume after; None for a watch that starts anew.

    Raises:
        ValidationError: the token is not one of ours.
        CompactedError: it is of another history.
    """
    resume_check(token)
    return live.hub.at(token) if token else None


def resume_check(token: str) -> None:
    """Refuse a text that is no resume token, before a stream begins.

    Raises:
        ValidationError: the token is not one of ours.
    """
    if token and Token.parse(token) is None:
        raise ValidationError.of("after_revision", "must be a resume token from an earlier message", "format")


async def registry(live: LiveRegistry, selector: Selector, token: str) -> AsyncIterator[Message]:
    """Watch the registry.

    Raises:
        ValidationError: the token is not one of ours.
        SlowWatcherError: the watcher fell behind.
    """
    try:
        async for message in _from(live, selector, resume_at(live, token)):
            yield message
    except CompactedError:
        yield _message(live, Message.PHASE_RESET, live.view.revision, token=False)
        async for message in _from(live, selector, None):
            yield message


async def _from(live: LiveRegistry, selector: Selector, revision: int | None) -> AsyncIterator[Message]:
    """Watch after a revision, or from a snapshot.

    Raises:
        CompactedError: what comes after the revision can no longer be told.
    """
    with live.hub.watch(revision, filtered=not selector.all) as watcher:
        if watcher.before_ring and not selector.all:
            # A filter cannot be judged on commits from before the ring; a fresh snapshot can.
            raise CompactedError("a filtered watch cannot resume from so far back")
        if revision is None:
            for message in _snapshot(live, selector):
                yield message
        async for message in _live(live, watcher, selector):
            yield message


async def _live(live: LiveRegistry, watcher: Watcher, selector: Selector) -> AsyncIterator[Message]:
    quiet = Quiet()
    while not watcher.ended:
        folded = await watcher.next(quiet.patience)
        for message in _messages(live, folded, selector):
            quiet.broken()
            yield message
        if quiet.too_long and not watcher.ended:
            quiet.broken()
            yield _message(live, Message.PHASE_BOOKMARK, watcher.revision)


class Quiet:
    """How long a watcher has had no message, however busy the registry is."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    @property
    def patience(self) -> float:
        """Seconds until a bookmark is due."""
        return max(0.0, self._since + BOOKMARK_AFTER - time.monotonic())

    @property
    def too_long(self) -> bool:
        """Whether a bookmark is due."""
        return self.patience == 0.0

    def broken(self) -> None:
        """A message goes out."""
        self._since = time.monotonic()


def _snapshot(live: LiveRegistry, selector: Selector) -> Iterator[Message]:
    # The records are frozen, so holding them is holding the registry as of this revision, however slowly it is read.
    revision, records = live.view.revision, list(changes.present(live.view, selector))
    history_id = live.view.history_id
    message = _message(live, Message.PHASE_SNAPSHOT, revision, token=False)
    size = 0
    for record in records:
        event = convert.registry_event(record, revision, history_id)
        size += event.ByteSize()
        if message.events and (size > _MESSAGE_BYTES or len(message.events) >= _SNAPSHOT_EVENTS):
            yield message
            message = _message(live, Message.PHASE_SNAPSHOT, revision, token=False)
            size = event.ByteSize()
        message.events.append(event)
    if message.events:
        yield message
    yield _message(live, Message.PHASE_SNAPSHOT_END, revision)


def _messages(live: LiveRegistry, folded: list[Folded], selector: Selector) -> Iterator[Message]:
    """Put whole commits together until a message is full; split only a commit that alone is more than one message."""
    message, size = _message(live, Message.PHASE_LIVE, 0), 0
    for one in folded:
        events = list(changes.registry_events(one, selector, live.view))
        weight = sum(event.ByteSize() for event in events)
        if message.events and size + weight > _MESSAGE_BYTES:
            yield message
            message, size = _message(live, Message.PHASE_LIVE, 0), 0
        while weight > _MESSAGE_BYTES and len(events) > 1:
            part, events = _cut(events)
            yield _fragment(live, part, one.commit.revision)
            weight = sum(event.ByteSize() for event in events)
        if events:
            message.events.extend(events)
            message.revision = one.commit.revision
            message.resume_token = str(Token(live.view.history_id, one.commit.revision))
            size += weight
    if message.events:
        yield message


def _cut(events: list[registry_pb.RegistryEvent]) -> tuple[list[registry_pb.RegistryEvent], ...]:
    size = 0
    for index, event in enumerate(events):
        size += event.ByteSize()
        if index and size > _MESSAGE_BYTES:
            return events[:index], events[index:]
    return events[:-1], events[-1:]


def _fragment(live: LiveRegistry, events: list[registry_pb.RegistryEvent], revision: int) -> Message:
    message = _message(live, Message.PHASE_LIVE, revision, token=False)
    message.events.extend(events)
    message.complete = False
    return message


def _message(live: LiveRegistry, phase: Message.Phase.ValueType, revision: int, *, token: bool = True) -> Message:
    history_id = live.view.history_id
    return Message(
        phase=phase,
        revision=revision,
        history_id=history_id,
        resume_token=str(Token(history_id, revision)) if token else "",
        complete=True,
    )


async def unbroken_registry(live: LiveRegistry, selector: Selector, token: str) -> AsyncIterator[Message]:
    """Watch the registry for a client that dies on errors: falling behind is a reset and a snapshot."""
    while True:
        try:
            async for message in registry(live, selector, token):
                yield message
            return
        except SlowWatcherError:
            token = ""
            yield _message(live, Message.PHASE_RESET, live.view.revision, token=False)


async def unbroken_states(
    live: LiveRegistry, selector: Selector, token: str
) -> AsyncIterator[lifecycle_pb.WatchStatesResponse]:
    """Watch state changes for a client that dies on errors: falling behind is a reset, and from now on."""
    while True:
        try:
            async for message in states(live, selector, token):
                yield message
            return
        except SlowWatcherError:
            token = ""
            yield _states_message(live, live.hub.revision, reset=True)


async def states(live: LiveRegistry, selector: Selector, token: str) -> AsyncIterator[lifecycle_pb.WatchStatesResponse]:
    """Watch state changes, from now on or from a token.

    Raises:
        ValidationError: the token is not one of ours.
        SlowWatcherError: the watcher fell behind.
    """
    try:
        async for message in _states_from(live, selector, resume_at(live, token)):
            yield message
    except CompactedError:
        async for message in _states_from(live, selector, None, reset=True):
            yield message


async def _states_from(
    live: LiveRegistry, selector: Selector, revision: int | None, *, reset: bool = False
) -> AsyncIterator[lifecycle_pb.WatchStatesResponse]:
    """Watch state changes after a revision, or from now on.

    Raises:
        CompactedError: what comes after the revision can no longer be told.
    """
    with live.hub.watch(revision, filtered=not selector.all) as watcher:
        if watcher.before_ring and not selector.all:
            raise CompactedError("a filtered watch cannot resume from so far back")
        if revision is None:
            # A watch that begins anew is told from where on it sees everything; one that resumes knows.
            yield _states_message(live, watcher.revision, reset=reset)
        quiet = Quiet()
        while not watcher.ended:
            for one in await watcher.next(quiet.patience):
                for message in _state_messages(live, one, selector):
                    quiet.broken()
                    yield message
            if quiet.too_long and not watcher.ended:
                quiet.broken()
                yield _states_message(live, watcher.revision)


def _state_messages(
    live: LiveRegistry, folded: Folded, selector: Selector
) -> Iterator[lifecycle_pb.WatchStatesResponse]:
    found = list(changes.state_changes(folded, selector))
    for start in range(0, len(found), _STATE_CHANGES):
        more = start + _STATE_CHANGES < len(found)
        part = found[start : start + _STATE_CHANGES]
        yield _states_message(live, folded.commit.revision, part, more=more)


def _states_message(
    live: LiveRegistry,
    revision: int,
    changes: list[lifecycle_pb.StateChange] | None = None,
    *,
    reset: bool = False,
    more: bool = False,
) -> lifecycle_pb.WatchStatesResponse:
    """Make a message; one whose revision has `more` to come cannot be resumed from."""
    token = "" if more else str(Token(live.view.history_id, revision))
    return lifecycle_pb.WatchStatesResponse(changes=changes, revision=revision, resume_token=token, reset=reset)
