"""How a component is: the state that is recorded, and what its last beat said of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tekton.client import TektonClient
from tekton.core.errors import ComponentNotFoundError

_OVERALL = "overall"


class ComponentHealth(NamedTuple):
    """A component at a glance.

    state, since, reason: what is recorded, since when (RFC 3339 in UTC), and why.
    overall: healthy, degraded, failed or unknown, as the state has it. parts: what the last beat said, by part.
    suspect: its stream has closed, and it has not missed its timeout yet.
    """

    component_id: str
    state: str
    overall: str
    parts: Mapping[str, str]
    since: str
    reason: str
    last_heartbeat: str
    suspect: bool


async def health_of(client: TektonClient, component_id: str) -> ComponentHealth | None:
    """Read a component's health; None where there is no such component.

    Raises:
        UnavailableError, TektonTimeoutError: Tekton could not be asked.
    """
    try:
        found = await client.get_component_status(component_id)
    except ComponentNotFoundError:
        return None
    told = dict(found["health_status"])
    return ComponentHealth(
        component_id=found["component_id"],
        state=found["status"],
        overall=told.pop(_OVERALL, "unknown"),
        parts=told,
        since=found["status_since"],
        reason=found["status_reason"],
        last_heartbeat=found["last_heartbeat"],
        suspect=found["suspect"],
    )
