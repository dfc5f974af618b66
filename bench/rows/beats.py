"""The heartbeat stream: one beat in a message, and many."""

from __future__ import annotations

from bench.model import Goal, Result
from bench.rows.row import Row, absolute, compared
from bench.stage import Load, Side, Stage
from bench.streams import BeatLoad

STREAMS = 50
CONNECTIONS = 4
BATCHES = 8
BATCH = 1000


def _beats(stage: Stage, result: Result) -> None:
    hellos = stage.hellos("beating", STREAMS, 1)

    def load(side: Side, number: int) -> Load:
        return BeatLoad(side.grpc, hellos, CONNECTIONS, stage.options.window)

    before = _settled(stage)
    compared(result, stage.alternate(load), " beats/s")
    _no_revision(stage, result, before)


def _batched(stage: Stage, result: Result) -> None:
    hellos = stage.hellos("batched", BATCHES, BATCH)

    def load(side: Side, number: int) -> Load:
        return BeatLoad(side.grpc, hellos, CONNECTIONS, stage.options.window, batch=BATCH)

    before = _settled(stage)
    samples = stage.repeat(load)
    absolute(result, samples, " beats/s")
    used = samples[-1].cpu_us
    result.notes.append(
        f"{BATCHES} streams, {BATCH:,} handles in a message; CPU µs a beat: server {used.get('server', 0.0):.2f}, "
        f"database {used.get('database', 0.0):.2f}"
    )
    _no_revision(stage, result, before)


def _settled(stage: Stage) -> float:
    return stage.tekton.metrics()["tekton_journal_revision"]


def _no_revision(stage: Stage, result: Result, before: float) -> None:
    written = _settled(stage) - before
    result.details["revisions"] = written
    result.notes.append(f"{written:.0f} revisions were written for the beats")


ROWS = (
    Row("beats", f"beats, one a message, {STREAMS} streams", Goal(0.70, "of bare"), _beats),
    Row("batched", "beats, batched", Goal(500_000, "beats/s"), _batched, alone=True),
)
