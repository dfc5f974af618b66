"""What commits look like on the wire: made once for each revision and filter, and shared by all that watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from tekton_server.live.fanout import Folded
from tekton_server.services.selector import Selector

# Watchers that keep up ask for the newest commits, so that little is enough.
MOST_KEPT = 4096
MOST_BYTES = 8 * 1024 * 1024
# A message stays well under what gateways and clients take by default.
MESSAGE_BYTES = 900_000

KeyT = TypeVar("KeyT", tuple[int, Selector], tuple[int, int, Selector])


class Portion(NamedTuple):
    """What goes into one message. `complete`: all of the last revision is told with it."""

    revision: int
    events: Sequence[bytes]
    complete: bool


class Encodings:
    """Messages for watchers: `encode` gives the events of a commit that pass a filter, `put` puts a portion of them
    into a message. Watchers that stand at the same revision with the same filter are sent the same bytes.
    """

    def __init__(self, encode: Callable[[Folded, Selector], Iterable[bytes]], put: Callable[[Portion], bytes]) -> None:
        self._encode = encode
        self._put = put
        self._events: _Memo[tuple[int, Selector]] = _Memo()
        self._messages: _Memo[tuple[int, int, Selector]] = _Memo()

    def messages(self, commits: Sequence[Folded], selector: Selector) -> Sequence[bytes]:
        """Give what a watcher is sent of consecutive commits, at least one; nothing when nothing passes its filter."""
        key = (commits[0].commit.revision, commits[-1].commit.revision, selector)
        known = self._messages.get(key)
        if known is None:
            passing = ((one.commit.revision, self._of(one, selector)) for one in commits)
            known = self._messages.keep(key, map(self._put, portions(passing)))
        return known

    def _of(self, folded: Folded, selector: Selector) -> Sequence[bytes]:
        key = (folded.commit.revision, selector)
        known = self._events.get(key)
        return self._events.keep(key, self._encode(folded, selector)) if known is None else known


class _Memo(Generic[KeyT]):
    """Bytes that were made before, bounded by number and by size; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._known: dict[KeyT, Sequence[bytes]] = {}
        self._bytes = 0

    def get(self, key: KeyT) -> Sequence[bytes] | None:
        """Find what was made."""
        return self._known.get(key)

    def keep(self, key: KeyT, made: Iterable[bytes]) -> Sequence[bytes]:
        """Keep what was made."""
        known = tuple(made)
        self._known[key] = known
        self._bytes += self._weight(key, known)
        while len(self._known) > MOST_KEPT or (self._bytes > MOST_BYTES and len(self._known) > 1):
            oldest = next(iter(self._known))
            self._bytes -= self._weight(oldest, self._known.pop(oldest))
        return known

    @staticmethod
    def _weight(key: KeyT, made: Sequence[bytes]) -> int:
        # A filter may be far larger than the nothing that passes it.
        return key[-1].weight + sum(map(len, made))


def portions(commits: Iterable[tuple[int, Sequence[bytes]]]) -> Iterator[Portion]:
    """Put whole commits together until a message is full; split only a commit that alone is more than one message."""
    held: list[bytes] = []
    size, last = 0, 0
    for revision, events in commits:
        weight = sum(map(len, events))
        if held and size + weight > MESSAGE_BYTES:
            yield Portion(last, held, complete=True)
            held, size = [], 0
        if weight > MESSAGE_BYTES:
            *parts, events = cut(events)
            for part in parts:
                yield Portion(revision, part, complete=False)
            weight = sum(map(len, events))
        held.extend(events)
        size += weight
        last = revision
    if held:
        yield Portion(last, held, complete=True)


def cut(events: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    """Cut events into parts that fit into a message each; one that is larger stands alone."""
    part: list[bytes] = []
    size = 0
    for event in events:
        if part and size + len(event) > MESSAGE_BYTES:
            yield part
            part, size = [], 0
        part.append(event)
        size += len(event)
    if part:
        yield part
