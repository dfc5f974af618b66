"""Waiting for a started component to be ready: as long as its specification gives it, or as it says itself."""

from __future__ import annotations

from tekton.core.errors import StartupError, TektonError, TektonTimeoutError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import SERVING, ComponentState
from tekton.core.view import Launch, LaunchPhase
from tekton_server.domain.launch_spec import STARTUP_TIMEOUT
from tekton_server.domain.startup import deadline
from tekton_server.live.lifecycle import endings
from tekton_server.live.lifecycle.bells import Bells
from tekton_server.live.lifecycle.site import Site

_UNDER_WAY = (LaunchPhase.CLAIMED, LaunchPhase.RUNNING)


async def wait(site: Site, bells: Bells, component_id: str, instance_uuid: str) -> None:
    """Wait until an instance is ready or degraded.

    Raises:
        StartupError: it ended, or said that it failed.
        ConflictError: somebody stopped it meanwhile.
        TektonTimeoutError: its time is over.
    """
    first = site.launch(component_id)
    left = _Left(site, component_id, instance_uuid, first)
    found = await bells.until(component_id, lambda: _seen(site, component_id, instance_uuid), left)
    if found is None:
        raise TektonTimeoutError(
            f"{component_id} was not ready within {left.given:g} s of its start; it runs on",
            component_id,
            details={"component_id": component_id, "instance_uuid": instance_uuid, "startup_timeout": left.given},
        )
    if isinstance(found, Launch):
        if first is not None and first.instance_uuid == instance_uuid:
            raise await endings.not_started(site, first, found)
        raise await endings.ended_early(site, found, found)
    if isinstance(found, TektonError):
        raise found


def _seen(site: Site, component_id: str, instance_uuid: str) -> bool | Launch | StartupError | None:
    """Give True where it is ready, the launch or the error that says that it will not be, None where it may be yet."""
    launch, instance = site.launch(component_id), site.view.instance(instance_uuid)
    if instance is not None and lookup_key(instance.component_id) != lookup_key(component_id):
        # It has registered as another component, which makes this one no readier.
        instance = None
    if instance is not None and instance.leased and instance.state in SERVING:
        return True
    if launch is not None and (launch.instance_uuid != instance_uuid or launch.phase not in _UNDER_WAY):
        return launch
    if instance is not None and instance.state in (ComponentState.FAILED, ComponentState.STOPPED):
        said = f"{component_id} is {instance.state}: {instance.reason}"
        details = {"component_id": component_id, "instance_uuid": instance_uuid, "reason": instance.reason}
        return StartupError(said, component_id, details=details)
    return None


class _Left:
    """How long it still has, in seconds: it may ask for more."""

    def __init__(self, site: Site, component_id: str, instance_uuid: str, launch: Launch | None) -> None:
        component = site.fleet.get(lookup_key(component_id))
        self.given = component.spec.startup_timeout if component else STARTUP_TIMEOUT
        self._site = site
        self._instance_uuid = instance_uuid
        clock = site.leases.now()
        gone = max(0.0, (site.now() - launch.since).total_seconds()) if launch is not None else 0.0
        self._began = clock - min(gone, self.given)

    def __call__(self) -> float:
        asked_until = self._site.extensions.until(self._instance_uuid)
        return deadline(self._began, self.given, asked_until) - self._site.leases.now()
