"""Who can do something."""

from __future__ import annotations

from typing import Any

from tekton.client import TektonClient
from tekton.core.lifecycle import SERVING

_FIRST = [state.value for state in SERVING]


async def providers(client: TektonClient, capability: str) -> list[dict[str, Any]]:
    """List the components that have a capability, in whatever state: the ready ones, the degraded, then the others.

    Gives the objects of the documented list, each with its `status`.

    Raises:
        UnavailableError, TektonTimeoutError: Tekton could not be asked.
        ValidationError: the capability is no text.
    """
    rows = [row async for row in client.list_components(capability=capability)]
    return sorted(rows, key=lambda row: _FIRST.index(row["status"]) if row["status"] in _FIRST else len(_FIRST))
