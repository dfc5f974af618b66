"""What a row is, and how its figures are told."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from bench.model import Goal, Result, Sample, Spread
from bench.stage import Rounds, Stage

_LIMIT = 0.9
_QUIET = 0.1


@dataclass(frozen=True)
class Row:
    """One line of the table.

    A heavy one is only played when asked for; one without `play` is not there yet; one that leaves much behind, or
    that anything beside it disturbs, is played alone on a stage of its own.
    """

    name: str
    title: str
    goal: Goal | None
    play: Callable[[Stage, Result], None] | None
    heavy: bool = False
    alone: bool = False


def compared(result: Result, rounds: Rounds, unit: str = "/s") -> None:
    """Tell the ratio of two sides."""
    result.value = rounds.ratio
    result.by_cpu = round(cpu(rounds.bare, "server") / max(cpu(rounds.tekton, "server"), 1e-9), 2)
    result.bare, result.tekton = rate(rounds.bare, unit), rate(rounds.tekton, unit)
    result.details |= {"bare": _plain(rounds.bare), "tekton": _plain(rounds.tekton)}
    result.notes.append(_cpu(rounds))
    _warn(result, rounds.bare + rounds.tekton)
    result.notes.append(f"p50/p99 {_latency(rounds.tekton)} ms (bare {_latency(rounds.bare)})")


def absolute(result: Result, samples: Sequence[Sample], unit: str = "/s", *, client: bool = False) -> None:
    """Tell the rate of Tekton alone; of a client, it is the load's own process that is measured."""
    result.value = Spread.of([sample.figures.rate for sample in samples])
    result.tekton = rate(samples, unit)
    result.details |= {"tekton": _plain(samples)}
    _warn(result, samples, client=client)


def _warn(result: Result, samples: Sequence[Sample], *, client: bool = False) -> None:
    """Say what spoils the figures."""
    if not client and max(sample.figures.generator for sample in samples) > _LIMIT:
        result.notes.append("the load generator was at its limit: the server may do more")
    if (others := statistics.median(sample.others for sample in samples)) > _QUIET:
        result.notes.append(f"[yellow]others took {others:.0%} of the machine meanwhile: trust the CPU time more[/]")


def rate(samples: Sequence[Sample], unit: str) -> str:
    """Give the middle rate of some rounds."""
    return f"{statistics.median(sample.figures.rate for sample in samples):,.0f}{unit}"


def cpu(samples: Sequence[Sample], part: str) -> float:
    """Give the middle CPU time of a call in a part, in microseconds."""
    return statistics.median(sample.cpu_us.get(part, 0.0) for sample in samples)


def _cpu(rounds: Rounds) -> str:
    parts = [part for part in ("server", "gateway", "database") if cpu(rounds.tekton, part) >= 0.5]
    told = (f"{part} {cpu(rounds.tekton, part):.0f} (bare {cpu(rounds.bare, part):.0f})" for part in parts)
    return f"CPU µs a call: {', '.join(told)}"


def _latency(samples: Sequence[Sample]) -> str:
    p50 = statistics.median(sample.figures.p50_ms for sample in samples)
    p99 = statistics.median(sample.figures.p99_ms for sample in samples)
    return f"{p50:.1f}/{p99:.1f}"


def _plain(samples: Sequence[Sample]) -> list[dict[str, object]]:
    return [asdict(sample) | {"rate": round(sample.figures.rate, 1)} for sample in samples]
