"""Registering a component, as the integration guide shows it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from tekton._log import log_failure
from tekton._results import RegistrationResult
from tekton.client import get_default_client
from tekton.core.errors import TektonError
from tekton.core.lifecycle import ComponentRegistration

__all__ = ["register_with_tekton"]


async def register_with_tekton(
    component_id: str,
    component_name: str,
    component_type: str,
    version: str,
    capabilities: Collection[str] | None = None,
    dependencies: Collection[str] | None = None,
    host: str | None = None,
    port: int = 0,
    health_check: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> RegistrationResult:
    """Register this process as an instance and keep it alive from now on: `success, instance_uuid = await ...`.

    capabilities, dependencies: names, in a list or any other collection that can be read twice.
    host, port: where the component listens; host is localhost by default. The beats come from a thread of their own and
    go on until `deregister_component`, the end of the process, or a newer instance.

    Gives (False, None) when an argument cannot be sent, Tekton refuses, or does not answer; `error` and `message` of
    the result say why.
    """
    client = get_default_client()
    try:
        registration = ComponentRegistration(
            component_id=component_id,
            component_name=component_name,
            component_type=component_type,
            version=version,
            # Taken as they are: what is wrong with them is told together with all the rest.
            capabilities=[] if capabilities is None else cast(list[str], capabilities),
            dependencies=[] if dependencies is None else cast(list[str], dependencies),
            host="localhost" if host is None else host,
            port=port,
            health_check="" if health_check is None else health_check,
            metadata={} if metadata is None else metadata,
        )
        result = await client.register_component(registration)
    except TektonError as error:
        result = RegistrationResult.refused(error)
    if result.instance_uuid is not None:
        client.keep_alive(component_id, result.instance_uuid)
    elif result.error is not None:
        log_failure("register", component_id, result.error)
    return result
