"""What each instance of a component may use: said by an operator, and what follows for one that uses more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from tekton.core.errors import ValidationError
from tekton.core.view import Cause, Constraints, ConstraintsChange, Instance
from tekton_server.domain import instances, limits
from tekton_server.domain.commands import Decision, JudgeUse, SetConstraints
from tekton_server.domain.overlay import Overlay
from tekton_server.domain.revisions import check_revision
from tekton_server.domain.validation import Violation, refuse, violation

LIMITS = ("cpu_limit", "memory_limit", "gpu_limit")
OVER_LIMIT = "resource_limit"
WITHIN = "resource_limit_over"
_MOST = {"cpu_limit": limits.CORES, "memory_limit": limits.MEMORY_MB, "gpu_limit": limits.MEMORY_MB}


def set_constraints(view: Overlay, command: SetConstraints, now: datetime) -> Decision:
    """Decide what a component may use; saying the same again takes no revision.

    Raises:
        ValidationError: a limit cannot be.
        ComponentNotFoundError, RegistrationError: there is no such component, or it is a part of Tekton.
        ConflictError: `expected_revision` does not match.
    """
    refuse(ValidationError, list(_wrong(command)))
    definition = view.definition(command.component_id)
    if definition is None:
        raise instances.absent(command.component_id)
    old = view.constraints(command.component_id)
    check_revision(old, command.expected_revision, "the constraints are at", "them")
    new = Constraints(
        component_id=definition.component_id,
        cpu_limit=command.cpu_limit,
        memory_limit=command.memory_limit,
        gpu_limit=command.gpu_limit,
        updated_at=now,
        revision=view.revision,
    )
    if all(getattr(new, name) == getattr(old, name, None) for name in LIMITS):
        return Decision((), old or Constraints(component_id=definition.component_id, updated_at=now, revision=0))
    return Decision((ConstraintsChange(old, new, Cause("set")),), new)


def _wrong(command: SetConstraints) -> Iterator[Violation]:
    for name, most in _MOST.items():
        value = getattr(command, name)
        if value is None:
            continue
        least = "from 0" if name == "gpu_limit" else "over 0"
        fits = math.isfinite(value) and (0 < value <= most or (value == 0 and name == "gpu_limit"))
        if not fits:
            yield violation(name, f"must be a number {least} to {most}", "range", limit=most)
    if command.expected_revision is not None and command.expected_revision < 0:
        yield violation("expected_revision", "must not be negative", "range", limit=0)


def removed(view: Overlay, component_id: str, cause: Cause) -> list[ConstraintsChange]:
    """Forget what a component may use, with the component."""
    old = view.constraints(component_id)
    return [] if old is None else [ConstraintsChange(old, None, cause)]


def uses_too_much(instance: Instance) -> bool:
    """Whether an instance is degraded for what it uses, and for nothing that it says of itself."""
    return instances.degraded_for(instance, OVER_LIMIT)


def judge(view: Overlay, command: JudgeUse, now: datetime) -> Decision:
    """Degrade a ready instance that uses too much, or bring one back that was degraded so and uses less."""
    worse, better = (Cause(reason, evidence=command.evidence) for reason in (OVER_LIMIT, WITHIN))
    found = instances.Judgement(command.instance_uuid, command.granted, command.over, worse, better)
    return Decision(instances.judge(view, found, now), None)
