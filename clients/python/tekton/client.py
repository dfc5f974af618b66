"""The client of Tekton: register components, keep them alive, and find others.

    async with TektonClient() as client:
        success, uuid = await client.register_component(registration)
        heartbeat = client.start_heartbeat(registration.component_id)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from tekton import _convert, _watch
from tekton._calls import Calls
from tekton._channel import Target
from tekton._heart import heart_of
from tekton._heartbeat_task import HeartbeatTask, on_this_loop
from tekton._lease import KeptLease, LeaseLost, Phase
from tekton._peer import ComponentClient
from tekton._per_loop import PerLoop
from tekton._registry import WatchedRegistry
from tekton._results import Lease, RegistrationResult, RegistryEvent
from tekton.core.errors import (
    AlreadyExistsError,
    ComponentNotFoundError,
    ConflictError,
    InvalidTransitionError,
    RegistrationError,
    StaleSessionError,
    TektonError,
    TektonTimeoutError,
    UnavailableError,
    ValidationError,
)
from tekton.core.ids import lookup_key, new_uuid
from tekton.core.lifecycle import SERVING, ComponentRegistration, ComponentState
from tekton.v1 import component_pb2, heartbeat_service_pb2, lifecycle_service_pb2, registry_service_pb2

__all__ = [
    "AlreadyExistsError",
    "ComponentClient",
    "ComponentNotFoundError",
    "ComponentRegistration",
    "ConflictError",
    "HeartbeatTask",
    "InvalidTransitionError",
    "Lease",
    "LeaseLost",
    "RegistrationError",
    "RegistrationResult",
    "RegistryEvent",
    "StaleSessionError",
    "TektonClient",
    "TektonError",
    "TektonTimeoutError",
    "UnavailableError",
    "ValidationError",
    "get_default_client",
    "set_default_client",
]

_SERVING = frozenset(state.value for state in SERVING)
