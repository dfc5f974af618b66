"""A task that wants a model: what it must have, what it would like, and what cannot be asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from tekton.core.errors import ValidationError
from tekton_server.domain import limits
from tekton_server.domain.validation import Violation, refuse, violation, wrong_items, wrong_text


class Complexity(StrEnum):
    """How hard a task is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


TIERS: Mapping[Complexity, int] = {Complexity.LOW: 1, Complexity.MEDIUM: 2, Complexity.HIGH: 3}
"""The tier that a complexity calls for."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task. Lengths are in tokens: of what is sent, and of what is to come back.

    Hard, so that no model is chosen that misses one: the lengths, `capabilities`, `min_tier`, `providers` (any where
    there are none) and those excluded, and `max_cost` in US dollars. Soft: the tier that the complexity calls for,
    `task_type` as a capability, and what is preferred. Without `fallback` the tier of the complexity is hard, and a
    model that is cooling down is not taken for want of others.
    """

    task_type: str
    complexity: Complexity = Complexity.MEDIUM
    context_length: int = 0
    output_tokens: int = 0
    capabilities: tuple[str, ...] = ()
    min_tier: int = 0
    max_cost: float | None = None
    providers: tuple[str, ...] = ()
    exclude_providers: tuple[str, ...] = ()
    exclude_models: tuple[str, ...] = ()
    preferred_capabilities: tuple[str, ...] = ()
    preferred_providers: tuple[str, ...] = ()
    max_latency_ms: float | None = None
    fallback: bool = True

    @property
    def tier(self) -> int:
        """The tier that its complexity calls for."""
        return TIERS[self.complexity]


def check_task(task: Task) -> None:
    """Refuse a task that is malformed, naming every field that is wrong.

    Raises:
        ValidationError: naming the fields.
    """
    refuse(ValidationError, list(_malformed(task)))


def _malformed(task: Task) -> Iterator[Violation]:
    if not task.task_type.strip():
        yield violation("task_type", "is required", "required")
    yield from wrong_text("task_type", task.task_type, limits.ITEM_CHARS)
    for name in ("context_length", "output_tokens"):
        if getattr(task, name) < 0:
            yield violation(name, "must not be negative", "range", limit=0)
    if not 0 <= task.min_tier <= limits.TIERS:
        sentence = f"must be between 1 and {limits.TIERS}, or 0 for any"
        yield violation("requirements.min_tier", sentence, "range", limit=limits.TIERS)
    for name, number in (("max_cost", task.max_cost), ("max_latency_ms", task.max_latency_ms)):
        if number is not None and not (math.isfinite(number) and number >= 0):
            yield violation(f"requirements.{name}", "must be a finite number and not negative", "range", limit=0)
    for name in (
        "capabilities", "providers", "exclude_providers", "exclude_models", "preferred_capabilities",
        "preferred_providers",
    ):  # fmt: skip
        yield from wrong_items(f"requirements.{name}", getattr(task, name), limits.MODEL_ID_CHARS)
