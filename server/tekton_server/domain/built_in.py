"""The built-in components: parts of Tekton itself that are always there, ready, and in no journal.

`tekton_core` is Tekton and stays so. `hermes` is what Tekton does in the place of a Hermes: once a real one registers,
that one is shown, and when it is removed the built-in is back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from tekton.core.errors import CORE_COMPONENT, AlreadyExistsError, RegistrationError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Definition, Instance

HERMES = "hermes"
_REASON = "built_in"
_PARTS = {
    CORE_COMPONENT: ("Tekton Core", ("component_registry", "component_lifecycle", "health_monitoring")),
    HERMES: ("Hermes", ("service_registry", "service_discovery", "event_bus")),
}
# Every Tekton names its parts alike, so that who moves from one server to another sees no other instance.
_NAMESPACE = uuid.UUID("5a3f1c7e-8d42-4f6b-9e10-74656b746f6e")


KEYS = frozenset(map(lookup_key, _PARTS))
UUIDS = frozenset(str(uuid.uuid5(_NAMESPACE, component_id)) for component_id in _PARTS)
CORE_UUID = str(uuid.uuid5(_NAMESPACE, CORE_COMPONENT))


def records(host: str, port: int, version: str, since: datetime) -> Iterator[tuple[Definition, Instance]]:
    """Give the built-in components, all at the address of this Tekton. Without a lease and without a revision."""
    for component_id, (name, capabilities) in _PARTS.items():
        definition = Definition(
            component_id=component_id,
            component_name=name,
            component_type="core",
            capabilities=capabilities,
            health_check="/api/health",
            metadata={"built_in": True},
            created_at=since,
            revision=0,
        )
        instance = Instance(
            instance_uuid=str(uuid.uuid5(_NAMESPACE, component_id)),
            component_id=component_id,
            version=version,
            host=host,
            port=port,
            state=ComponentState.READY,
            state_since=since,
            reason=_REASON,
            registered_at=since,
            ready_at=since,
            leased=False,
            granted=0,
            revision=0,
        )
        yield definition, instance


def check_registrable(component_id: str) -> None:
    """Refuse a registration under the id of what only Tekton can be.

    Raises:
        AlreadyExistsError: it is `tekton_core`.
    """
    if lookup_key(component_id) == lookup_key(CORE_COMPONENT):
        raise AlreadyExistsError(
            f"{CORE_COMPONENT} is Tekton itself and always there; use another component_id",
            details={"component_id": CORE_COMPONENT, "built_in": True},
        )


def stands_in(component_id: str) -> bool:
    """Tell whether a built-in component is there when the registry holds none of this id."""
    return lookup_key(component_id) in _PARTS


def refusal(component_id: str) -> RegistrationError:
    """Make the error for whoever wants to change or remove a built-in component, or to speak for it."""
    shown = lookup_key(component_id)
    remedy = (
        "register a component of your own under another component_id"
        if shown == CORE_COMPONENT
        else f"register a {shown} of your own, which takes its place"
    )
    message = f"{shown} is built into Tekton and cannot be changed or removed; {remedy}"
    violation = {"field": "component_id", "message": "is built into Tekton", "rule": _REASON}
    return RegistrationError(message, details={"component_id": shown, "violations": [violation]})
