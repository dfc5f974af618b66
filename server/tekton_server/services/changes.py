"""What a commit, or the present, is for one watcher: the events that its filter lets through."""

from __future__ import annotations

from collections.abc import Iterator

from tekton.core.ids import lookup_key
from tekton.core.view import (
    Cause,
    Component,
    Definition,
    DefinitionChange,
    Instance,
    InstanceChange,
    RegistryChange,
    View,
)
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb
from tekton_server.live.fanout import Folded
from tekton_server.services import convert
from tekton_server.services.selector import Selector

_LOADED = Cause("snapshot")
_BACK = Cause("built_in")


def present(view: View, selector: Selector) -> Iterator[RegistryChange]:
    """Give every record of a snapshot."""
    for component in view.all():
        if selector.wants(component.definition):
            yield from _shown(component, _LOADED)


def registry_events(folded: Folded, selector: Selector, view: View) -> Iterator[registry_pb.RegistryEvent]:
    """Give the changes of a commit; what leaves the filter is removed, what enters it comes with all its records."""
    revision = folded.commit.revision
    told = list(_standing(folded))
    for position, (change, standing) in enumerate(told):
        if isinstance(change, DefinitionChange):
            following = {later.key for later, _ in told[position:] if isinstance(later, InstanceChange)}
            neighbours = [
                one
                for one in folded.entering.get(lookup_key(change.key), ())
                if one.instance_uuid not in following  # whose own change follows in this very commit
            ]
            yield from _definition_events(revision, change, neighbours, selector, view)
        elif selector.wants(standing):
            yield convert.registry_event(change, revision, view.history_id)


def _standing(folded: Folded) -> Iterator[tuple[RegistryChange, Definition | None]]:
    """Give the changes of a commit, each with its component's definition as it stands at that place in the commit.

    Other kinds are not watched: a commit of nothing else has no events, and its revision is told by the next bookmark.
    """
    standing = dict[str, Definition | None](folded.definitions)
    for change in reversed(folded.commit.changes):
        if isinstance(change, DefinitionChange):
            standing[lookup_key(change.key)] = change.old
    for change in folded.commit.changes:
        if isinstance(change, DefinitionChange):
            standing[lookup_key(change.key)] = change.new
            yield change, change.new
        elif isinstance(change, InstanceChange):
            yield change, standing.get(lookup_key(change.component_id))


def _definition_events(
    revision: int, change: DefinitionChange, neighbours: list[Instance], selector: Selector, view: View
) -> Iterator[registry_pb.RegistryEvent]:
    history_id = view.history_id
    was, wanted = _wanted(selector, change.old), _wanted(selector, change.new)
    built_in = _built_in(change, selector, view)
    if built_in is not None and change.new is not None:
        yield from _hidden(built_in, change, revision, history_id, stays=wanted)
    if wanted or (was and change.new is None):
        yield convert.registry_event(change, revision, history_id)
    if wanted and change.old is not None and not was:
        for instance in neighbours:
            yield convert.registry_event(InstanceChange(None, instance, change.cause), revision, history_id)
    if was and change.new is not None and change.old is not None and not wanted:
        for instance in neighbours:
            yield convert.left_filter(instance, revision, history_id)
        yield convert.left_filter(change.old, revision, history_id)
    if built_in is not None and change.new is None:
        for record in _shown(built_in, _BACK):
            yield convert.registry_event(record, revision, history_id)


def _built_in(change: DefinitionChange, selector: Selector, view: View) -> Component | None:
    """Find the built-in component that comes or goes, for this watcher, as a registered one of its id goes or comes."""
    if change.old is not None and change.new is not None:
        return None
    found = view.built_in.get(lookup_key(change.key))
    return found if found is not None and selector.wants(found.definition) else None


def _hidden(
    built_in: Component, change: DefinitionChange, revision: int, history_id: str, *, stays: bool
) -> Iterator[registry_pb.RegistryEvent]:
    """The registered one takes the place: its definition replaces the built-in one where the watcher gets to see it."""
    for instance in built_in.instances.values():
        yield convert.registry_event(InstanceChange(instance, None, change.cause), revision, history_id)
    if not stays:
        gone = DefinitionChange(built_in.definition, None, change.cause)
        yield convert.registry_event(gone, revision, history_id)


def _shown(component: Component, cause: Cause) -> Iterator[RegistryChange]:
    yield DefinitionChange(None, component.definition, cause)
    for instance in component.instances.values():
        yield InstanceChange(None, instance, cause)


def _wanted(selector: Selector, definition: Definition | None) -> bool:
    return definition is not None and selector.wants(definition)


def state_changes(folded: Folded, selector: Selector) -> Iterator[lifecycle_pb.StateChange]:
    """Give the state changes of a commit."""
    for change, standing in _standing(folded):
        if isinstance(change, InstanceChange) and selector.wants(standing):
            message = convert.state_change(change, folded.commit.revision, folded.commit.recorded_at)
            if message is not None:
                yield message
