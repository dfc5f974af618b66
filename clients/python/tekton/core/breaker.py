"""Circuit breakers: a small adapter around interlock-cb, whose half-open state admits exactly the set number of calls.

A breaker is closed; it opens when too much fails, refuses everything for a while, and then tries a few calls. What is
admitted is a permit that is settled once, from wherever its outcome becomes known. Nothing here waits.

Used of the library is its public context manager alone: it keeps what it admitted in a context variable, so that a
permit enters and leaves in a context of its own.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from interlock import CircuitBreaker, CircuitOpenError, Config, CoreEventListener, State, WindowType

Clock = Callable[[], float]


class BreakerState(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


_STATES = {State.CLOSED: BreakerState.CLOSED, State.OPEN: BreakerState.OPEN, State.HALF_OPEN: BreakerState.HALF_OPEN}


class Rate(NamedTuple):
    """Open when at least `share` of the calls of the last `window` seconds failed, and there were at least `least`."""

    share: float
    least: int
    window: float


class BreakerOpenError(Exception):
    """The breaker admits nothing now. `retry_after` is when it may, in seconds; None where that depends on others."""

    def __init__(self, name: str, retry_after: float | None) -> None:
        super().__init__(f"the circuit breaker of {name} is open")
        self.name = name
        self.retry_after = retry_after


class _Failure(Exception):
    """Stands for a failure, whatever it was: the library wants an exception."""


class _Abandoned(BaseException):
    """Stands for a call that was broken off: the library takes none but an Exception for a failure."""


class Breaker:
    """A circuit breaker. `opens` is a number of failures in a row, or a rate.

    `reset_timeout`: how long it is open, in seconds. `half_open_requests`: so many calls are tried then, and it closes
    if none of them fails (with a rate: if the share of those that fail is below it).
    """

    def __init__(
        self,
        name: str,
        opens: int | Rate,
        reset_timeout: float,
        half_open_requests: int,
        clock: Clock = time.monotonic,
    ) -> None:
        self.name = name
        self.reset_timeout = reset_timeout
        self.half_open_requests = half_open_requests
        self.openings = 0
        """How often it has opened."""
        self.opened_at = 0.0
        """When it did so last, by its clock."""
        self.era = 0
        """Which of its times this is, from one change to the next: what was admitted in another says nothing now."""
        # How many calls were admitted in this time; what is abandoned is free again.
        self._tried = 0
        self._clock = clock
        self._in_a_row = _InARow(self, opens) if isinstance(opens, int) else None
        self._breaker = CircuitBreaker(
            name=name,
            config=_config(opens, reset_timeout, half_open_requests),
            clock=_Clock(clock),
            classifier=self._in_a_row,
            listener=_Follower(self._changed),
        )

    @property
    def state(self) -> BreakerState:
        """What it does with calls. It is open until the first call after its time: that one finds it half-open."""
        return _STATES[self._breaker.state]

    @property
    def over(self) -> bool:
        """Whether it is open and its time is over, so that the next call is tried."""
        return self.state is BreakerState.OPEN and self._clock() - self.opened_at >= self.reset_timeout

    @property
    def full(self) -> bool:
        """Whether it is half-open, and as many calls as may have been admitted: the next one is refused."""
        return self.state is BreakerState.HALF_OPEN and self._tried >= self.half_open_requests

    @property
    def succeeded(self) -> bool:
        """Whether a call succeeded within the window of its rate, as long as it is closed."""
        found = self._breaker.snapshot()
        return found.total_calls > found.failed_calls

    def admit(self) -> Permit:
        """Admit one call, which MUST be settled.

        Raises:
            BreakerOpenError: it admits none now.
        """
        permit = Permit(self)
        self._tried += 1
        return permit

    def record(self, *, ok: bool) -> None:
        """Count a call that nobody admitted, while it is closed; otherwise it says nothing."""
        if self.state is not BreakerState.CLOSED:
            return
        permit = self.admit()
        permit.succeed() if ok else permit.fail()

    def close(self) -> None:
        """Close it before its time, and forget what was counted."""
        self._breaker.reset()
        self._forget()

    def _changed(self, new: State) -> None:
        if new is State.OPEN:
            self.openings += 1
            self.opened_at = self._clock()
        self._forget()

    def _forget(self) -> None:
        self.era += 1
        self._tried = 0
        if self._in_a_row is not None:
            self._in_a_row.reset()


class Permit:
    """One admitted call. Only the first word counts, and only while the breaker has not changed since."""

    __slots__ = ("_breaker", "_context", "_era", "_of", "settled")

    def __init__(self, of: Breaker) -> None:
        self._of = of
        self._breaker = breaker = of._breaker
        self._context = contextvars.copy_context()
        try:
            self._context.run(breaker.__enter__)
        except CircuitOpenError as error:
            raise BreakerOpenError(error.breaker_name, error.retry_after) from None
        self._era = of.era
        self.settled = False

    def succeed(self) -> None:
        """It succeeded."""
        self._settle(None)

    def fail(self) -> None:
        """It failed."""
        self._settle(_Failure())

    def abandon(self) -> None:
        """Nobody will ever know: the place is free again, and nothing is learnt."""
        if not self.settled:
            self._settle(_Abandoned())
            # Unless that was the last of its time, which changed the breaker.
            self._of._tried -= self._era == self._of.era

    def _settle(self, error: BaseException | None) -> None:
        if not self.settled:
            self.settled = True
            if self._era != self._of.era:
                # The library drops it too, and yet asks before whether it is a failure: that would count it in a row.
                error = _Abandoned()
            self._context.run(self._breaker.__exit__, type(error) if error else None, error, None)


class _InARow:
    """Tells the library of a failure once there were so many in a row; while it is half-open, of each.

    The library knows rates only: one call that failed is then a rate of one.
    """

    def __init__(self, breaker: Breaker, threshold: int) -> None:
        self._of = breaker
        self._threshold = threshold
        self._count = 0

    def reset(self) -> None:
        self._count = 0

    def is_failure(self, *, result: object, exception: Exception | None) -> bool:
        if exception is None:
            self._count = 0
            return False
        if self._of.state is BreakerState.HALF_OPEN:
            return True
        self._count += 1
        return self._count >= self._threshold


class _Follower(CoreEventListener):
    def __init__(self, changed: Callable[[State], None]) -> None:
        self._changed = changed

    def on_state_change(self, *, name: str, old: State, new: State) -> None:
        self._changed(new)


class _Clock:
    def __init__(self, clock: Clock) -> None:
        self.monotonic = clock


def _config(opens: int | Rate, reset_timeout: float, half_open_requests: int) -> Config:
    wait, probes = reset_timeout, half_open_requests
    if isinstance(opens, Rate):
        return Config(
            failure_rate_threshold=opens.share,
            minimum_number_of_calls=opens.least,
            window_type=WindowType.TIME_BASED,
            window_size=max(1, round(opens.window)),
            wait_duration_in_open=wait,
            permitted_calls_in_half_open=probes,
            max_concurrent_probes=probes,
            slow_call_duration_threshold=float("inf"),
        )
    return Config(
        # Any failure that is told of opens it, and of the tried calls one is enough.
        failure_rate_threshold=1.0 / (probes + 1),
        minimum_number_of_calls=1,
        window_size=1,
        wait_duration_in_open=wait,
        permitted_calls_in_half_open=probes,
        max_concurrent_probes=probes,
        slow_call_duration_threshold=float("inf"),
    )
