"""Every figure as OpenMetrics text. They are gathered when somebody scrapes; between scrapes this costs nothing.

Labels are bounded: RPCs of the contract, gRPC status codes, kinds of watch, parts of the health answer, and see
exposition_resources.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics.exposition import generate_latest

from tekton.core.view import LaunchPhase
from tekton_server.build import BUILD
from tekton_server.live.metrics import Calls, Histogram, OwnProcess, Telemetry
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.system import SystemState
from tekton_server.services.exposition_resources import resource_metrics

_RPC = ("service", "method")


class Exposition:
    """Writes the text. Nothing is shared, so that two servers in one process never have a figure in common."""

    def __init__(self, live: LiveRegistry, state: SystemState, telemetry: Telemetry) -> None:
        self._live = live
        self._state = state
        self._telemetry = telemetry
        self._one_at_a_time = asyncio.Lock()

    async def text(self) -> bytes:
        """Give the figures as of now: gathered here in one go, and written elsewhere, which takes far longer."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(_written, list(self._gathered()))

    def _gathered(self) -> Iterator[Metric]:
        yield from _system(self._state)
        yield from _calls(self._telemetry.calls)
        yield from _registry(self._live)
        yield from _leases(self._live)
        yield from _evictions(self._live)
        yield from _launches(self._live)
        yield from _journal(self._live)
        yield from _routing(self._live)
        yield from _process(self._telemetry.process)
        yield from resource_metrics(self._live)


class _Gathered(NamedTuple):
    """What the library asks of a registry."""

    metrics: Sequence[Metric]

    def collect(self) -> Sequence[Metric]:
        return self.metrics


def _written(metrics: Sequence[Metric]) -> bytes:
    text: bytes = generate_latest(_Gathered(metrics))  # type: ignore[no-untyped-call]
    return text


def _system(state: SystemState) -> Iterator[Metric]:
    build = {"version": BUILD.version, "commit": BUILD.commit}
    yield InfoMetricFamily("tekton_build", "Which build this is.", value=build)
    yield _gauge("tekton_ready", "1 once every start-up phase is done, and until a stop begins.", state.ready)
    parts = GaugeMetricFamily("tekton_part_healthy", "1 while a part is well.", labels=("part",))
    for part, trouble in state.parts().items():
        parts.add_metric((part,), trouble is None)
    yield parts
    restarts = CounterMetricFamily("tekton_part_restarts", "How often a part was started again.", labels=("part",))
    for part, count in state.restarts.items():
        restarts.add_metric((part,), count)
    yield restarts


def _calls(calls: Calls) -> Iterator[Metric]:
    total = CounterMetricFamily("tekton_calls", "Calls that ended, streams among them.", labels=(*_RPC, "code"))
    seconds = HistogramMetricFamily(
        "tekton_call_duration_seconds", "How long unary calls took in the server.", labels=_RPC, unit="seconds"
    )
    active = GaugeMetricFamily("tekton_calls_active", "Calls and streams that are open.", labels=_RPC)
    for one in calls.methods.values():
        if not one.called:
            # Most methods are never called, and the figures of one are thirty lines.
            continue
        rpc = (one.service, one.method)
        active.add_metric(rpc, one.active)
        for code, count in one.codes.items():
            total.add_metric((*rpc, code), count)
        if one.seconds is not None:
            _add(seconds, one.seconds, rpc)
    yield from (total, seconds, active)


def _registry(live: LiveRegistry) -> Iterator[Metric]:
    yield _gauge("tekton_components", "Components that the registry knows.", len(live.view.components))
    yield _gauge("tekton_instances", "Instances it remembers, ended ones among them.", len(live.view.instances))
    watchers = GaugeMetricFamily("tekton_watchers", "Watches that are open.", labels=("kind",))
    watchers.add_metric(("registry",), live.hub.watchers)
    watchers.add_metric(("heartbeats",), live.feed.watchers)
    watchers.add_metric(("commands",), live.commands.watchers)
    watchers.add_metric(("resources",), len(live.resources.feed))
    yield watchers


def _leases(live: LiveRegistry) -> Iterator[Metric]:
    yield _gauge("tekton_leases", "Instances that are alive.", len(live.leases))
    yield _gauge("tekton_leases_suspect", "Those of them that lost their heartbeat stream.", live.leases.suspects)
    yield _gauge("tekton_leases_owned", "Those that this server judges, and no other.", live.leases.owned)
    others = len(live.leases.ownership.others)
    yield _gauge("tekton_servers", "Servers on the same database that live, this one among them.", others + 1)
    yield _gauge("tekton_heartbeat_sessions", "Heartbeat streams that are open.", len(live.sessions))
    interval = live.leases.timing.interval
    yield _gauge("tekton_heartbeat_interval_seconds", "How often a lease is to beat.", interval, unit="seconds")
    away = "Heartbeat streams that were asked to come back later."
    yield CounterMetricFamily("tekton_heartbeat_streams_sent_away", away, live.admission.sent_away)


def _evictions(live: LiveRegistry) -> Iterator[Metric]:
    evictions, preservation = live.leases.judge.evictions, live.leases.judge.preservation
    told = preservation.told()
    yield _gauge("tekton_self_preservation", "1 while evictions are stopped.", told.active)
    yield CounterMetricFamily("tekton_self_preservations", "How often they were.", preservation.times)
    yield _gauge("tekton_sessions", "Streams with leases, and hosts whose leases beat by calls.", told.sessions)
    yield _gauge("tekton_sessions_missing", "Those of them of which nothing is heard.", told.missing)
    yield CounterMetricFamily("tekton_evictions", "Leases that ended by their timeout.", evictions.done)
    spared = "Leases whose time was over, that were kept and came back."
    yield CounterMetricFamily("tekton_evictions_spared", spared, evictions.spared)
    yield _gauge("tekton_evictions_waiting", "Leases whose time is over and that are kept.", len(evictions))


def _launches(live: LiveRegistry) -> Iterator[Metric]:
    phases = GaugeMetricFamily("tekton_launches", "Components that Tekton launches, by phase.", labels=("phase",))
    counts = Counter(launch.phase for launch in live.view.launches.values())
    for phase in LaunchPhase:
        phases.add_metric((phase.value,), counts[phase])
    yield phases
    healer = live.healer
    made = "Restarts of components that healing made, at whichever server."
    yield CounterMetricFamily("tekton_launch_restarts", made, healer.restarts if healer else 0)
    waiting = "Components that wait to be started again."
    yield _gauge("tekton_healing_waiting", waiting, healer.waiting if healer else 0)
    yield _gauge("tekton_healing_held", "1 while healing is held back.", bool(healer and healer.trouble))


def _journal(live: LiveRegistry) -> Iterator[Metric]:
    yield _gauge("tekton_journal_revision", "The last revision of the registry.", live.view.revision)
    yield CounterMetricFamily("tekton_journal_commits", "Commits that were folded.", live.batches.commits)
    sizes = HistogramMetricFamily("tekton_journal_batch_commits", "Commits in one batch.")
    _add(sizes, live.batches.sizes)
    yield sizes
    yield _gauge("tekton_writer_waiting", "Writes that wait for their turn.", live.writer.waiting)
    yield _gauge("tekton_database_up", "0 while the database does not answer.", live.writer.down_since is None)


def _routing(live: LiveRegistry) -> Iterator[Metric]:
    desk, figures = live.routing, live.routing.figures
    yield _gauge("tekton_models", "Models in the catalogue.", len(desk.catalogue.models))
    yield _gauge("tekton_models_cooling_down", "Those of them that are out for a while.", len(desk.cooldowns.out()))
    yield CounterMetricFamily("tekton_model_cooldowns", "How often a model went out.", desk.cooldowns.openings)
    decisions = CounterMetricFamily("tekton_route_decisions", "Tasks that asked for a model.", labels=("result",))
    decisions.add_metric(("chosen",), figures.chosen - figures.flagged)
    decisions.add_metric(("flagged",), figures.flagged)
    decisions.add_metric(("refused",), figures.refused)
    outcomes = CounterMetricFamily("tekton_route_outcomes", "Outcomes that were told.", labels=("result",))
    outcomes.add_metric(("succeeded",), figures.succeeded)
    outcomes.add_metric(("failed",), figures.failed)
    refused = CounterMetricFamily("tekton_budget_refusals", "Leases that did not fit.", desk.budgets.refused)
    yield from (decisions, outcomes, refused)


def _process(process: OwnProcess) -> Iterator[Metric]:
    found = process.figures()
    yield CounterMetricFamily(
        "process_cpu_seconds", "Processor time that was spent.", found.cpu_seconds, unit="seconds"
    )
    yield _gauge("process_resident_memory_bytes", "Memory that is taken.", found.resident_bytes, unit="bytes")
    yield _gauge("process_threads", "Threads there are.", found.threads)
    yield _gauge("process_open_fds", "Files and sockets that are open.", found.open_files)
    yield _gauge("process_start_time_seconds", "When it started, since 1970.", found.started, unit="seconds")


def _gauge(name: str, about: str, value: float, unit: str = "") -> Metric:
    return GaugeMetricFamily(name, about, value, unit=unit)


def _add(family: HistogramMetricFamily, histogram: Histogram, labels: Sequence[str] = ()) -> None:
    edges = [*(str(float(edge)) for edge in histogram.edges), "+Inf"]
    family.add_metric(labels, list(zip(edges, accumulate(histogram.counts), strict=True)), histogram.total)
