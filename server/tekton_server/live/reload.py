"""What a server shows, made what it loads anew, as one commit: nobody who follows commits has to begin anew for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tekton.core.records import BudgetChange, LaunchChange, ModelChange
from tekton.core.view import (
    Cause,
    Change,
    CommandChange,
    Commit,
    DefinitionChange,
    Instance,
    InstanceChange,
    View,
)

_CAUSE = Cause("reloaded")


def difference(shown: View, loaded: View, at: datetime) -> Commit:
    """Give the commit that makes a view what another is, at the other's revision."""
    definitions = [_definitions(view) for view in (shown, loaded)]
    changes: list[Change] = [
        *_put(DefinitionChange, *definitions),
        *_instances(shown, loaded),
        *_put(CommandChange, *({one.command_id: one for one in view.commands} for view in (shown, loaded))),
        *_put(LaunchChange, shown.launches, loaded.launches),
        *_put(ModelChange, shown.routing.models, loaded.routing.models),
        *_put(BudgetChange, shown.routing.budgets, loaded.routing.budgets),
        *_gone(CommandChange, *({one.command_id: one for one in view.commands} for view in (shown, loaded))),
        *_gone(LaunchChange, shown.launches, loaded.launches),
        *_gone(ModelChange, shown.routing.models, loaded.routing.models),
        *_gone(BudgetChange, shown.routing.budgets, loaded.routing.budgets),
        # Last: a component that goes takes nothing with it that is not gone already.
        *_gone(DefinitionChange, *definitions),
    ]
    return Commit(loaded.revision, at, tuple(changes))


def _instances(shown: View, loaded: View) -> Iterator[InstanceChange]:
    """Those that are gone or have ended first: others may live at their addresses now."""
    yield from _gone(InstanceChange, shown.instances, loaded.instances)
    put = list(_put(InstanceChange, shown.instances, loaded.instances))
    yield from sorted(put, key=lambda change: _leased(change.new))


def _leased(instance: Instance | None) -> bool:
    return instance is not None and instance.leased


def _definitions(view: View) -> Mapping[str, Any]:
    return {key: component.definition for key, component in view.components.items()}


def _put(change: Callable[..., Any], shown: Mapping[str, Any], loaded: Mapping[str, Any]) -> Iterator[Any]:
    for key, record in loaded.items():
        if (known := shown.get(key)) != record:
            yield change(known, record, _CAUSE)


def _gone(change: Callable[..., Any], shown: Mapping[str, Any], loaded: Mapping[str, Any]) -> Iterator[Any]:
    for key, record in shown.items():
        if key not in loaded:
            yield change(record, None, _CAUSE)
