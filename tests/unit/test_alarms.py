"""Thresholds with hysteresis: too much is told once, and once more when it is clearly over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton.core.machine import GB, MB, Cpu, Disk, Gpu, Machine, Memory, Network
from tekton.core.resources import Crossing, unmet
from tekton.core.view import Constraints
from tekton_server.domain.alarms import LimitAlarms, MachineAlarms, Thresholds
from tekton_server.domain.usage import Usage

NOON = datetime(2025, 5, 15, 12, tzinfo=UTC)


def a_machine(
    cpu: float = 0.1, memory: float = 0.1, disk: float = 0.1, host: str = "one", at: int = 0, *gpus: Gpu
) -> Machine:
    """A machine with so much in use."""
    figures = (
        Cpu((cpu,), cpu, (0.0, 0.0, 0.0)), Memory(100 * GB, round(100 * GB * (1 - memory))),
        Disk("/", 100 * GB, round(100 * GB * disk), 100 * GB - round(100 * GB * disk)), Network(0, 0),
    )  # fmt: skip
    return Machine(NOON + timedelta(seconds=at), host, *figures, gpus)


@given(st.lists(st.floats(0, 100) | st.none(), max_size=60), st.floats(10, 100), st.floats(0, 10))
def test_a_crossing_is_told_once_each_way(values: list[float | None], threshold: float, margin: float) -> None:
    """Raised over the threshold, cleared at the margin below it, in turn; what is not known changes nothing."""
    crossing, told, clear = Crossing(threshold, margin), [], max(threshold - margin, threshold / 2)
    for value in values:
        changed = crossing.look(value)
        if changed is not None:
            assert value is not None and (value > threshold if changed else value <= clear)
            told.append(changed)
        if value is not None and value > threshold:
            assert crossing.raised
        if value is not None and value <= clear:
            assert not crossing.raised
    assert told == [place % 2 == 0 for place in range(len(told))]


def test_a_margin_that_is_more_than_its_threshold_clears_all_the_same() -> None:
    """No figure gets below nothing."""
    alarms = MachineAlarms(Thresholds(cpu_percent=3.0, margin=5.0))
    told = [one.raised for percent in (2, 4, 2, 1) for one in alarms.look(a_machine(percent / 100))]
    assert told == [True, False]


def test_a_figure_that_trembles_about_its_threshold_is_told_once() -> None:
    """That is what the margin is for."""
    alarms, told = MachineAlarms(Thresholds()), []
    for second, percent in enumerate([89, 91, 89, 90.5, 88, 92, 86, 91, 84.9, 89.9, 85.1, 84]):
        told += [(second, one.raised) for one in alarms.look(a_machine(percent / 100, at=second))]
    assert told == [(1, True), (8, False)]


def test_an_alarm_says_what_where_and_since_when() -> None:
    """It stands with its newest value, and its beginning."""
    alarms = MachineAlarms(Thresholds())
    (raised,) = alarms.look(a_machine(memory=0.95))
    assert (raised.raised, raised.alarm.figure, raised.alarm.host, raised.alarm.threshold) == (
        True,
        "memory_percent",
        "one",
        90,
    )
    assert raised.alarm.sentence == "one: memory in use 95 %, the threshold is 90 %"
    assert alarms.look(a_machine(memory=0.97, at=10)) == []
    (standing,) = alarms.standing
    assert (round(standing.value), standing.since) == (97, NOON)
    (cleared,) = alarms.look(a_machine(memory=0.5, at=20))
    assert (cleared.raised, cleared.alarm.since) == (False, NOON) and not list(alarms.standing)


def test_a_gpu_has_thresholds_of_its_own_and_a_lost_one_is_an_alarm() -> None:
    """While it is lost nothing else of it is known, and so nothing else changes."""
    hot = Gpu(1, "A", "u", 0.5, 24 * GB, 24 * GB, 95.0)
    alarms = MachineAlarms(Thresholds())
    told = {(one.alarm.figure, one.alarm.gpu): one for one in alarms.look(a_machine(0.1, 0.1, 0.1, "one", 0, hot))}
    assert told.keys() == {("gpu_memory_percent", 1), ("gpu_temperature", 1)}
    assert told["gpu_temperature", 1].alarm.sentence == "one, GPU 1: GPU temperature 95 °C, the threshold is 90 °C"
    (lost,) = alarms.look(a_machine(0.1, 0.1, 0.1, "one", 1, Gpu(1, "A", "u", lost=True)))
    assert (lost.raised, lost.alarm.figure) == (True, "gpu_lost")
    assert lost.alarm.sentence == "one, GPU 1: the driver cannot reach it"
    back = alarms.look(a_machine(0.1, 0.1, 0.1, "one", 2, Gpu(1, "A", "u", 0.5, 24 * GB, GB, 40.0)))
    assert {(one.raised, one.alarm.figure) for one in back} == {
        (False, "gpu_lost"), (False, "gpu_memory_percent"), (False, "gpu_temperature")
    }  # fmt: skip


def test_what_is_not_there_any_more_is_not_too_much() -> None:
    """A GPU that is not told of, and a machine that is gone."""
    alarms = MachineAlarms(Thresholds())
    alarms.look(a_machine(0.99, 0.1, 0.1, "one", 0, Gpu(0, lost=True)))
    alarms.look(a_machine(0.99, host="two"))
    assert [one.alarm.figure for one in alarms.look(a_machine(0.99))] == ["gpu_lost"]
    assert [(one.raised, one.alarm.host) for one in alarms.forget("two")] == [(False, "two")]
    assert [one.host for one in alarms.standing] == ["one"]


def test_no_threshold_is_no_alarm() -> None:
    """Each can be taken away."""
    quiet = Thresholds(None, None, None, None, None)
    assert MachineAlarms(quiet).look(a_machine(1, 1, 1, "one", 0, Gpu(0, "", "", 1.0, 1, 1, 200.0))) == []


def limits(**given: float) -> Constraints:
    """What an instance of notes may use."""
    return Constraints(component_id="notes", updated_at=NOON, revision=1, **given)


def use(cpu: float = 0.0, memory: float = 0.0, gpu: float | None = None) -> Usage:
    """So many cores, MB, and MB of a GPU."""
    return Usage(cpu_cores=cpu, rss_bytes=memory * MB, gpu_bytes=None if gpu is None else gpu * MB)


def test_an_instance_over_a_limit_is_told_until_it_is_clearly_within_it() -> None:
    """At the limit it is not over it; a limit is left at a twentieth below."""
    alarms, told = LimitAlarms(), []
    for memory in (100, 512, 513, 512, 500, 487, 486, 600):
        told += [(memory, one.raised) for one in alarms.look("u", use(memory=memory), limits(memory_limit=512), NOON)]
    assert told == [(513, True), (486, False), (600, True)]
    (standing,) = alarms.of("u")
    assert standing.sentence == "notes: memory 600 MB, its limit is 512 MB" and standing.unit == "MB"


def test_one_that_the_kernel_holds_at_its_processor_limit_is_not_over_it() -> None:
    """It is counted in ticks, and so now and then a little over."""
    alarms = LimitAlarms()
    assert alarms.look("u", use(cpu=1.54), limits(cpu_limit=1.5), NOON) == []
    (raised,) = alarms.look("u", use(cpu=1.6), limits(cpu_limit=1.5), NOON)
    assert (raised.alarm.threshold, raised.alarm.unit) == (1.5, "cores")
    assert alarms.look("u", use(cpu=1.45), limits(cpu_limit=1.5), NOON) == []
    (cleared,) = alarms.look("u", use(cpu=1.4), limits(cpu_limit=1.5), NOON)
    assert not cleared.raised


def test_no_gpu_at_all_may_be_a_limit() -> None:
    """0 MB are none, and none of them are within it; who does not say is not judged."""
    alarms = LimitAlarms()
    assert alarms.look("u", use(), limits(gpu_limit=0), NOON) == []
    assert [one.raised for one in alarms.look("u", use(gpu=1), limits(gpu_limit=0), NOON)] == [True]
    assert [one.raised for one in alarms.look("u", use(gpu=0), limits(gpu_limit=0), NOON)] == [False]


def test_a_limit_that_is_raised_or_taken_away_ends_its_alarm() -> None:
    """And one that is lowered begins it; the instance is not told anew for another limit that it is over as well."""
    alarms, memory = LimitAlarms(), use(memory=600)
    assert [one.raised for one in alarms.look("u", memory, limits(memory_limit=500), NOON)] == [True]
    assert alarms.look("u", memory, limits(memory_limit=550), NOON) == []
    assert [one.raised for one in alarms.look("u", memory, limits(memory_limit=900), NOON)] == [False]
    assert [one.raised for one in alarms.look("u", memory, limits(memory_limit=100), NOON)] == [True]
    assert [one.raised for one in alarms.look("u", memory, limits(cpu_limit=1), NOON)] == [False]
    alarms.look("u", memory, limits(memory_limit=100), NOON)
    assert [one.raised for one in alarms.forget("u")] == [False] and not list(alarms.standing)


@pytest.mark.parametrize(
    ("constraints", "wanted"),
    [
        ({}, []),
        ({"cpu_percent_max": 50, "memory_percent_max": 60, "gpu_mem_free_min": 8}, []),
        ({"cpu_percent_max": 49}, ["cpu_percent_max"]),
        ({"memory_percent_max": 59, "gpu_mem_free_min": 8.1}, ["memory_percent_max", "gpu_mem_free_min"]),
    ],
)
def test_system_constraints_hold_or_are_named(constraints: dict[str, float], wanted: list[str]) -> None:
    """At the limit they hold. The GPU with the most free memory counts, since one has to do."""
    gpus = (
        Gpu(0, total_bytes=24 * GB, used_bytes=20 * GB),
        Gpu(1, total_bytes=16 * GB, used_bytes=8 * GB),
        Gpu(2, lost=True),
    )
    machine = a_machine(0.5, 0.6, 0.1, "one", 0, *gpus)
    assert [one.constraint for one in unmet(constraints, machine)] == wanted


def test_an_unmet_constraint_says_which_figure() -> None:
    """What there is, and what has to be."""
    (one,) = unmet({"gpu_mem_free_min": 2.0}, a_machine())
    assert one.sentence == "0 GB are free on the GPU with most of it, and gpu_mem_free_min is 2"
    sentences = [one.sentence for one in unmet({"cpu_percent_max": 80, "memory_percent_max": 5}, a_machine(0.914))]
    assert sentences == [
        "91.4 percent of the processors are busy, and cpu_percent_max is 80",
        "10 percent of the memory are in use, and memory_percent_max is 5",
    ]
