"""A hundred thousand live leases: what each takes, how long a start from disk takes, and whether anything stalls."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread

import grpc

from bench.load import Window
from bench.model import Figures, Goal, Result, Spread
from bench.processes import Tekton
from bench.rows.row import Row
from bench.stage import SUBJECT, Side, Stage
from bench.streams import BeatLoad
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton.v1 import system_service_pb2 as system_pb
from tekton.v1.registry_service_pb2_grpc import RegistryServiceStub
from tekton.v1.system_service_pb2_grpc import SystemServiceStub

LEASES = 100_000
STREAMS = 10
BATCH = 1000
# After the restart leases are short, so that a false expiry has time to happen.
SHORT = {"heartbeat_interval": 1, "heartbeat_timeout": 12}
STEADY = 20.0
PROBE_EVERY = 0.005
SETTLE = 3.0
DYING = 10_000
# Long enough to see what is normal before the first of them ends.
DEADLY = {"heartbeat_interval": 4, "heartbeat_timeout": 12}


@dataclass
class _Answers:
    """How long a probing caller waited, and when it was answered."""

    at: list[tuple[float, float]]

    def longest(self, since: float, until: float) -> float:
        """Give the longest wait in milliseconds of those answered in between."""
        return max((seconds for when, seconds in self.at if since <= when < until), default=0.0) * 1000

    def p99(self) -> float:
        """Give the p99 of all waits in milliseconds."""
        ordered = sorted(seconds for _, seconds in self.at)
        return ordered[round((len(ordered) - 1) * 0.99)] * 1000


def _leases(stage: Stage, result: Result) -> None:
    empty = stage.tekton.memory()["server"]
    empty_start = stage.tekton.start_seconds
    began = time.monotonic()
    hellos = stage.hellos("leased", STREAMS, LEASES // STREAMS)
    registered = time.monotonic() - began
    time.sleep(SETTLE)
    grown = stage.tekton.memory()["server"]
    # It would not beat, and expire for good reason.
    stage.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=SUBJECT), timeout=10)
    stage.tekton.stop()
    with Tekton(stage.directory / "tekton", leases=SHORT) as tekton:
        loaded = tekton.memory()["server"]
        before = tekton.metrics()
        _figures(result, LEASES, empty, grown, loaded)
        start = Result("leases-start", f"start from disk with {LEASES:,} leases", Goal(5.0, "s", at_most=True))
        start.value = Spread.of([tekton.start_seconds])
        start.tekton, start.bare = f"{tekton.start_seconds:.1f} s", f"{empty_start:.1f} s"
        start.notes.append("the whole of `tekton up`, until the gateway says ready; bare: with an empty registry")
        pause = _beaten(stage, tekton, hellos)
        after = tekton.metrics()
        streams = tekton.memory()["server"]
    lost = before["tekton_leases"] - after["tekton_leases"]
    written = after["tekton_journal_revision"] - before["tekton_journal_revision"]
    result.details |= {"registered_in_seconds": registered, "false_expiries": lost, "revisions_while_beating": written}
    result.notes.append(
        f"registered in {registered:.0f} s; after {STEADY:.0f} s of beats, one a second each under a timeout of "
        f"{SHORT['heartbeat_timeout']} s: {lost:.0f} false expiries, {written:.0f} revisions; "
        f"{streams / 2**20:.0f} MiB with the streams open"
    )
    result.more = [start, pause]


def _figures(result: Result, count: int, empty: int, grown: int, loaded: int) -> None:
    each, alive = (loaded - empty) / count / 1024, (grown - empty) / count / 1024
    result.value = Spread.of([each])
    result.tekton, result.bare = f"{loaded / 2**20:.0f} MiB", f"{empty / 2**20:.0f} MiB"
    result.details |= {"empty_bytes": empty, "after_registering_bytes": grown, "loaded_bytes": loaded}
    result.notes.append(
        f"of the server process, after a start from disk; {alive:.2f} KiB each in the server that registered them; "
        "bare: with an empty registry"
    )


def _beaten(stage: Stage, tekton: Tekton, hellos: tuple[bytes, ...]) -> Result:
    """Beat for every lease once a second, and ask for something small all the while."""
    load = BeatLoad(tekton.grpc, hellos, STREAMS, Window(0.0, STEADY), batch=BATCH, period=BATCH * STREAMS / LEASES)
    calm = time.monotonic() + SETTLE
    noise = _probe(stage.bare, lambda: time.monotonic() < calm)
    beating: Future[Figures] = stage.begin(load)
    answers = _probe(tekton, lambda: not beating.done())
    figures = beating.result()
    ended = answers.at[-1][0]
    steady = answers.longest(ended - STEADY, ended)
    result = Result("leases-pause", "longest answer to a small read beside them", Goal(100.0, "ms", at_most=True))
    result.value = Spread.of([steady])
    result.tekton, result.bare = f"{steady:.0f} ms", f"{noise.longest(0, ended):.0f} ms"
    result.notes.append(
        f"asked every {PROBE_EVERY * 1000:.0f} ms beside {figures.rate:,.0f} beats/s; "
        f"{answers.longest(0, ended - STEADY):.0f} ms while all of them said hello; bare: the same question at rest"
    )
    return result


def _deaths(stage: Stage, result: Result) -> None:
    """Let leases end at once, none of which ever beats, and ask for something small all the while."""
    for _ in stage.register_many("leased", DYING):
        continue
    stage.registry.DeregisterComponent(registry_pb.DeregisterComponentRequest(component_id=SUBJECT), timeout=10)
    stage.tekton.stop()
    with Tekton(stage.directory / "tekton", leases=DEADLY) as tekton:
        with grpc.insecure_channel(tekton.grpc.authority) as channel:
            # So many that vanish together would be kept, for a while.
            word = system_pb.SetSelfPreservationRequest(mode="off")
            SystemServiceStub(channel).SetSelfPreservation(word, timeout=10)
        calm = time.monotonic() + DEADLY["heartbeat_timeout"] - 4
        normal = _probe(tekton, lambda: time.monotonic() < calm)
        _until(lambda: tekton.metrics()["tekton_leases"] < DYING)
        began, left = time.monotonic(), Future[float]()
        watching = Thread(target=lambda: left.set_result(_until(lambda: not tekton.metrics()["tekton_leases"])))
        watching.start()
        beside = _probe(tekton, lambda: not left.done())
        watching.join()
        took = left.result() - began
    result.value = Spread.of([beside.p99() / normal.p99()])
    result.tekton, result.bare = f"{beside.p99():.1f} ms", f"{normal.p99():.1f} ms"
    result.notes.append(
        f"evicted in {took:.0f} s; the longest answer took {beside.longest(0, time.monotonic()):.0f} ms"
    )
    result.details |= {"evicted_in_seconds": took, "p99_ms": beside.p99(), "normal_p99_ms": normal.p99()}


def _until(holds: Callable[[], bool]) -> float:
    """Wait until something holds, and give when that was."""
    give_up = time.monotonic() + 120
    while not holds():
        if time.monotonic() > give_up:
            raise RuntimeError("the leases did not end")
        # Gathering every figure is work of its own, and must not be what the callers wait for.
        time.sleep(2.0)
    return time.monotonic()


def _probe(side: Side, go_on: Callable[[], bool]) -> _Answers:
    found = _Answers([])
    request = registry_pb.GetComponentRequest(component_id="leased-1")
    with grpc.insecure_channel(side.grpc.authority) as channel:
        registry = RegistryServiceStub(channel)
        registry.GetComponent(request, timeout=10)
        while go_on():
            began = time.monotonic()
            registry.GetComponent(request, timeout=10)
            now = time.monotonic()
            found.at.append((now, now - began))
            time.sleep(PROBE_EVERY)
    return found


ROWS = (
    Row("leases", f"{LEASES:,} live leases, resident each", Goal(3.0, "KiB", at_most=True), _leases, True, True),
    Row(
        "deaths", f"{DYING:,} leases end at once, p99 beside", Goal(3.0, "of normal", at_most=True), _deaths, True, True
    ),
)
