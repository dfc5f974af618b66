"""Finding and calling other components."""

from __future__ import annotations

from tekton._peer import ComponentClient
from tekton.client import get_default_client

__all__ = ["ComponentClient", "find_component", "find_components_by_capability"]


async def find_component(component_id: str) -> ComponentClient | None:
    """Find a component that is ready or degraded; None when Tekton says that there is none.

    Raises:
        UnavailableError, TektonTimeoutError: Tekton could not be asked.
        ValidationError: the argument is no text.
    """
    return await get_default_client().find_component(component_id)


async def find_components_by_capability(capability: str) -> list[ComponentClient]:
    """List the components that have a capability: the ready ones, then the degraded.

    Raises:
        UnavailableError, TektonTimeoutError: Tekton could not be asked.
        ValidationError: the argument is no text.
    """
    return await get_default_client().find_components_by_capability(capability)
