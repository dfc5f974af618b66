"""Waiting until a component can be used, whoever starts it."""

from __future__ import annotations

import math

from tekton.core.errors import TektonError, TektonTimeoutError
from tekton.core.view import View
from tekton_server.domain.inventory import launched, serving
from tekton_server.domain.startup import deadline
from tekton_server.live.extensions import Extensions
from tekton_server.live.lease import Clock
from tekton_server.live.lifecycle.bells import Bells


class Readiness:
    """Watches components. Their time is given by whoever waits, and extended by themselves."""

    def __init__(self, view: View, bells: Bells, extensions: Extensions, now: Clock) -> None:
        self._view = view
        self._bells = bells
        self._extensions = extensions
        self._now = now

    async def wait(self, component_id: str, timeout: float, ended: TektonError | None = None) -> None:
        """Wait until a component is ready or degraded, `timeout` seconds, or as many more as it asks for.

        `ended` is how its last launch ended, where it is waited for the next one.

        Raises:
            TektonTimeoutError: it is not in time.
            TektonError: `ended`, where it is not in time, or is not launched again.
        """
        began = self._now()

        def left() -> float:
            found = self._view.get(component_id)
            asked = map(self._extensions.until, found.instances if found is not None else ())
            return deadline(began, timeout, max(asked, default=-math.inf)) - self._now()

        def look() -> bool | None:
            if serving(self._view, component_id):
                return True
            return False if ended is not None and not launched(self._view, component_id) else None

        if not await self._bells.until(component_id, look, left):
            raise ended or self._late(component_id, timeout)

    def _late(self, component_id: str, timeout: float) -> TektonTimeoutError:
        found = self._view.get(component_id)
        how = f"it is {found.status}" if found is not None else "it has not registered"
        return TektonTimeoutError(
            f"{component_id} was not ready within {timeout:g} s: {how}",
            component_id,
            details={"component_id": component_id, "startup_timeout": timeout},
        )
