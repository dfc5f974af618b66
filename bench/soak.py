"""A soak: all kinds of load together at a tenth of the measured peak, for long, and what becomes of the memory."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from bench.bodies import Body, Constant, Turns
from bench.http1 import RestLoad
from bench.load import Target, Window
from bench.model import Figures, Json
from bench.stage import SUBJECT, Load, Options, Stage, stage
from bench.streams import BeatLoad
from bench.unary import UnaryLoad
from tekton.v1 import registry_service_pb2 as registry_pb

SHARE = 0.1
CALLERS = 8
STREAMS = 20
MEASURED = Options(rounds=1, seconds=2.0, warm_up=0.5)
# Caches fill at first, and that is no leak.
SETTLING = 0.2
# Growth that would not reach this share of the size in a day is called flat, as is one that may as well be none.
DAILY = 0.05
SHORTEST = 600.0
FILLED = 12_000
LONGEST_FILLING = 60.0
_SAMPLES = 600
_BLOCKS = 20
_DAY = 86_400.0
_TOO_SHORT = f"too short to judge, under {SHORTEST / 60:.0f} minutes much still settles"


@dataclass(frozen=True)
class Together:
    """Several loads at once; the sum of what they counted."""

    loads: tuple[Load, ...]

    async def go(self) -> Figures:
        """Load, on this event loop."""
        found = await asyncio.gather(*(load.go() for load in self.loads))
        total, failures = sum(one.total for one in found), sum(one.failures for one in found)
        longest = max(one.max_ms for one in found)
        calls = sum(one.calls for one in found)
        p50, p99 = max(one.p50_ms for one in found), max(one.p99_ms for one in found)
        return Figures(calls, found[0].seconds, total, failures, p50, p99, longest)


@dataclass(frozen=True)
class Trend:
    """A straight line through what was sampled, in bytes a second, and how sure it is (95 %)."""

    mean: float
    slope: float
    error: float

    @classmethod
    def of(cls, times: Sequence[float], values: Sequence[float]) -> Trend:
        """Fit the line by least squares, through the means of blocks: memory moves in steps, and neighbours agree."""
        size = -(-len(times) // min(_BLOCKS, len(times)))
        parts = range(0, len(times), size)
        times = [statistics.fmean(times[at : at + size]) for at in parts]
        values = [statistics.fmean(values[at : at + size]) for at in parts]
        mean_time, mean = statistics.fmean(times), statistics.fmean(values)
        spread = sum((one - mean_time) ** 2 for one in times)
        slope = sum((t - mean_time) * (v - mean) for t, v in zip(times, values, strict=True)) / spread
        rest = sum((v - mean - slope * (t - mean_time)) ** 2 for t, v in zip(times, values, strict=True))
        return cls(mean, slope, 1.96 * math.sqrt(rest / max(len(times) - 2, 1) / spread))

    @property
    def flat(self) -> bool:
        """Whether it does not grow, as far as this can tell."""
        return self.slope - self.error <= 0 or self.slope * _DAY < DAILY * self.mean

    def __str__(self) -> str:
        mib = 2**20 / 3600
        return f"{self.mean / 2**20:7.1f} MiB, {self.slope / mib:+.2f} ± {self.error / mib:.2f} MiB an hour"


def soak(console: Console, seconds: float) -> Json:
    """Soak a control plane, print how its memory went, and give it as JSON."""
    with stage(MEASURED) as set_up:
        loads = _loads(set_up, Window(0.0, seconds))
        told = ", ".join(f"{name} {rate:,.0f}/s" for name, (_, rate) in loads.items())
        console.print(f"A tenth of the peak, shared by {told}; for {seconds:,.0f} s", highlight=False)
        running = set_up.begin(Together(tuple(load for load, _ in loads.values())))
        began = time.monotonic()
        times: list[float] = []
        sizes: dict[str, list[float]] = {}
        while not running.done():
            times.append(time.monotonic() - began)
            for part, size in set_up.tekton.memory().items():
                sizes.setdefault(part, []).append(float(size))
            time.sleep(max(0.1, seconds / _SAMPLES))
        figures = running.result()
    return _judged(console, figures, times, sizes)


def _judged(console: Console, figures: Figures, times: list[float], sizes: dict[str, list[float]]) -> Json:
    first = int(len(times) * SETTLING)
    document: Json = {"calls": figures.total, "failures": figures.failures, "seconds": times[-1], "parts": {}}
    console.print(f"{figures.total:,} calls, {figures.failures} failures, the longest took {figures.max_ms:.0f} ms")
    long_enough = times[-1] >= SHORTEST
    for part, values in sizes.items():
        trend = Trend.of(times[first:], values[first:])
        verdict = "flat" if trend.flat else "[red]grows[/]" if long_enough else _TOO_SHORT
        console.print(f"{part:9} {trend}: {verdict}", highlight=False)
        document["parts"][part] = {
            "mean_bytes": trend.mean,
            "bytes_per_second": trend.slope,
            "error_95": trend.error,
            "flat": trend.flat if trend.flat or long_enough else None,
            "samples": [[round(t, 1), v] for t, v in zip(times, values, strict=True)],
        }
    return document


def _loads(set_up: Stage, window: Window) -> dict[str, tuple[Load, float]]:
    """Measure the peak of each kind alone, and give each its part of a tenth."""
    side, hellos = set_up.tekton, set_up.hellos("soaked", STREAMS, 1)
    patch = registry_pb.UpdateComponentRequest(component_id=SUBJECT)
    bodies = []
    for text in ("one", "two"):
        patch.patch.update({"component_name": text})
        bodies.append(patch.SerializeToString())
    read = Constant(registry_pb.GetComponentRequest(component_id=SUBJECT).SerializeToString())
    kinds: dict[str, UnaryLoad | RestLoad | BeatLoad] = {
        "reads": _unary(side.grpc, "GetComponent", read),
        "REST reads": RestLoad(side.rest, f"/api/tekton/components/{SUBJECT}", CALLERS, MEASURED.window),
        "beats": BeatLoad(side.grpc, hellos, 2, MEASURED.window),
        "updates": _unary(side.grpc, "UpdateComponent", Turns(tuple(bodies))),
    }
    found: dict[str, tuple[Load, float]] = {}
    for name, load in kinds.items():
        peak = set_up.sample(side, load).figures.rate
        if name == "updates":
            # Buffers with a bound, such as that of the commits watchers resume from, are full before it begins.
            filling = replace(load, window=Window(0.0, min(FILLED / peak, LONGEST_FILLING)))
            set_up.sample(side, filling)
        rate = peak * SHARE / len(kinds)
        callers = STREAMS if isinstance(load, BeatLoad) else CALLERS
        found[name] = (replace(load, window=window, period=callers / rate), rate)
    return found


def _unary(target: Target, method: str, body: Body) -> UnaryLoad:
    return UnaryLoad(target, f"/tekton.v1.RegistryService/{method}", body, CALLERS, 2, MEASURED.window)
