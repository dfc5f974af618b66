"""The view as it will be: committed facts plus the changes of the commands decided before in the same batch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tekton.core.ids import lookup_key
from tekton.core.model_records import Budget, RegisteredModel
from tekton.core.records import ModelChange, RoutingChange
from tekton.core.view import (
    Address,
    Change,
    CommandChange,
    Constraints,
    ConstraintsChange,
    Definition,
    DefinitionChange,
    Instance,
    InstanceChange,
    InstanceCommand,
    Launch,
    View,
)


class Tombstone(NamedTuple):
    """What is remembered of an instance that was forgotten, so that its uuid never lives twice."""

    component_id: str
    reason: str


Tombstones = Mapping[str, Tombstone]


class Overlay:
    """A view to decide on. `revision` is the revision the next change would get."""

    def __init__(self, base: View, tombstones: Tombstones = MappingProxyType({})) -> None:
        self._base = base
        self._tombstones = tombstones
        self._definitions: dict[str, Definition | None] = {}
        self._instances: dict[str, Instance | None] = {}
        # Which instances this batch added to a component, in order, and which it removed at some time.
        self._added: dict[str, dict[str, None]] = {}
        self._removed: set[str] = set()
        self._addresses: dict[Address, str] = {}
        self._commands: dict[str, InstanceCommand | None] = {}
        # Which commands this batch gave to an instance, in order.
        self._posted: dict[str, dict[str, None]] = {}
        self._launches: dict[str, Launch | None] = {}
        self._models: dict[str, RegisteredModel | None] = {}
        self._budgets: dict[str, Budget | None] = {}
        self._constraints: dict[str, Constraints | None] = {}
        self.history_id = base.history_id
        self.revision = base.revision + 1

    def definition(self, component_id: str) -> Definition | None:
        """Find a definition by id."""
        key = lookup_key(component_id)
        if key in self._definitions:
            return self._definitions[key]
        return self._base.definition(component_id)

    def instance(self, instance_uuid: str) -> Instance | None:
        """Find an instance by uuid."""
        if instance_uuid in self._instances:
            return self._instances[instance_uuid]
        return self._base.instance(instance_uuid)

    def tombstone(self, instance_uuid: str) -> Tombstone | None:
        """Find what is remembered of a forgotten instance."""
        removed = self._instances.get(instance_uuid, ...)
        if removed is None:
            return Tombstone("", "removed")
        return self._tombstones.get(instance_uuid)

    def instances_of(self, component_id: str) -> list[Instance]:
        """List a component's instances, oldest first."""
        kept = (i.instance_uuid for i in self._base.instances_of(component_id) if i.instance_uuid not in self._removed)
        added = self._added.get(lookup_key(component_id), {})
        found = (self.instance(instance_uuid) for instance_uuid in (*kept, *added))
        return [instance for instance in found if instance is not None]

    def count_instances(self, component_id: str) -> int:
        """Count a component's instances; those that this batch removes still count."""
        key = lookup_key(component_id)
        return self._base.count_instances(key) + len(self._added.get(key, ()))

    def leased_at(self, address: Address) -> Instance | None:
        """Find the leased instance that listens at an address."""
        newer = self._addresses.get(address)
        instance = self._instances[newer] if newer is not None else None
        if instance is not None and instance.leased and instance.address == address:
            return instance
        known = self._base.leased_at(address)
        return known if known is None or known.instance_uuid not in self._instances else None

    def command(self, command_id: str) -> InstanceCommand | None:
        """Find a command by its id."""
        if command_id in self._commands:
            return self._commands[command_id]
        return self._base.commands.get(command_id)

    def commands_of(self, instance_uuid: str) -> list[InstanceCommand]:
        """List an instance's commands, oldest first."""
        known = (command.command_id for command in self._base.commands.of(instance_uuid))
        found = (self.command(one) for one in dict.fromkeys((*known, *self._posted.get(instance_uuid, ()))))
        return [command for command in found if command is not None]

    def model(self, model_id: str) -> RegisteredModel | None:
        """Find a registered model."""
        return self._models[model_id] if model_id in self._models else self._base.routing.models.get(model_id)

    def budget(self, key: str) -> Budget | None:
        """Find a budget by its key."""
        return self._budgets[key] if key in self._budgets else self._base.routing.budgets.get(key)

    @property
    def count_models(self) -> int:
        """At most how many models are registered: what this batch changes or removes counts once more."""
        return len(self._base.routing.models) + len(self._models)

    @property
    def count_budgets(self) -> int:
        """At most how many budgets are set: what this batch changes or removes counts once more."""
        return len(self._base.routing.budgets) + len(self._budgets)

    def constraints(self, component_id: str) -> Constraints | None:
        """Find what was said of what a component may use."""
        key = lookup_key(component_id)
        return self._constraints[key] if key in self._constraints else self._base.constraints.get(key)

    def launch(self, component_id: str) -> Launch | None:
        """Find the launch of a component."""
        key = lookup_key(component_id)
        return self._launches[key] if key in self._launches else self._base.launch(key)

    def accept(self, changes: tuple[Change, ...]) -> None:
        """Add one command's changes and move on to the next revision."""
        for change in changes:
            if isinstance(change, DefinitionChange):
                self._definitions[lookup_key(change.key)] = change.new
            elif isinstance(change, InstanceChange):
                self._accept_instance(change)
            elif isinstance(change, RoutingChange):
                self._accept_routing(change)
            elif isinstance(change, ConstraintsChange):
                self._constraints[lookup_key(change.key)] = change.new
            elif isinstance(change, CommandChange):
                self._accept_command(change)
            else:
                self._launches[lookup_key(change.key)] = change.new
        self.revision += 1

    def _accept_instance(self, change: InstanceChange) -> None:
        added = self._added.setdefault(lookup_key(change.component_id), {})
        if change.new is None:
            added.pop(change.key, None)
            self._removed.add(change.key)
        elif self.instance(change.key) is None:
            added[change.key] = None
        self._instances[change.key] = change.new
        if change.new is not None and change.new.leased and change.new.address:
            self._addresses[change.new.address] = change.key

    def _accept_routing(self, change: RoutingChange) -> None:
        if isinstance(change, ModelChange):
            self._models[change.key] = change.new
        else:
            self._budgets[change.key] = change.new

    def _accept_command(self, change: CommandChange) -> None:
        self._commands[change.key] = change.new
        if change.new is not None:
            self._posted.setdefault(change.new.instance_uuid, {})[change.key] = None
