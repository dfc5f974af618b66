"""What a view knows of routing: the models that were registered, and the budgets that were set."""

from __future__ import annotations

from typing import TypeVar

from tekton.core.model_records import Budget, RegisteredModel
from tekton.core.records import ModelChange, RoutingChange

_R = TypeVar("_R")


class RoutingRecords:
    """Models by their ids and budgets by their keys, each in order of registration; `changes` grows with every one."""

    def __init__(self) -> None:
        self.models: dict[str, RegisteredModel] = {}
        self.budgets: dict[str, Budget] = {}
        self.changes = 0

    def apply(self, change: RoutingChange) -> None:
        """Apply one change."""
        self.changes += 1
        if isinstance(change, ModelChange):
            put(self.models, change.key, change.new)
        else:
            put(self.budgets, change.key, change.new)


def put(records: dict[str, _R], key: str, record: _R | None) -> None:
    """Keep a record in the place of the one before; None forgets that."""
    if record is None:
        records.pop(key, None)
    else:
        records[key] = record
