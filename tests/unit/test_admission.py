"""Whether a machine has what a start asks for; a start that cannot be satisfied says which figures are in its way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tekton.core.errors import ResourceConstraintError
from tekton.core.machine import GB, Gpu
from tekton.core.records import ConstraintsChange
from tekton.core.view import Cause, Constraints, View
from tekton_server.domain.admission import Promised, check_start
from tekton_server.domain.usage import Usage
from tekton_server.live.resources.admission import PROMISED_FOR, Admission
from tekton_server.live.resources.machines import Machines
from tests.unit.test_alarms import NOON, a_machine


def limits(component_id: str = "notes", **given: float) -> Constraints:
    """What an instance may use."""
    return Constraints(component_id=component_id, updated_at=NOON, revision=1, **given)


def refused(
    constraints: Constraints | None, system: dict[str, float], machine: Any, *more: Promised
) -> list[dict[str, Any]]:
    """Expect a refusal, and give what it names."""
    with pytest.raises(ResourceConstraintError) as caught:
        check_start("notes", constraints, system, machine, *more)
    assert (caught.value.number, caught.value.http_status) == (1007, 422)
    violations: list[dict[str, Any]] = caught.value.details["figures"]
    assert all(one["message"] in caught.value.message for one in violations)
    return violations


def test_without_constraints_everything_can_be_started() -> None:
    """On a machine that is as full as can be."""
    check_start("notes", None, {}, a_machine(1, 1, 1))
    check_start("notes", limits(), {}, a_machine(1, 1, 1))


def test_what_the_machine_does_not_have_is_named_with_what_it_has() -> None:
    """Each figure of its own."""
    machine = a_machine(0.1, 0.9, 0.1, "one", 0, Gpu(0, total_bytes=8 * GB, used_bytes=6 * GB))
    found = refused(limits(cpu_limit=2, memory_limit=20 * 1024, gpu_limit=4096), {}, machine)
    assert [(one["figure"], one["wanted"], one["available"], one["unit"]) for one in found] == [
        ("cpu_limit", 2, 1, "cores"), ("memory_limit", 20480, 10240, "MB"), ("gpu_limit", 4096, 2048, "MB")
    ]  # fmt: skip
    assert found[1]["message"] == "memory_limit is 20480 MB, and free are 10240"
    check_start("notes", limits(cpu_limit=1, memory_limit=10240, gpu_limit=2048), {}, machine)


def test_system_constraints_are_asked_of_every_start() -> None:
    """With what the start will take of the memory; a GPU only where one is needed."""
    system = {"cpu_percent_max": 80.0, "memory_percent_max": 50.0, "gpu_mem_free_min": 2.0}
    check_start("notes", None, system, a_machine(0.8, 0.5))
    assert [one["figure"] for one in refused(None, system, a_machine(0.81, 0.51))] == [
        "cpu_percent_max", "memory_percent_max"
    ]  # fmt: skip
    (one,) = refused(limits(memory_limit=1024), system, a_machine(0.1, 0.495))
    assert (one["figure"], one["available"], one["unit"]) == ("memory_percent_max", 50.5, "percent")
    assert one["message"] == "50.5 percent of the memory would be in use, and memory_percent_max is 50"
    (now,) = refused(None, system, a_machine(0.1, 0.51))
    assert now["message"] == "51 percent of the memory are in use, and memory_percent_max is 50"
    check_start("notes", limits(gpu_limit=0), system, a_machine())
    assert [one["figure"] for one in refused(limits(gpu_limit=1), system, a_machine())] == [
        "gpu_mem_free_min",
        "gpu_limit",
    ]


@given(st.floats(0, 1), st.floats(0.1, 200_000), st.floats(0, 200_000))
def test_what_is_admitted_fits_beside_what_was_promised(used: float, wanted: float, promised: float) -> None:
    """Whatever the figures are."""
    machine = a_machine(memory=used)
    try:
        check_start("notes", limits(memory_limit=wanted), {}, machine, Promised(promised))
    except ResourceConstraintError:
        assert wanted > machine.memory.free_bytes / 2**20 - promised
    else:
        assert wanted + promised <= machine.memory.free_bytes / 2**20 * (1 + 1e-9)


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_starts_that_follow_each_other_do_not_count_on_the_same_memory() -> None:
    """Until the figures show what the first one took; a start that is asked for again counts once."""
    view, clock = View(), Clock()
    for name in ("one", "two"):
        view.apply(ConstraintsChange(None, limits(name, memory_limit=6 * 1024), Cause("set")))
    machines = Machines(10, 3600, clock)
    admission = Admission(view, machines, {}, clock)
    admission.admit("one")  # nothing has been read, so that nothing is asked
    machines.take(a_machine(memory=0.9), {})
    admission.admit("one")
    admission.admit("one")
    with pytest.raises(ResourceConstraintError, match="free are 4096"):
        admission.admit("two")
    admission.admit("other")
    clock.now += PROMISED_FOR + 1
    admission.admit("two")


def test_what_was_promised_and_is_taken_by_now_counts_once() -> None:
    """The free memory has it already, long before the promise ends."""
    view, used = View(), {}
    for name in ("one", "two"):
        view.apply(ConstraintsChange(None, limits(name, memory_limit=6 * 1024, gpu_limit=20 * 1024), Cause("set")))
    machines = Machines(10, 3600)
    admission = Admission(view, machines, {}, used=used.get)
    card = Gpu(0, total_bytes=44 * GB, used_bytes=0)
    machines.take(a_machine(0.1, 0.9, 0.1, "one", 0, card), {})
    admission.admit("one")
    with pytest.raises(ResourceConstraintError, match="free are 4096"):
        admission.admit("two")
    used["one"] = Usage(rss_bytes=6.0 * GB, gpu_bytes=20.0 * GB)
    machines.take(a_machine(0.1, 0.935, 0.1, "one", 10, card._replace(used_bytes=20 * GB)), {})
    admission.admit("two")


def test_what_was_promised_on_one_gpu_is_free_on_another() -> None:
    """As long as there is another that has it."""
    cards = [Gpu(number, total_bytes=24 * GB, used_bytes=0) for number in range(2)]
    machine = a_machine(0.1, 0.1, 0.1, "one", 0, *cards)
    check_start("notes", limits(gpu_limit=20 * 1024), {}, machine, Promised(0.0, (20 * 1024.0,)))
    (one,) = refused(limits(gpu_limit=20 * 1024), {}, machine, Promised(0.0, (20 * 1024.0, 20 * 1024.0)))
    assert (one["figure"], one["available"]) == ("gpu_limit", 4 * 1024)


def test_one_busy_moment_does_not_forbid_a_start() -> None:
    """The processors count over the last minute."""
    view, machines = View(), Machines(10, 3600)
    admission = Admission(view, machines, {"cpu_percent_max": 80.0})
    for second, busy in enumerate([0.1, 0.2, 1.0]):
        machines.take(a_machine(busy, at=10 * second), {})
    admission.admit("notes")
    for second in range(3, 9):
        machines.take(a_machine(1.0, at=10 * second), {})
    with pytest.raises(ResourceConstraintError, match="cpu_percent_max is 80"):
        admission.admit("notes")


def test_old_figures_forbid_no_start() -> None:
    """A machine that cannot be read any more is asked nothing, whatever was read of it last."""
    view, clock = View(), Clock()
    machines = Machines(10, 3600, clock)
    admission = Admission(view, machines, {"memory_percent_max": 50.0}, clock)
    machines.take(a_machine(memory=0.9), {})
    with pytest.raises(ResourceConstraintError, match="memory_percent_max is 50"):
        admission.admit("notes")
    clock.now += 31
    admission.admit("notes")


@pytest.mark.parametrize(("interval", "history"), [(10, 3600), (10, 86400), (0.1, 60), (0.1, 86400), (3600, 60)])
def test_the_past_goes_back_as_far_as_is_configured(interval: float, history: float) -> None:
    """In so many points at most, which are further apart where it goes back far."""
    machines = Machines(interval, history)
    for reading in range(round(1.2 * history / interval) + 2):
        machines.take(a_machine(at=reading * interval), {})  # type: ignore[arg-type]
    span = (machines.points[-1].at - machines.points[0].at).total_seconds()
    assert len(machines.points) <= 3600 and span == pytest.approx(history, rel=0.02, abs=2 * interval)
