"""The client of Tekton: register components, keep them alive, and find others.

async with TektonClient() as client:
    success, uuid = await client.register_component(registration)
    heartbeat = client.start_heartbeat(registration.component_id)
"""

from __future__ import annotations

from tekton._budget_lease import BudgetLease
from tekton._client import TektonClient
from tekton._commands import Command
from tekton._heartbeat_task import HeartbeatTask
from tekton._lease import LeaseLost
from tekton._peer import ComponentClient
from tekton._per_loop import PerLoop
from tekton._results import Lease, OperationResult, RegistrationResult, RegistryEvent
from tekton._routes import Route, RouteAttempt
from tekton.core.errors import (
    AlreadyExistsError,
    ComponentNotFoundError,
    ConflictError,
    InvalidTransitionError,
    ModelUnavailableError,
    NoLaunchSpecError,
    NoRouteError,
    RegistrationError,
    ResourceConstraintError,
    StaleSessionError,
    StartupError,
    TektonError,
    TektonTimeoutError,
    UnavailableError,
    ValidationError,
)
from tekton.core.lifecycle import ComponentRegistration
from tekton.core.records import Definition, Instance

__all__ = [
    "AlreadyExistsError",
    "BudgetLease",
    "Command",
    "ComponentClient",
    "ComponentNotFoundError",
    "ComponentRegistration",
    "ConflictError",
    "Definition",
    "HeartbeatTask",
    "Instance",
    "InvalidTransitionError",
    "Lease",
    "LeaseLost",
    "ModelUnavailableError",
    "NoLaunchSpecError",
    "NoRouteError",
    "OperationResult",
    "RegistrationError",
    "RegistrationResult",
    "RegistryEvent",
    "ResourceConstraintError",
    "Route",
    "RouteAttempt",
    "StaleSessionError",
    "StartupError",
    "TektonClient",
    "TektonError",
    "TektonTimeoutError",
    "UnavailableError",
    "ValidationError",
    "get_default_client",
    "set_default_client",
]

_defaults = PerLoop(TektonClient, TektonClient.close)
_chosen: TektonClient | None = None


def get_default_client() -> TektonClient:
    """Give the client that the documented functions use: one for each running event loop, closed when the loop ends.

    Raises:
        RuntimeError: no event loop runs.
    """
    return _chosen or _defaults.get()


def set_default_client(client: TektonClient | None) -> None:
    """Make the documented functions use this client, which stays the caller's to close; None: their own again."""
    global _chosen
    _chosen = client
