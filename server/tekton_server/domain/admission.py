"""Whether a machine has what a start asks for. A limit counts as what is asked for, as in Kubernetes the limit of a
resource is its request where no other is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tekton.core.errors import ResourceConstraintError
from tekton.core.machine import MB, Machine
from tekton.core.resources import GPU_MEM_FREE_MIN, MEMORY_PERCENT_MAX, unmet
from tekton.core.view import Constraints


class Promised(NamedTuple):
    """What other starts under way were promised and have not taken yet, in MB."""

    memory: float = 0.0
    gpus: tuple[float, ...] = ()
    """Of the memory of GPUs, each of which has to fit on one."""


_NOTHING = Promised()


def check_start(
    component_id: str,
    constraints: Constraints | None,
    system: Mapping[str, float],
    machine: Machine,
    promised: Promised = _NOTHING,
) -> None:
    """Refuse a start that the machine cannot satisfy, naming every figure that is in its way.

    `system` are system constraints, see `tekton.core.resources.unmet`; that of GPUs is asked for what needs one only.

    Raises:
        ResourceConstraintError: `details.figures` has {figure, wanted, available, unit, message} for each.
    """
    violations = [*_of_machine(constraints, system, machine, promised), *_of_component(constraints, machine, promised)]
    if violations:
        sentence = "; ".join(str(one["message"]) for one in violations)
        raise ResourceConstraintError(
            f"{component_id} cannot be started on {machine.host}: {sentence}",
            details={"component_id": component_id, "host": machine.host, "figures": violations},
        )


def _of_machine(
    constraints: Constraints | None, system: Mapping[str, float], machine: Machine, promised: Promised
) -> Iterator[dict[str, Any]]:
    needs_gpu = constraints is not None and bool(constraints.gpu_limit)
    asked = {name: value for name, value in system.items() if needs_gpu or name != GPU_MEM_FREE_MIN}
    # As it will be with this one and those before it.
    memory = promised.memory + ((constraints and constraints.memory_limit) or 0.0)
    taken = machine.memory._replace(free_bytes=max(0, machine.memory.free_bytes - round(memory * MB)))
    for one in unmet(asked, machine._replace(memory=taken)):
        unit, said = "GB" if one.constraint == GPU_MEM_FREE_MIN else "percent", one.sentence
        if memory and one.constraint == MEMORY_PERCENT_MAX:
            said = said.replace("are in use", "would be in use", 1)
        yield _violation(one.constraint, one.wanted, one.found, unit, said)


def _of_component(constraints: Constraints | None, machine: Machine, promised: Promised) -> Iterator[dict[str, Any]]:
    if constraints is None:
        return
    cores, free = len(machine.cpu.per_core), machine.memory.free_bytes / MB - promised.memory
    free_gpu = _free_on_a_gpu(machine, promised)
    for name, wanted, available, unit, what in (
        ("cpu_limit", constraints.cpu_limit, cores, "cores", "there are"),
        ("memory_limit", constraints.memory_limit, free, "MB", "free are"),
        ("gpu_limit", constraints.gpu_limit, free_gpu, "MB", "free on a GPU are"),
    ):
        if wanted is not None and wanted > max(0.0, available):
            said = f"{name} is {_told(wanted)} {unit}, and {what} {_told(max(0.0, available))}"
            yield _violation(name, wanted, max(0.0, available), unit, said)


def _free_on_a_gpu(machine: Machine, promised: Promised) -> float:
    """Give what is free on the GPU with most of it, in MB: what was promised takes from where most was before."""
    free = [gpu.free_bytes / MB for gpu in machine.gpus if gpu.free_bytes is not None] or [0.0]
    for one in sorted(promised.gpus, reverse=True):
        free[free.index(max(free))] -= one
    return max(free)


def _told(number: float) -> str:
    return f"{round(number, 2):.12g}"


def _violation(figure: str, wanted: float, available: float, unit: str, message: str) -> dict[str, Any]:
    return {
        "figure": figure,
        "wanted": wanted,
        "available": round(available, 3),
        "unit": unit,
        "message": message,
    }
