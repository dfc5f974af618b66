"""Metrics of a component: registered by name, recorded in memory, read back, or written out for Prometheus.

Every metric has so many series at most: a label that is different each time must not take all memory.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import Any

from tekton import _given
from tekton.core.errors import ValidationError
from tekton.core.text import told

__all__ = ["Metric", "MetricType", "MetricsManager"]

log = logging.getLogger(__name__)

# Of one metric: so many different sets of labels. What comes beyond them is counted, and not kept.
MOST_SERIES = 1000
# Prometheus' own choice for requests, and on to what a start-up may take, in whatever the unit is.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,127}")
_UNIT = re.compile(r"[a-zA-Z0-9_]+")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,127}")
_LABEL_CHARS = 256


class MetricType(StrEnum):
    """What is done with the values of a metric."""

    COUNTER = "counter"
    """They are added up, and none may be negative."""
    GAUGE = "gauge"
    """The last one counts."""
    HISTOGRAM = "histogram"
    """They are counted by size."""


_SUFFIXES = {
    MetricType.COUNTER: ("", "_total", "_created"),
    MetricType.GAUGE: ("",),
    MetricType.HISTOGRAM: ("", "_bucket", "_count", "_sum", "_created"),
}


@dataclass(frozen=True)
class Metric:
    """A metric as it was registered. `labels` are the names that every value is recorded with."""

    name: str
    description: str
    metric_type: MetricType
    unit: str = ""
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = BUCKETS

    @property
    def exposed_unit(self) -> str:
        """The unit as it can stand in a name; empty for one that cannot, such as %."""
        return self.unit if _UNIT.fullmatch(self.unit) else ""

    @property
    def family(self) -> str:
        """What Prometheus knows it by: with its unit at the end; a counter's _total is that of its values."""
        name = self.name.removesuffix("_total") if self.metric_type is MetricType.COUNTER else self.name
        unit = f"_{self.exposed_unit}" if self.exposed_unit else ""
        return name if name.endswith(unit) else name + unit

    @property
    def exposed(self) -> frozenset[str]:
        """Every name that its values have there, which can be nobody else's."""
        return frozenset(self.family + suffix for suffix in _SUFFIXES[self.metric_type])


@dataclass
class _Series:
    """The values of one set of labels."""

    value: float = 0.0
    count: int = 0
    sum: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf
    counts: list[int] = field(default_factory=list)


class MetricsManager:
    """The metrics of a component. Everything can be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._metrics: dict[str, Metric] = {}
        self._series: dict[str, dict[tuple[str, ...], _Series]] = {}
        self.left_out: dict[str, int] = {}
        """How many values of each metric were not kept, because it has too many different labels."""

    @property
    def metrics(self) -> list[Metric]:
        """The registered metrics, in their order."""
        return list(self._metrics.values())

    def register_metric(
        self,
        name: str,
        description: str = "",
        metric_type: MetricType | str = MetricType.GAUGE,
        unit: str = "",
        labels: Iterable[str] = (),
        *,
        buckets: Iterable[float] | None = None,
    ) -> Metric:
        """Register a metric; registering the same once more changes nothing.

        name, labels: as Prometheus takes them: letters, digits and _. unit: such as seconds or bytes; one that is no
            such word, such as %, is not told to Prometheus.
        buckets: the edges of a histogram, ascending.

        Raises:
            ValidationError: one of them cannot be, or the name stands for another metric already.
        """
        metric = Metric(
            name=_name("name", name, _NAME),
            description=_given.text("description", description),
            metric_type=_type(metric_type),
            unit=_given.text("unit", unit),
            labels=_labels(labels),
            buckets=BUCKETS if buckets is None else _buckets(buckets),
        )
        if not metric.family:
            raise ValidationError.of("name", "must be more than _total", "pattern")
        with self._lock:
            known = self._metrics.get(metric.name)
            if known is None:
                self._refuse_twice(metric)
                self._metrics[metric.name], self._series[metric.name] = metric, {}
        if known not in (None, metric):
            raise ValidationError.of("name", f"{metric.name} is registered already, and otherwise", "taken")
        return metric

    def _refuse_twice(self, metric: Metric) -> None:
        """Refuse what Prometheus could not tell from another: it would read none of them any more."""
        for other in self._metrics.values():
            if both := sorted(metric.exposed & other.exposed):
                message = f"{metric.name} would be {both[0]} for Prometheus, which {other.name} is already"
                raise ValidationError.of("name", message, "taken")

    def record(self, name: str, value: float = 1.0, labels: Mapping[str, object] | None = None) -> None:
        """Record a value.

        labels: a value for each label of the metric.

        Raises:
            ValidationError: there is no such metric, the labels are others, or the value is no finite number.
        """
        metric = self._metric(name)
        number = _number(metric, value)
        key = _key(metric, labels or {})
        with self._lock:
            series = self._series[metric.name].get(key)
            if series is None and len(self._series[metric.name]) >= MOST_SERIES:
                if not self.left_out.get(name):
                    log.warning("%s has more than %d different sets of labels; others are left out", name, MOST_SERIES)
                self.left_out[name] = self.left_out.get(name, 0) + 1
                return
            if series is None:
                series = self._series[metric.name][key] = _Series(counts=[0] * (len(metric.buckets) + 1))
            _take(metric, series, number)

    def get_metric_values(self, name: str) -> list[dict[str, Any]]:
        """Read a metric: for each set of labels {labels, value}.

        Of a histogram it is {labels, count, sum, min, max, buckets}, where `buckets` are how many values are at most
        each edge, as Prometheus counts: {0.5: 3, …, inf: 7}.

        Raises:
            ValidationError: there is no such metric.
        """
        metric = self._metric(name)
        with self._lock:
            found = list(self._series[metric.name].items())
            return [{"labels": dict(zip(metric.labels, key, strict=True))} | _read(metric, one) for key, one in found]

    def exposition(self) -> str:
        """Give every metric as OpenMetrics text, for a path that Prometheus reads.

        Raises:
            ImportError: prometheus-client is not installed: `pip install prometheus-client`.
        """
        from tekton.core.metrics._exposition import text

        return text([(metric, self.get_metric_values(metric.name)) for metric in self.metrics])

    def _metric(self, name: str) -> Metric:
        metric = self._metrics.get(_given.text("name", name))
        if metric is None:
            message = f"must be a registered metric, not {_given.shown(name)}: call register_metric first"
            raise ValidationError.of("name", message, "unknown")
        return metric


def _take(metric: Metric, series: _Series, value: float) -> None:
    if metric.metric_type is MetricType.GAUGE:
        series.value = value
    elif metric.metric_type is MetricType.COUNTER:
        series.value += value
    else:
        series.count += 1
        series.sum += value
        series.least, series.greatest = min(series.least, value), max(series.greatest, value)
        series.counts[bisect_left(metric.buckets, value)] += 1


def _read(metric: Metric, series: _Series) -> dict[str, Any]:
    if metric.metric_type is not MetricType.HISTOGRAM:
        return {"value": series.value}
    edges = (*metric.buckets, math.inf)
    return {
        "count": series.count,
        "sum": series.sum,
        "min": series.least,
        "max": series.greatest,
        "buckets": dict(zip(edges, accumulate(series.counts), strict=True)),
    }


def _name(field_name: str, value: object, grammar: re.Pattern[str]) -> str:
    text = _given.text(field_name, value)
    if not grammar.fullmatch(text):
        raise ValidationError.of(field_name, f"must match {grammar.pattern}, not {_given.shown(text)}", "pattern")
    return text


def _type(value: object) -> MetricType:
    try:
        return MetricType(str(value).lower() if isinstance(value, str) else value)  # type: ignore[arg-type]
    except ValueError:
        allowed = [one.value for one in MetricType]
        message = f"must be one of {', '.join(allowed)}, not {_given.shown(value)}"
        raise ValidationError.of("metric_type", message, "allowed", allowed=allowed) from None


def _labels(labels: Iterable[str]) -> tuple[str, ...]:
    found = tuple(_name(f"labels[{at}]", one, _LABEL) for at, one in enumerate(_given.selection("labels", labels)))
    if len(set(found)) < len(found) or "le" in found:
        raise ValidationError.of("labels", "must differ from each other, and from le", "unique")
    return found


def _buckets(buckets: Iterable[float]) -> tuple[float, ...]:
    found = tuple(_given.figure(f"buckets[{at}]", one) for at, one in enumerate(buckets))
    if not found or list(found) != sorted(set(found)):
        raise ValidationError.of("buckets", "must be numbers, each greater than the one before", "order")
    return found


def _number(metric: Metric, value: object) -> float:
    number = _given.figure("value", value)
    if metric.metric_type is MetricType.COUNTER and number < 0:
        raise ValidationError.of("value", f"of the counter {metric.name} must not be negative", "range", limit=0)
    return number


def _key(metric: Metric, labels: Mapping[str, object]) -> tuple[str, ...]:
    if not isinstance(labels, Mapping) or labels.keys() != set(metric.labels):
        wanted = ", ".join(metric.labels) or "none"
        raise ValidationError.of("labels", f"of {metric.name} must be exactly: {wanted}", "labels")
    return tuple(_label(labels[name]) for name in metric.labels)


def _label(value: object) -> str:
    # Half of a surrogate pair could not be written out, and with it nothing.
    return told(value)[:_LABEL_CHARS].encode(errors="backslashreplace").decode()
