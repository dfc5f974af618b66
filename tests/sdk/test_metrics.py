"""The documented metrics of a component."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tekton.core.errors import ValidationError
from tekton.core.metrics import metrics
from tekton.core.metrics.metrics import Metric, MetricsManager, MetricType


def manager() -> MetricsManager:
    """Make one with a metric of each kind."""
    made = MetricsManager()
    made.register_metric(
        name="startup_time",
        description="How long a start takes",
        metric_type=MetricType.HISTOGRAM,
        unit="seconds",
        labels=["component_id", "version"],
    )
    made.register_metric("connections", "Open ones", MetricType.GAUGE, "connections", ["component_id"])
    made.register_metric("requests_total", "Answered ones", "counter")
    return made


def test_the_example_in_our_own_words() -> None:
    """Registered, recorded, read."""
    made = manager()
    made.record(name="startup_time", value=5.2, labels={"component_id": "a", "version": "1.0.0"})
    made.record(name="startup_time", value=1000, labels={"version": "1.0.0", "component_id": "a"})
    made.record(name="connections", value=10, labels={"component_id": "a"})
    made.record(name="connections", value=7, labels={"component_id": "a"})
    made.record("requests_total")
    made.record("requests_total", 2)
    (found,) = made.get_metric_values("startup_time")
    assert found["labels"] == {"component_id": "a", "version": "1.0.0"}
    assert (found["count"], found["sum"], found["min"], found["max"]) == (2, 1005.2, 5.2, 1000.0)
    assert (found["buckets"][5.0], found["buckets"][10.0], found["buckets"][math.inf]) == (0, 1, 2)
    assert made.get_metric_values("connections") == [{"labels": {"component_id": "a"}, "value": 7.0}]
    assert made.get_metric_values("requests_total") == [{"labels": {}, "value": 3.0}]


def test_prometheus_reads_them() -> None:
    """As OpenMetrics text, by the parser of Prometheus' own library."""
    made = manager()
    made.record("startup_time", 0.7, {"component_id": 'a\n"b"', "version": "1"})
    made.record("connections", 10, {"component_id": "a"})
    made.record("requests_total", 4)
    families = {family.name: family for family in text_string_to_metric_families(made.exposition())}
    assert [(one.type, one.unit) for one in families.values()] == [
        ("histogram", "seconds"), ("gauge", "connections"), ("counter", ""),
    ]  # fmt: skip
    assert families["requests"].samples[0].value == 4
    histogram = families["startup_time_seconds"]
    assert histogram.documentation == "How long a start takes"
    counted = {sample.labels["le"]: sample.value for sample in histogram.samples if sample.name.endswith("_bucket")}
    assert (counted["0.5"], counted["1.0"], counted["+Inf"]) == (0, 1, 1)
    assert histogram.samples[0].labels["component_id"] == 'a\n"b"'
    assert MetricsManager().exposition() == "# EOF\n"


def test_nothing_that_was_recorded_keeps_prometheus_from_reading() -> None:
    """Units that are no words, labels that are no text, values below nothing: everything is still written and read."""

    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

    metrics = MetricsManager()
    metrics.register_metric("load", "", MetricType.GAUGE, "%", ["of"])
    metrics.register_metric("drift", "", MetricType.HISTOGRAM, "MB/s")
    for value in ("\ud800", Odd(), 10**5000, 'a\n"b\\'):
        metrics.record("load", 1, {"of": value})
    for drift in (-5, 1):
        metrics.record("drift", drift)
    found = {family.name: family for family in text_string_to_metric_families(metrics.exposition())}
    told = [sample.labels["of"] for sample in found["load"].samples]
    assert told == ["\\ud800", "<Odd>", "<int>", 'a\n"b\\']
    assert found["drift"].samples[-1].value == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "counter"), ("a_total", "gauge")),
        (("a", "counter"), ("a_total", "counter")),
        (("a", "gauge"), ("a_total", "counter")),
        (("a", "gauge", "seconds"), ("a_seconds", "gauge")),
        (("a", "histogram"), ("a_count", "gauge")),
    ],
)
def test_two_that_prometheus_could_not_tell_apart_are_refused(one: Any, other: Any) -> None:
    """It would read none of the metrics any more; the first one stays."""
    metrics = MetricsManager()
    for name, kind, *unit in (one, one):
        metrics.register_metric(name, "", kind, *unit)
    with pytest.raises(ValidationError, match="would be a"):
        metrics.register_metric(other[0], "", *other[1:])
    assert len(metrics.metrics) == 1
    with pytest.raises(ValidationError):
        metrics.register_metric("_total", "", "counter")


def test_registering_again_is_nothing_new() -> None:
    """Another metric of the name is refused."""
    made = manager()
    again = made.register_metric("requests_total", "Answered ones", MetricType.COUNTER)
    assert again == Metric("requests_total", "Answered ones", MetricType.COUNTER)
    assert len(made.metrics) == 3
    with pytest.raises(ValidationError, match="registered already"):
        made.register_metric("requests_total", "Answered ones", MetricType.GAUGE)


def test_labels_that_never_end_do_not_take_all_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So many series are kept; what comes beyond is counted and logged once."""
    monkeypatch.setattr(metrics, "MOST_SERIES", 3)
    made = manager()
    for number in range(5):
        made.record("connections", number, {"component_id": str(number)})
    made.record("connections", 9, {"component_id": "0"})
    assert [one["value"] for one in made.get_metric_values("connections")] == [9, 1, 2]
    assert made.left_out == {"connections": 2}
    assert caplog.text.count("connections has more than 3 different sets of labels") == 1


def test_threads_lose_nothing() -> None:
    made = manager()

    def count() -> None:
        for _ in range(2000):
            made.record("requests_total")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.get_metric_values("requests_total")[0]["value"] == 8000


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda made: made.register_metric("a-b"), "name must match"),
        (lambda made: made.register_metric(5), "name must be a text"),
        (lambda made: made.register_metric("a", metric_type="sum"), "must be one of counter, gauge, histogram"),
        (lambda made: made.register_metric("a", metric_type=None), "must be one of counter, gauge, histogram"),
        (lambda made: made.register_metric("a", labels="component_id"), "not one text"),
        (lambda made: made.register_metric("a", labels=["a", "a"]), "must differ"),
        (lambda made: made.register_metric("a", labels=["le"]), "le"),
        (lambda made: made.register_metric("a", labels=["__x"]), "labels[0] must match"),
        (lambda made: made.register_metric("a", metric_type="histogram", buckets=[2, 1]), "each greater"),
        (lambda made: made.register_metric("a", metric_type="histogram", buckets=[]), "each greater"),
        (lambda made: made.record("nothing"), "must be a registered metric, not 'nothing' (str)"),
        (lambda made: made.record("connections", 1), "of connections must be exactly: component_id"),
        (lambda made: made.record("requests_total", 1, {"a": "b"}), "must be exactly: none"),
        (lambda made: made.record("requests_total", -1), "must not be negative"),
        (lambda made: made.record("requests_total", "many"), "value must be a number"),
        (lambda made: made.record("requests_total", math.inf), "value must be a finite number"),
        (lambda made: made.get_metric_values("nothing"), "call register_metric first"),
    ],
)
def test_what_is_wrong_is_told(call: Any, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        call(manager())
    assert told in str(refused.value)
