"""How long to wait before the next try: exponential with full jitter, bounded; and how to keep many from one moment.

Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (the full-jitter variant).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

# Not the generator of the process: an application may have seeded that, and counts on what it gives next. This one also
# differs in forked children.
_random = random.SystemRandom()


def full_jitter(attempt: int, *, base: float = 0.1, ceiling: float = 10.0) -> float:
    """Give the seconds to wait before retry number `attempt`, from 0: uniform in (0, min(ceiling, base·2ⁿ)]."""
    return drawn(attempt, draw(), base=base, ceiling=ceiling)


def drawn(attempt: int, draw: float, *, base: float, ceiling: float) -> float:
    """Give what `full_jitter` gives for a draw of chance from [0, 1): for who decides and leaves chance to others."""
    bound: float = min(ceiling, base * 2 ** min(attempt, 32))
    return bound * (1.0 - draw)


def draw() -> float:
    """Draw a number from [0, 1)."""
    return _random.random()


def spread(least: float, most: float) -> float:
    """Give seconds to wait that are uniform in [least, most]."""
    return _random.uniform(least, most)


def shuffled(items: Iterable[T]) -> list[T]:
    """Give the items in a random order."""
    mixed = list(items)
    _random.shuffle(mixed)
    return mixed
