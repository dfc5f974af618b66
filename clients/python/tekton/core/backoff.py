"""How long to wait before the next try: exponential with full jitter, bounded.

Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (the full-jitter variant).
"""

from __future__ import annotations

import random


def full_jitter(attempt: int, *, base: float = 0.1, ceiling: float = 10.0) -> float:
    """Give the seconds to wait before retry number `attempt`, from 0: uniform in (0, min(ceiling, base·2ⁿ)]."""
    bound: float = min(ceiling, base * 2 ** min(attempt, 32))
    return bound * (1.0 - random.random())
