"""The documented resource monitor, with a machine of the test's where figures have to be known."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tekton import _gpus
from tekton._gpus import Gpus
from tekton.core.errors import ValidationError
from tekton.core.machine import GB, Cpu, Disk, Machine, Memory, Network
from tekton.core.resource_monitor import ResourceMonitor
from tests.support.fake_nvml import FakeGpu, FakeNvml

IDLE = Machine(
    datetime.now(UTC),
    "here",
    Cpu((0.1, 0.3), 0.2, (0.1, 0.1, 0.1)),
    Memory(16 * GB, 8 * GB, 0, 0),
    Disk("/", 100 * GB, 40 * GB, 60 * GB),
    Network(10, 20, 1e6, 2e6),
)


class Scripted(ResourceMonitor):
    """Reads what the test says, as often as it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *machines: Machine) -> None:
        super().__init__(sampling_interval=60)
        self._machines = iter(machines)
        monkeypatch.setattr(self._reader, "machine", lambda *_: next(self._machines))
        monkeypatch.setattr(Gpus, "read", lambda _: ())

    def look(self, times: int = 1) -> None:
        """Sample now."""
        for _ in range(times):
            self._sample()


def busy(ratio: float) -> Machine:
    """Make a machine whose processors are so busy."""
    return IDLE._replace(cpu=Cpu((ratio,), ratio, (0.0, 0.0, 0.0)))


def _within(holds: Callable[[], object], seconds: float = 5.0) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_the_monitor_in_our_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that the documentation shows, on this machine, with a GPU that is not there."""
    nvml = FakeNvml(FakeGpu(name="NVIDIA T4", busy=45, total=16 * GB, used=4 * GB, celsius=50))
    monkeypatch.setattr(_gpus, "_pynvml", lambda: nvml)
    monitor = ResourceMonitor(sampling_interval=0.05)
    monitor.start()
    monitor.start()
    try:
        cores = monitor.get_cpu_usage()
        assert cores
        assert all(0 <= core <= 1 for core in cores)
        memory = monitor.get_memory_usage()
        assert memory.keys() == {"total", "used", "free", "percent"}
        assert 0 < memory["used"] < memory["total"]
        gpu = {"id": 0, "name": "NVIDIA T4", "util": 45.0, "mem_used": 4.0, "mem_total": 16.0, "temperature": 50.0}
        assert monitor.get_gpu_usage() == [gpu]
        assert 0 < monitor.get_disk_usage()["percent"] <= 100
        assert monitor.get_network_usage()["bytes_sent"] >= 0
        called = threading.Event()
        monitor.register_threshold_callback(resource_type="memory", threshold=-1.0, callback=called.set)
        assert called.wait(5)
        wanted = {"cpu_percent_max": 101, "memory_percent_max": 100, "gpu_mem_free_min": 2.0}
        assert monitor.check_constraints(wanted) is True
        assert monitor.check_constraints({"gpu_mem_free_min": 13}) is False
        assert monitor.check_constraints({}) is True
    finally:
        monitor.stop()
    assert not monitor.running
    monitor.stop()
    # One that is not running looks when it is asked.
    nvml.gpus[0].used = 8 * GB
    assert monitor.get_gpu_usage()[0]["mem_used"] == 8.0
    with monitor:
        assert monitor.running


def test_without_a_gpu_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fails, and what needs one is not satisfied."""

    def missing() -> Any:
        raise ImportError("pynvml")

    monkeypatch.setattr(_gpus, "_pynvml", missing)
    monitor = ResourceMonitor()
    assert monitor.get_gpu_usage() == []
    assert monitor.check_constraints({"gpu_mem_free_min": 0.1}) is False
    assert monitor.check_constraints({"memory_percent_max": 100}) is True


def test_a_threshold_is_told_once_until_it_was_clearly_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure that trembles about it is told once; the callback may take the figure or nothing."""
    told: list[float] = []
    calls: list[None] = []
    script = [busy(at) for at in (0.7, 0.81, 0.79, 0.82, 0.76, 0.9, 0.74, 0.9)]
    monitor = Scripted(monkeypatch, *script)
    monitor.register_threshold_callback("cpu", 80.0, told.append)
    monitor.register_threshold_callback("cpu", 80, lambda: calls.append(None))
    monitor.look(len(script))
    assert told == [pytest.approx(81), pytest.approx(90)]
    assert len(calls) == 2


def test_each_kind_of_figure_has_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, float] = {}
    monitor = Scripted(monkeypatch, IDLE)
    for kind, threshold in {"cpu": 19, "memory": 49, "disk": 39, "gpu": 1, "gpu_memory": 1, "network": 2.5}.items():
        monitor.register_threshold_callback(kind, threshold, lambda value, kind=kind: told.update({kind: value}))
    monitor.look()
    assert told == {"cpu": 20.0, "memory": 50.0, "disk": 40.0, "network": 3.0}


def test_a_callback_that_fails_stops_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    told: list[float] = []
    monitor = Scripted(monkeypatch, busy(0.9))
    monitor.register_threshold_callback("cpu", 80, lambda: 1 / 0)
    monitor.register_threshold_callback("cpu", 80, told.append)
    monitor.look()
    assert told == [90.0]
    assert "a callback for a threshold failed" in caplog.text


def test_figures_that_cannot_be_read_are_read_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk of a directory that is away for a moment does not end the sampling."""
    failed = threading.Event()
    monitor = ResourceMonitor(sampling_interval=0.02)
    read = monitor._reader.machine

    def flaky(*arguments: Any) -> Machine:
        if not failed.is_set():
            failed.set()
            raise OSError("the disk is gone")
        return read(*arguments)

    monkeypatch.setattr(monitor._reader, "machine", flaky)
    with monitor, caplog.at_level(logging.ERROR):
        _within(lambda: monitor._machine is not None)
    assert "the figures of this machine could not be read" in caplog.text


def test_figures_that_cannot_be_read_any_more_are_not_those_of_before(tmp_path: Path) -> None:
    """Who asks is told that they cannot be read."""
    (tmp_path / "disk").mkdir()
    with ResourceMonitor(sampling_interval=0.02, path=str(tmp_path / "disk")) as monitor:
        assert monitor.get_disk_usage()["total"] > 0
        (tmp_path / "disk").rmdir()
        _within(lambda: monitor._machine is None)
        with pytest.raises(FileNotFoundError):
            monitor.get_disk_usage()


def test_a_callback_that_blocks_does_not_make_figures_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks meanwhile reads them anew."""
    monkeypatch.setattr("tekton.core.resource_monitor._LATE", 0.0)
    blocked, going = threading.Event(), threading.Event()
    with ResourceMonitor(sampling_interval=0.02) as monitor:
        monitor.register_threshold_callback("memory", 0.0001, lambda: (blocked.set(), going.wait(10)))
        assert blocked.wait(5)
        before = monitor._machine
        _within(lambda: monitor.get_memory_usage() and monitor._machine is not before)
        going.set()


def test_a_callback_that_exits_does_not_end_the_sampling() -> None:
    """It would end its thread without a word, and nobody would be told of anything any more."""
    told: list[float] = []
    with ResourceMonitor(sampling_interval=0.02) as monitor:
        monitor.register_threshold_callback("memory", 0.0001, sys.exit)
        monitor.register_threshold_callback("memory", 0.0001, told.append)
        _within(lambda: told)


def test_it_samples_once_however_many_start_it_and_however_seldom() -> None:
    """An interval that is longer than a thread can wait is no end of it."""
    monitor = ResourceMonitor(sampling_interval=1e300)
    starting = [threading.Thread(target=monitor.start) for _ in range(20)]
    for one in starting:
        one.start()
    for one in starting:
        one.join()

    def sampling() -> int:
        return sum(one.name == "tekton resource monitor" for one in threading.enumerate())

    _within(lambda: sampling() == 1)
    time.sleep(0.05)
    assert sampling() == 1
    monitor.stop()
    _within(lambda: sampling() == 0)


def test_a_driver_that_hangs_does_not_hold_the_start_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other figures are there, and callbacks can be registered."""
    nvml, going = FakeNvml(FakeGpu()), threading.Event()
    nvml.hangs = going
    monkeypatch.setattr(_gpus, "_pynvml", lambda: nvml)
    monkeypatch.setattr("tekton.core.resource_monitor._FIRST_WITHIN", 0.1)
    with ResourceMonitor() as monitor:
        _within(lambda: monitor._machine is not None)
        assert monitor.get_memory_usage()["total"] > 0
        assert monitor.get_gpu_usage() == []
        monitor.register_threshold_callback("cpu", 100, print)
        going.set()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("disc", 1, print), "resource_type must be one of cpu, memory, disk, gpu, gpu_memory, network, not 'disc'"),
        ((["cpu"], 1, print), "resource_type must be one of"),
        (("cpu", "much", print), "threshold must be a number, not 'much'"),
        (("cpu", float("nan"), print), "threshold must be a finite number"),
        (("cpu", 1, None), "callback must be a function"),
        (("cpu", 1, 5), "callback must be a function"),
    ],
)
def test_wrong_thresholds_are_told(arguments: Any, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ResourceMonitor().register_threshold_callback(*arguments)
    assert told in str(refused.value)


def test_wrong_constraints_and_intervals_are_told() -> None:
    monitor = ResourceMonitor()
    with pytest.raises(ValidationError, match="constraints has no 'cpu'"):
        monitor.check_constraints({"cpu": 1})
    with pytest.raises(ValidationError, match="constraints must be a dict"):
        monitor.check_constraints([1])  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="must be a number"):
        monitor.check_constraints({"cpu_percent_max": None})  # type: ignore[dict-item]
    with pytest.raises(ValidationError, match="sampling_interval"):
        ResourceMonitor(sampling_interval=0)

    async def later() -> None:
        """Cannot be waited for by a thread."""

    with pytest.raises(ValidationError, match="not async"):
        monitor.register_threshold_callback("cpu", 1, later)
