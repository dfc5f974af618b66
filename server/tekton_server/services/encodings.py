"""What commits look like on the wire: made once for each revision and filter, and shared by all that watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tekton_server.live.fanout import Folded
from tekton_server.services.selector import Selector

# Watchers that keep up ask for the newest commits, so that little is enough.
MOST_COMMITS = 4096
MOST_BYTES = 8 * 1024 * 1024

Encode = Callable[[Folded, Selector], Iterable[bytes]]


class Encodings:
    """The events of a commit that pass a filter, encoded; the oldest are forgotten first."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._known: dict[tuple[int, Selector], Sequence[bytes]] = {}
        self._bytes = 0

    def of(self, folded: Folded, selector: Selector) -> Sequence[bytes]:
        """Give the events of a commit for a filter; none when nothing passes it."""
        key = (folded.commit.revision, selector)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = tuple(self._encode(folded, selector))
            self._bytes += sum(map(len, known))
            while len(self._known) > MOST_COMMITS or (self._bytes > MOST_BYTES and len(self._known) > 1):
                self._bytes -= sum(map(len, self._known.pop(next(iter(self._known)))))
        return known
