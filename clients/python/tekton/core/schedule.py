"""Who begins next: each as soon as all that it waits for is done, so many at once, and nobody behind a failure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from heapq import heapify, heappop, heappush


class Outcome(StrEnum):
    """How one ended; each has exactly one end."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Schedule:
    """A state machine over components: it is told what became of each, and tells which begin.

    outcomes: how those ended that have, in the order in which they did.
    via: for each that is skipped the one that it waits for and that failed or is skipped itself; itself where it was
        taken back.
    """

    def __init__(
        self, waits_for: Mapping[str, Sequence[str]], *, at_once: int, free: Collection[str] = frozenset()
    ) -> None:
        """Take what each waits for; of those that could begin, the first of the mapping goes first.

        What is no key is done already. `at_once` is how many may be under way; those that are `free` do not count and
        begin at once, since nothing is done for them but to wait.

        Raises:
            ValueError: some wait for each other, so that they would never end.
        """
        self.outcomes: dict[str, Outcome] = {}
        self.via: dict[str, str] = {}
        self._rank = {name: rank for rank, name in enumerate(waits_for)}
        self._names = list(waits_for)
        self._open = {name: {one for one in some if one in self._rank} for name, some in waits_for.items()}
        self._held_up: dict[str, list[str]] = {name: [] for name in self._names}
        for name, some in self._open.items():
            for one in some:
                self._held_up[one].append(name)
        self._refuse_cycles()
        self._free = frozenset(free) & waits_for.keys()
        self._at_once = at_once
        self._under_way: set[str] = set()
        self._taken = 0
        # Those that are free first, whatever they wait for.
        self._freed = [name for name in self._names if name in self._free]
        self._can = [self._rank[name] for name, some in self._open.items() if not some and name not in self._free]
        heapify(self._can)

    def _refuse_cycles(self) -> None:
        counts = {name: len(some) for name, some in self._open.items()}
        clear = [name for name, count in counts.items() if not count]
        for name in clear:
            for other in self._held_up[name]:
                counts[other] -= 1
                if not counts[other]:
                    clear.append(other)
        if len(clear) < len(counts):
            raise ValueError(f"{sorted(counts.keys() - set(clear))} wait for each other")

    @property
    def over(self) -> bool:
        """Whether all have ended."""
        return len(self.outcomes) == len(self._names)

    @property
    def under_way(self) -> frozenset[str]:
        """Those that have begun and not ended."""
        return frozenset(self._under_way)

    def begin(self) -> list[str]:
        """Give those that begin now; from here on they are under way."""
        begun = [name for name in self._freed if name not in self.outcomes]
        self._freed = []
        while self._can and self._taken < self._at_once:
            name = self._names[heappop(self._can)]
            if name not in self.outcomes:
                self._taken += 1
                begun.append(name)
        self._under_way.update(begun)
        return begun

    def done(self, name: str) -> None:
        """Tell that one is done: those that waited for nothing else can begin.

        Raises:
            ValueError: it is not under way.
        """
        self._end(name, Outcome.DONE)
        for other in self._held_up[name]:
            self._open[other].discard(name)
            if not self._open[other] and other not in self.outcomes and other not in self._free:
                heappush(self._can, self._rank[other])

    def fail(self, name: str) -> list[str]:
        """Tell that one failed; give those that are skipped for it, the nearest first.

        Raises:
            ValueError: it is not under way.
        """
        self._end(name, Outcome.FAILED)
        return self._skip_behind([name])

    def take_back(self, names: Iterable[str]) -> list[str]:
        """Skip those that have not begun, and all that wait for them; give everything that is skipped now."""
        found = [name for name in names if name in self._rank and self._waits(name)]
        for name in found:
            self.via[name] = name
            self.outcomes[name] = Outcome.SKIPPED
        return [*found, *self._skip_behind(found)]

    def chain(self, name: str) -> tuple[str, ...]:
        """Give the way from one that is skipped down to the root: the one that failed, or was taken back."""
        way = [name]
        while (following := self.via.get(way[-1], way[-1])) != way[-1]:
            way.append(following)
        return tuple(way)

    def _waits(self, name: str) -> bool:
        return name not in self.outcomes and name not in self._under_way

    def _end(self, name: str, outcome: Outcome) -> None:
        if name not in self._under_way:
            raise ValueError(f"{name} is not under way")
        self._under_way.remove(name)
        self._taken -= name not in self._free
        self.outcomes[name] = outcome

    def _skip_behind(self, roots: Sequence[str]) -> list[str]:
        skipped: list[str] = []
        level = list(roots)
        for name in level:
            for other in self._held_up[name]:
                # Who is free waits for nobody, and ends by itself.
                if self._waits(other) and other not in self._free:
                    self.via[other] = name
                    self.outcomes[other] = Outcome.SKIPPED
                    skipped.append(other)
                    level.append(other)
        return skipped
