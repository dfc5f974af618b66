"""How often to beat: the interval grows in steps with the number of leases, so that beats have a ceiling."""

from __future__ import annotations

import math

# Each step is a quarter longer than the one before. Whoever still beats by the next longer one is far from its timeout.
STEP = 1.25


def stretched(step: int) -> float:
    """Give how much longer than configured the terms of a step are."""
    return float(STEP**step)


def next_step(step: int, leases: int, interval: float, ceiling: float) -> int:
    """Give the step that so many leases want, each of which beats once an interval, for `ceiling` beats a second.

    Upwards as far as it takes; downwards one step, and not before the one below would have a step to spare: terms do
    not wobble when a few leases come and go.
    """
    needed = leases / (interval * ceiling)
    if needed > stretched(step):
        # The last term takes what rounding of the logarithm may have added.
        return max(step + 1, math.ceil(math.log(needed, STEP) - 1e-9))
    return step - 1 if step and needed <= stretched(step - 2) else step
