"""The watches over gRPC: steps of a watch as messages, already encoded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

from tekton.core.ids import Token
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.live.fanout import Folded
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import changes, convert, watching
from tekton_server.services.encodings import Encodings, Portion, cut
from tekton_server.services.selector import Selector
from tekton_server.services.watching import Began

Registry = registry_pb.WatchRegistryResponse
States = lifecycle_pb.WatchStatesResponse


class RegistryWatches:
    """Watches of the registry. A field that repeats is the concatenation of its items' encodings, and so is a message
    of its fields' (protobuf encoding, "Message structure"), so that shared pieces are put together without decoding.
    """

    def __init__(self, live: LiveRegistry) -> None:
        self._live = live
        self._encodings = Encodings(self._encode, self._live_message)

    def messages(self, selector: Selector, token: str) -> AsyncIterator[bytes]:
        """Watch; see `watching.follow` for what is raised."""
        steps = watching.follow(self._live, selector, token, self._encodings, snapshot=True)
        return watching.rendered(steps, self._snapshot, lambda at: self._message(Registry.PHASE_BOOKMARK, at))

    def _snapshot(self, began: Began) -> Iterator[bytes]:
        if began.reset:
            yield self._message(Registry.PHASE_RESET, began.revision, token=False)
        history_id = self._live.view.history_id
        events = (_piece(convert.registry_event(record, began.revision, history_id)) for record in began.records)
        for part in cut(events):
            yield self._message(Registry.PHASE_SNAPSHOT, began.revision, part, token=False)
        yield self._message(Registry.PHASE_SNAPSHOT_END, began.revision)

    def _live_message(self, portion: Portion) -> bytes:
        return self._message(Registry.PHASE_LIVE, portion.revision, portion.events, complete=portion.complete)

    def _message(
        self,
        phase: Registry.Phase.ValueType,
        revision: int,
        events: Iterable[bytes] = (),
        *,
        token: bool = True,
        complete: bool = True,
    ) -> bytes:
        history_id = self._live.view.history_id
        head = Registry(
            phase=phase,
            revision=revision,
            history_id=history_id,
            resume_token=str(Token(history_id, revision)) if token and complete else "",
            complete=complete,
        )
        return b"".join((head.SerializeToString(), *events))

    def _encode(self, folded: Folded, selector: Selector) -> Iterator[bytes]:
        return map(_piece, changes.registry_events(folded, selector, self._live.view))


def _piece(event: registry_pb.RegistryEvent) -> bytes:
    return Registry(events=(event,)).SerializeToString()


class StateWatches:
    """Watches of state changes."""

    def __init__(self, live: LiveRegistry) -> None:
        self._live = live
        self._encodings = Encodings(_encode_states, self._live_message)

    def messages(self, selector: Selector, token: str) -> AsyncIterator[bytes]:
        """Watch; see `watching.follow` for what is raised."""
        steps = watching.follow(self._live, selector, token, self._encodings)
        return watching.rendered(steps, self._opening, self._message)

    def _opening(self, began: Began) -> Iterator[bytes]:
        # A watch that begins anew is told from where on it sees everything; one that resumes knows.
        yield self._message(began.revision, reset=began.reset)

    def _live_message(self, portion: Portion) -> bytes:
        return self._message(portion.revision, portion.events, complete=portion.complete)

    def _message(
        self, revision: int, events: Iterable[bytes] = (), *, reset: bool = False, complete: bool = True
    ) -> bytes:
        token = str(Token(self._live.view.history_id, revision)) if complete else ""
        head = States(revision=revision, resume_token=token, reset=reset)
        return b"".join((head.SerializeToString(), *events))


def _encode_states(folded: Folded, selector: Selector) -> Iterator[bytes]:
    return (States(changes=(change,)).SerializeToString() for change in changes.state_changes(folded, selector))
