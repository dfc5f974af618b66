"""Who beats with which message: each lease that has news for itself, the others together."""

from __future__ import annotations

from collections.abc import Callable

from tekton._heart_stream import HeartStream
from tekton._lease import KeptLease
from tekton._loop_lag import LoopLags

# Beats that are due within this share of the interval go along with one that is due, so that thousands of leases take
# about ten messages an interval, and not all of them one.
_TOGETHER = 0.1

# Does something for one lease, so that a fault in it is that lease's.
Alone = Callable[..., None]


def look(lags: LoopLags, leases: list[KeptLease], now: float) -> None:
    """Measure the loops whose lag the beats of these leases tell."""
    told = [lease for lease in leases if lease.loop is not None]
    interval = min((lease.interval for lease in told), default=0.0)
    lags.look((lease.loop for lease in told if lease.loop), interval, now)


def beat(stream: HeartStream, held: list[KeptLease], now: float, alone: Alone) -> None:
    """Beat for what is due of the leases that are held."""
    quiet: list[KeptLease] = []
    for lease in held:
        if lease.due <= now:
            alone(lease, _say, stream, lease, now, quiet)
    if quiet:
        for lease in held:
            if now < lease.due <= now + _TOGETHER * lease.interval:
                alone(lease, _join, lease, now, quiet)
    if len(quiet) == 1:
        # As short as a batch of one, and its acknowledgement says more.
        alone(quiet[0], stream.beat, quiet[0], now)
    elif quiet:
        stream.beat_batch(quiet, now)


def _say(stream: HeartStream, lease: KeptLease, now: float, quiet: list[KeptLease]) -> None:
    if lease.has_news(now):
        stream.beat(lease, now)
    else:
        quiet.append(lease)


def _join(lease: KeptLease, now: float, quiet: list[KeptLease]) -> None:
    if not lease.has_news(now):
        quiet.append(lease)
