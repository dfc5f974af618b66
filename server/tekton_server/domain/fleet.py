"""What an operator has said of a component that Tekton starts: what it is, and how it is started."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tekton.core.ids import lookup_key
from tekton.core.view import Definition
from tekton_server.domain.launch_spec import LaunchSpec


def needs_together(configured: Sequence[str], declared: Sequence[str]) -> tuple[str, ...]:
    """Join what an operator says that a component needs and what it says itself, each once, the operator's first."""
    return tuple({lookup_key(one): one for one in (*configured, *declared)}.values()) if configured else tuple(declared)


class FleetComponent(msgspec.Struct, frozen=True, kw_only=True):
    """A component of components.json that has a launch specification; `dependencies` are those of all the files."""

    component_id: str
    component_name: str
    component_type: str
    capabilities: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    health_check: str = ""
    metadata: dict[str, Any] = {}
    spec: LaunchSpec

    def definition(self, now: datetime, revision: int) -> Definition:
        """Make the definition by which it is seen until it registers itself."""
        return Definition(
            component_id=self.component_id,
            component_name=self.component_name,
            component_type=self.component_type,
            capabilities=self.capabilities,
            dependencies=self.dependencies,
            health_check=self.health_check,
            metadata=self.metadata,
            created_at=now,
            revision=revision,
        )
