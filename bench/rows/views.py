"""Seeing the registry: the look-up in the SDK, and the way from a commit to its watchers."""

from __future__ import annotations

import statistics
from dataclasses import asdict, replace

from bench.finding import FindLoad
from bench.model import Goal, Result, Spread
from bench.rows.row import Row, absolute, rate
from bench.stage import SUBJECT, Load, Side, Stage
from bench.watching import WatchLoad

FOUND = 50
WATCHERS = 1000
PER_SECOND = 20
# A few commits say nothing of a ninety-ninth percentile.
_LEAST_SECONDS = 1.0


def _find(stage: Stage, result: Result) -> None:
    ids = (SUBJECT, *(f"found-{number}" for number in range(FOUND)))
    for component_id in ids[1:]:
        stage.register(component_id)
    window = stage.options.window
    samples = stage.repeat(lambda side, _: FindLoad(side.rest, ids, window))
    absolute(result, samples, client=True)
    result.bare = rate([stage.sample(stage.bare, FindLoad(None, ids, window))], "/s")
    result.notes.append("bare: a coroutine that looks a dictionary up")


def _watch(stage: Stage, result: Result) -> None:
    window = replace(stage.options.window, seconds=max(stage.options.seconds, _LEAST_SECONDS))

    def load(side: Side, number: int) -> Load:
        return WatchLoad(side.grpc, WATCHERS, PER_SECOND, number, window)

    rounds = stage.alternate(load)
    result.value = Spread.of([sample.figures.p99_ms for sample in rounds.tekton])
    for side, samples in (("tekton", rounds.tekton), ("bare", rounds.bare)):
        p50, p99 = (statistics.median(getattr(one.figures, name) for one in samples) for name in ("p50_ms", "p99_ms"))
        setattr(result, side, f"{p50:.1f}/{p99:.1f} ms")
        result.details[side] = [asdict(sample) for sample in samples]
    result.notes.append(
        f"p50/p99 of {WATCHERS:,} watchers at {PER_SECOND} commits/s, from sending the registration: the commit itself "
        "is in it; bare: a fan-out of bytes without a commit"
    )


ROWS = (
    Row("find", "find_component in the SDK, warm", Goal(500_000, "/s"), _find),
    Row("watch", f"commit to {WATCHERS:,} watchers, p99", Goal(100, "ms", at_most=True), _watch, alone=True),
)
