"""Which components a watcher wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tekton.core.ids import lookup_key
from tekton.core.view import Definition
from tekton_server.services import read

# An item is a text of at most 128 characters, and its place in a set.
_ITEM_BYTES = 256


class _Selective(Protocol):
    @property
    def component_ids(self) -> Sequence[str]: ...
    @property
    def component_types(self) -> Sequence[str]: ...


class Selector(NamedTuple):
    """A filter on definitions; an empty set keeps everything."""

    keys: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()

    @classmethod
    def of(cls, request: _Selective) -> Selector:
        """Read a watch request.

        Raises:
            ValidationError: naming the list, see `read.selection`.
        """
        return cls(
            frozenset(lookup_key(one) for one in read.selection("component_ids", request.component_ids)),
            read.selection("component_types", request.component_types),
            read.selection("capabilities", getattr(request, "capabilities", ())),
        )

    @property
    def all(self) -> bool:
        """Whether everything passes."""
        return not (self.keys or self.types or self.capabilities)

    @property
    def weight(self) -> int:
        """What the filter holds in memory, in bytes, roughly."""
        return _ITEM_BYTES * (len(self.keys) + len(self.types) + len(self.capabilities))

    def wants(self, definition: Definition | None) -> bool:
        """Tell whether a component passes."""
        if self.all:
            return True
        return (
            definition is not None
            and (not self.keys or lookup_key(definition.component_id) in self.keys)
            and (not self.types or definition.component_type in self.types)
            and (not self.capabilities or not self.capabilities.isdisjoint(definition.capabilities))
        )
