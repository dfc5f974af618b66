"""Metrics as OpenMetrics text, by the library of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from tekton.core.metrics.metrics import Metric, MetricType

_Read = Sequence[tuple[Metric, list[dict[str, Any]]]]


class _Collected(Collector):
    def __init__(self, found: _Read) -> None:
        self._found = found

    def collect(self) -> Iterable[Family]:
        return (_family(metric, values) for metric, values in self._found)


def text(found: _Read) -> str:
    """Write metrics with their values."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(found))
    written: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return written.decode()


def _family(metric: Metric, values: list[dict[str, Any]]) -> Family:
    # The name of a counter ends in _total there by itself, and every name in its unit.
    name, unit = metric.family, metric.exposed_unit
    kind = {MetricType.COUNTER: CounterMetricFamily, MetricType.GAUGE: GaugeMetricFamily}.get(metric.metric_type)
    if kind is None:
        histogram = HistogramMetricFamily(name, metric.description, labels=metric.labels, unit=unit)
        for one in values:
            # A sum that can go down is none that Prometheus may be told.
            whole = one["sum"] if one["min"] >= 0 else None
            histogram.add_metric(tuple(one["labels"].values()), list(_buckets(one["buckets"])), whole)
        return histogram
    family: CounterMetricFamily | GaugeMetricFamily = kind(name, metric.description, labels=metric.labels, unit=unit)
    for one in values:
        family.add_metric(tuple(one["labels"].values()), one["value"])
    return family


def _buckets(counted: dict[float, int]) -> Iterator[tuple[str, float]]:
    for edge, count in counted.items():
        yield "+Inf" if edge == float("inf") else str(edge), count
