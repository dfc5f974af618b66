"""Who may be started on this machine: asked at each start, and what was promised to one is not promised to the next."""

from __future__ import annotations

import time
from collections.abc import Mapping

from tekton.core.ids import lookup_key
from tekton.core.view import View
from tekton_server.domain.admission import Promised, check_start
from tekton_server.live.lease import Clock
from tekton_server.live.resources.machines import Machines

# After so many seconds a start has taken what it takes at first, and the figures show it.
PROMISED_FOR = 30.0


class Admission:
    """`admit` is what the lifecycle asks before it starts something."""

    def __init__(
        self, view: View, machines: Machines, system: Mapping[str, float], clock: Clock = time.monotonic
    ) -> None:
        self._view = view
        self._machines = machines
        self._system = system
        self._clock = clock
        self._promises: dict[str, tuple[float, Promised]] = {}

    def admit(self, component_id: str) -> None:
        """Let a component be started here, or refuse it. Call it once for a start, right before it.

        Where the figures of the machine cannot be read nothing is asked: that must not stop the fleet.

        Raises:
            ResourceConstraintError: this machine cannot satisfy it.
        """
        key, now = lookup_key(component_id), self._clock()
        constraints, machine = self._view.constraints.get(key), self._machines.current
        if machine is None:
            return
        self._promises = {name: one for name, one in self._promises.items() if one[0] > now and name != key}
        promised = Promised(*map(sum, zip(*(one for _, one in self._promises.values()), strict=True)))
        # One second of much work is no reason to refuse.
        lately = machine._replace(cpu=machine.cpu._replace(ratio=self._machines.lately()))
        check_start(component_id, constraints, self._system, lately, promised)
        if constraints is not None:
            taken = Promised(constraints.memory_limit or 0.0, constraints.gpu_limit or 0.0)
            self._promises[key] = (now + PROMISED_FOR, taken)
