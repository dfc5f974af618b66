"""Fan-out: one shared ring of commits, a cursor per watcher, and nobody waits for anybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from tekton.core.errors import CompactedError, SlowWatcherError
from tekton.core.ids import Token, lookup_key
from tekton.core.view import CommandChange, Commit, Definition, DefinitionChange, Instance, InstanceChange, View
from tekton_server.live.audience import Audience, Member

RING = 10_000
RING_BYTES = 64 * 1024 * 1024
# What a change weighs in memory without its metadata, roughly.
_CHANGE_BYTES = 1024
_CHUNK = 256

ReadAfter = Callable[[int], Awaitable[list[Commit]]]


class Folded(msgspec.Struct, frozen=True, gc=False):
    """A commit with what a filter needs to judge it: the definitions it touches as of its revision, and the instances
    of components whose type or capabilities it changed, since those may enter a filter.
    """

    commit: Commit
    definitions: Mapping[str, Definition]
    entering: Mapping[str, tuple[Instance, ...]]


class Hub:
    """The ring. `read_after` reads older commits from the store for watchers that resume from before the ring."""

    def __init__(self, view: View, read_after: ReadAfter, *, size: int = RING) -> None:
        self._view = view
        self.revision = view.revision
        self._first = view.revision + 1
        self._ring: dict[int, Folded] = {}
        self._size = size
        self._bytes = 0
        # Where commits are missing that were never here: nobody gets over this by reading on.
        self._jumped = 0
        self._read_after = read_after
        self._audience: Audience[Watcher] = Audience()

    @property
    def watchers(self) -> int:
        """How many watchers there are."""
        return len(self._audience)

    def publish(self, commit: Commit) -> None:
        """Add a commit. Call it while the view stands exactly at the commit's revision."""
        self._ring[commit.revision] = fold_facts(self._view, commit)
        self.revision = commit.revision
        self._bytes += weight(commit)
        while len(self._ring) > self._size or (self._bytes > RING_BYTES and len(self._ring) > 1):
            self._bytes -= weight(self._ring.pop(self._first).commit)
            self._first += 1

    def jump(self, revision: int) -> None:
        """Go on at a revision without what comes before it; whoever watches begins anew."""
        self._ring.clear()
        self._bytes = 0
        self.revision = self._jumped = revision
        self._first = revision + 1

    def wake(self) -> None:
        """Wake the watchers."""
        self._audience.wake()

    def close(self) -> None:
        """End every watch."""
        self._audience.close()

    def watch(self, after: int | None = None, *, filtered: bool = False) -> Watcher:
        """Start a watch after a revision; None: from now on. Use it as a context manager.

        A `filtered` watch never gets commits from the store: those come without what a filter needs to judge them.
        """
        start = self.revision if after is None else after
        return Watcher(self, self._audience, start, from_store=after is not None and not filtered)

    def at(self, token: Token) -> int:
        """Give the revision a resume token stands for.

        Raises:
            CompactedError: the token is of another history, or of a revision that was never reached.
        """
        if token.history_id != self._view.history_id or token.revision > self.revision:
            raise CompactedError("this resume token is of another history; take a new snapshot")
        return token.revision


class Watcher(Member):
    """One watch: a cursor into the ring."""

    def __init__(self, hub: Hub, audience: Audience[Watcher], revision: int, *, from_store: bool) -> None:
        super().__init__(audience)
        self._hub = hub
        self._catching_up = from_store
        self.revision = revision

    @property
    def before_ring(self) -> bool:
        """Whether what comes next is no longer in the ring, so that filters cannot judge it."""
        return self.revision + 1 < self._hub._first

    async def next(self, until: float) -> list[Folded]:
        """Wait for commits, until so many monotonic seconds, and give those that are pending, bounded; none at the end.

        Raises:
            SlowWatcherError: the watcher fell out of the ring; the error says where to resume.
            CompactedError: what comes next is no longer in the journal.
        """
        hub = self._hub
        if self.revision >= hub.revision and not self.ended:
            self._catching_up = False
            await self.wait(until)
        if self.revision + 1 < hub._first:
            commits = await self._from_store()
        else:
            last = min(hub.revision, self.revision + _CHUNK)
            commits = [hub._ring[revision] for revision in range(self.revision + 1, last + 1)]
        if commits:
            self.revision = commits[-1].commit.revision
        return commits

    async def _from_store(self) -> list[Folded]:
        if self.revision < self._hub._jumped:
            raise CompactedError("the history after this revision was never here; take a new snapshot")
        if not self._catching_up:
            token = str(Token(self._hub._view.history_id, self.revision))
            raise SlowWatcherError(
                "this watcher fell too far behind; resume after the token", details={"resume_token": token}
            )
        commits = await self._hub._read_after(self.revision)
        if commits and commits[0].revision != self.revision + 1:
            raise CompactedError("the history after this token is gone; take a new snapshot")
        return [Folded(commit, {}, {}) for commit in commits]


def weight(commit: Commit) -> int:
    """Estimate what a commit holds in memory, in bytes; only metadata and arguments have no small limit."""
    held = 0
    # One post gives the same arguments to many instances.
    counted: set[int] = set()
    for change in commit.changes:
        held += _CHANGE_BYTES
        if isinstance(change, DefinitionChange) and change.new is not None and change.new.metadata:
            # Parsed, a value takes some ten times the bytes of its JSON.
            held += 10 * len(msgspec.json.encode(change.new.metadata))
        elif isinstance(change, CommandChange) and change.new is not None and id(change.new.arguments) not in counted:
            counted.add(id(change.new.arguments))
            held += 10 * len(msgspec.json.encode(change.new.arguments))
    return held


def fold_facts(view: View, commit: Commit) -> Folded:
    """Gather what filters need, from a view that stands at the commit's revision."""
    definitions: dict[str, Definition] = {}
    entering: dict[str, tuple[Instance, ...]] = {}
    for change in commit.changes:
        if not isinstance(change, DefinitionChange | InstanceChange):
            continue
        if isinstance(change, DefinitionChange):
            key = lookup_key(change.key)
            old, new = change.old, change.new
            if old and new and (old.component_type, old.capabilities) != (new.component_type, new.capabilities):
                entering[key] = tuple(view.instances_of(change.key))
        else:
            key = lookup_key(change.component_id)
        definition = view.definition(key) or (change.old if isinstance(change, DefinitionChange) else None)
        if definition is not None:
            definitions[key] = definition
    return Folded(commit, definitions, entering)
