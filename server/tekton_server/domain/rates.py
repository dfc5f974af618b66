"""Rates: a bucket of tokens, and a turnstile that has those who come too fast wait, or sends them away for a while.

Neither reads a clock: times are monotonic seconds, and never go back.
"""

from __future__ import annotations


class Bucket:
    """Tokens that come at a rate, and of which only `depth` seconds' worth are kept."""

    def __init__(self, depth: float) -> None:
        self._depth = depth
        self._tokens = 0.0
        self._at: float | None = None

    def take(self, now: float, rate: float, most: int) -> int:
        """Take as many whole tokens as there are, `most` at most."""
        since = self._depth if self._at is None else now - self._at
        self._at = now
        # One whole token is always let grow, or a slow rate would never give any.
        self._tokens = min(self._tokens + since * rate, max(1.0, self._depth * rate))
        taken = min(int(self._tokens), most)
        self._tokens -= taken
        return taken


class Turnstile:
    """Lets `rate` a second in, `burst` of them at once; has others wait up to `patience` seconds, and refuses the rest.

    Source: the generic cell rate algorithm, ITU-T I.371: one number, the time at which the bucket would be full again.
    """

    def __init__(self, rate: float, burst: int, patience: float) -> None:
        self._each = 1.0 / rate
        self._burst = burst * self._each
        self._patience = patience
        self._full_at = 0.0
        self._refused_until = 0.0

    def wait(self, now: float) -> float | None:
        """Give how long the next one waits for its turn; None: it is refused."""
        full_at = max(self._full_at, now)
        wait = max(0.0, full_at + self._each - self._burst - now)
        if wait > self._patience:
            return None
        self._full_at = full_at + self._each
        return wait

    def come_back(self, now: float) -> float:
        """Give after how many seconds one that was refused shall try again: each later than the one before."""
        self._refused_until = max(self._refused_until, now + self._patience) + self._each
        return self._refused_until - now
