"""A timing wheel: items are found by the tick they fall due in, so that a beat costs nothing here.

Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987 (scheme 5, a dictionary for the wheel).
An item is put once; whoever takes it out when it falls due looks whether it really is, and puts it back if not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Items by tick. Times are monotonic seconds."""

    def __init__(self, tick: float, now: float) -> None:
        self._tick = tick
        self._slots: dict[int, list[T]] = {}
        self._next = int(now / tick)

    def put(self, item: T, when: float) -> None:
        """Keep an item until `when`; never for a slot that was already given out."""
        # Rounded up: an item never falls due early, and at most one tick late.
        slot = max(self._next, int(when / self._tick) + 1)
        self._slots.setdefault(slot, []).append(item)

    def due(self, now: float) -> Iterator[T]:
        """Take out everything that falls due by now."""
        last = int(now / self._tick)
        while self._next <= last:
            slot = self._slots.pop(self._next, ())
            self._next += 1
            yield from slot
