"""How a watch goes, however it is rendered: it begins with what there is, follows the commits, and tells of quiet."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import NamedTuple

from tekton.core.errors import CompactedError, SlowWatcherError, ValidationError
from tekton.core.ids import Token
from tekton.core.view import RegistryChange
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import changes
from tekton_server.services.encodings import Encodings
from tekton_server.services.selector import Selector

# A watcher that has had nothing for this long gets a bookmark, however busy the registry is.
BOOKMARK_AFTER = 15.0


class Began(NamedTuple):
    """The watch begins, anew (`reset`: once more, since something was missed), with every record as of the revision."""

    revision: int
    records: Sequence[RegistryChange]
    reset: bool


class Committed(NamedTuple):
    """Commits that the filter lets something of through, as the messages that are sent."""

    messages: Sequence[bytes]


class Quiet(NamedTuple):
    """Nothing passed the filter for a while; the watcher knows everything up to the revision."""

    revision: int


Step = Began | Committed | Quiet


def follow(
    live: LiveRegistry,
    selector: Selector,
    token: str,
    encodings: Encodings,
    *,
    snapshot: bool = False,
    unbroken: bool = False,
) -> AsyncIterator[Step]:
    """Follow the registry after a resume token, or anew where there is none.

    `snapshot`: a watch that begins anew gets every record first. `unbroken`: its client dies on errors, so that falling
    behind is one more beginning.

    Raises:
        ValidationError: the token is not one of ours. Raised at once, before the stream begins.
        SlowWatcherError: the watcher fell behind, where that is an error.
    """
    revision, reset = None, False
    if token:
        parsed = Token.parse(token)
        if parsed is None:
            raise ValidationError.of("after_revision", "must be a resume token from an earlier message", "format")
        try:
            revision = live.hub.at(parsed)
        except CompactedError:
            reset = True
    return _Follower(live, selector, encodings, snapshot, unbroken).steps(revision, reset=reset)


async def rendered(
    steps: AsyncIterator[Step], began: Callable[[Began], Iterable[bytes]], quiet: Callable[[int], bytes]
) -> AsyncIterator[bytes]:
    """Give the steps of a watch as what is sent: commits are made already, the rest by whoever knows how it looks."""
    async for step in steps:
        if isinstance(step, Began):
            for message in began(step):
                yield message
        elif isinstance(step, Committed):
            for message in step.messages:
                yield message
        else:
            yield quiet(step.revision)


class _Follower:
    def __init__(
        self, live: LiveRegistry, selector: Selector, encodings: Encodings, snapshot: bool, unbroken: bool
    ) -> None:
        self._live = live
        self._selector = selector
        self._encodings = encodings
        self._snapshot = snapshot
        self._unbroken = unbroken
        self._heard_at = time.monotonic()

    async def steps(self, revision: int | None, *, reset: bool) -> AsyncIterator[Step]:
        while True:
            try:
                async for step in self._from(revision, reset):
                    yield step
                return
            except SlowWatcherError:
                if not self._unbroken:
                    raise
            except CompactedError:
                pass  # what is missing cannot be told any more, so the watch begins anew
            revision, reset = None, True

    async def _from(self, revision: int | None, reset: bool) -> AsyncIterator[Step]:
        live, selector = self._live, self._selector
        with live.hub.watch(revision, filtered=not selector.all) as watcher:
            if watcher.before_ring and not selector.all:
                # A filter cannot be judged on commits from before the ring; a fresh snapshot can.
                raise CompactedError("a filtered watch cannot resume from so far back")
            if revision is None:
                # The records are frozen: holding them is holding the registry as of now, however slowly it is read.
                records = list(changes.present(live.view, selector)) if self._snapshot else []
                yield Began(watcher.revision, records, reset)
            self._heard_at = time.monotonic()
            while not watcher.ended:
                commits = await watcher.next(self._heard_at + BOOKMARK_AFTER)
                messages = self._encodings.messages(commits, selector) if commits else ()
                if messages:
                    self._heard_at = time.monotonic()
                    yield Committed(messages)
                elif time.monotonic() >= self._heard_at + BOOKMARK_AFTER and not watcher.ended:
                    self._heard_at = time.monotonic()
                    yield Quiet(watcher.revision)
