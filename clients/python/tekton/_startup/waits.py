"""Who waits for whom while components start, so that no circle of them waits until its time is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from tekton.core.errors import CircularDependencyError
from tekton.core.ids import lookup_key


def circular(component_id: str, cycle: Sequence[str], chain: Sequence[str] = ()) -> CircularDependencyError:
    """Make the error of a start that runs into a cycle, a closed path; `chain` leads from the component to it."""
    way = (*chain[:-1], *cycle)
    sentence = f"{component_id} was not started: {' needs '.join(way)}; take one of these dependencies away"
    return CircularDependencyError(sentence, component_id, details={"cycle": list(cycle), "chain": list(chain)})


class Waits:
    """The waits that are under way; several from one to another are counted."""

    def __init__(self) -> None:
        self._for: dict[str, Counter[str]] = {}

    @contextmanager
    def waiting(self, component_id: str, others: Iterable[str]) -> Iterator[None]:
        """Wait for others inside.

        Raises:
            CircularDependencyError: one of them waits for this one, itself or through others.
        """
        key, keys = lookup_key(component_id), [lookup_key(one) for one in others]
        for other in keys:
            if way := self._way(other, key):
                raise circular(component_id, (key, *way))
        mine = self._for.setdefault(key, Counter())
        mine.update(keys)
        try:
            yield
        finally:
            mine.subtract(keys)
            for other in keys:
                if not mine[other]:
                    del mine[other]

    def _way(self, start: str, end: str) -> tuple[str, ...]:
        """Find a way along the waits; empty where there is none."""
        came: dict[str, str] = {start: ""}
        level = [start]
        for here in level:
            if here == end:
                way = [here]
                while came[way[-1]]:
                    way.append(came[way[-1]])
                return tuple(reversed(way))
            for other in self._for.get(here, ()):
                if other not in came:
                    came[other] = here
                    level.append(other)
        return ()
