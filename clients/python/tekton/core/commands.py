"""The commands of a view: by their id, and by the instance they are for."""

from __future__ import annotations

from collections.abc import Iterator

from tekton.core.records import CommandChange, InstanceCommand


class Commands:
    """All commands that are remembered, ended ones among them; an instance's in the order in which they were posted."""

    def __init__(self) -> None:
        self._known: dict[str, InstanceCommand] = {}
        self._of: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[InstanceCommand]:
        return iter(self._known.values())

    def get(self, command_id: str) -> InstanceCommand | None:
        """Find a command by its id."""
        return self._known.get(command_id)

    def of(self, instance_uuid: str) -> list[InstanceCommand]:
        """List an instance's commands."""
        return [self._known[command_id] for command_id in self._of.get(instance_uuid, ())]

    def pending(self, instance_uuid: str) -> list[InstanceCommand]:
        """List those of an instance's commands that wait for its answer."""
        if instance_uuid not in self._of:
            return []
        return [command for command in self.of(instance_uuid) if command.pending]

    def apply(self, change: CommandChange) -> None:
        """Apply one change."""
        if change.new is not None:
            self._known[change.key] = change.new
            self._of.setdefault(change.new.instance_uuid, {})[change.key] = None
            return
        gone = self._known.pop(change.key, None)
        if gone is not None:
            left = self._of[gone.instance_uuid]
            del left[change.key]
            if not left:
                del self._of[gone.instance_uuid]
