"""What a server shows, made what it loads anew, as one commit: nobody who follows commits has to begin anew for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tekton.core.records import BudgetChange, ConstraintsChange, LaunchChange, ModelChange
from tekton.core.view import Cause, Change, CommandChange, Commit, DefinitionChange, InstanceChange, View

_CAUSE = Cause("reloaded")

RECORDS: Mapping[type[Change], Callable[[View], Mapping[str, Any]]] = {
    DefinitionChange: lambda view: {key: component.definition for key, component in view.components.items()},
    InstanceChange: lambda view: view.instances,
    CommandChange: lambda view: {command.command_id: command for command in view.commands},
    LaunchChange: lambda view: view.launches,
    ConstraintsChange: lambda view: view.constraints,
    ModelChange: lambda view: view.routing.models,
    BudgetChange: lambda view: view.routing.budgets,
}
"""The records of a view by the kind of change that puts them, in the order in which they are put."""


def difference(shown: View, loaded: View, at: datetime) -> Commit:
    """Give the commit that makes a view what another is, at the other's revision."""
    both = {kind: (records(shown), records(loaded)) for kind, records in RECORDS.items()}
    # Instances first: at the address of one that is gone another may live by now.
    changes: list[Change] = list(_gone(InstanceChange, *both[InstanceChange]))
    for kind, records in both.items():
        changes += sorted(_put(kind, *records), key=_holds_a_lease)
    for kind, records in reversed(both.items()):
        changes += () if kind is InstanceChange else _gone(kind, *records)
    return Commit(loaded.revision, at, tuple(changes))


def _holds_a_lease(change: Change) -> bool:
    """Whoever has ended goes before whoever has taken its address."""
    return isinstance(change, InstanceChange) and change.new is not None and change.new.leased


def _put(kind: type[Any], shown: Mapping[str, Any], loaded: Mapping[str, Any]) -> Iterator[Any]:
    for key, record in loaded.items():
        if (known := shown.get(key)) != record:
            yield kind(known, record, _CAUSE)


def _gone(kind: type[Any], shown: Mapping[str, Any], loaded: Mapping[str, Any]) -> Iterator[Any]:
    for key, record in shown.items():
        if key not in loaded:
            yield kind(record, None, _CAUSE)
