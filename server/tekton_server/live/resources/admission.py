"""Who may be started on this machine: asked at each start, and what was promised to one is not promised to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from tekton.core.ids import lookup_key
from tekton.core.machine import MB
from tekton.core.view import Constraints, View
from tekton_server.domain.admission import Promised, check_start
from tekton_server.domain.usage import Usage
from tekton_server.live.lease import Clock
from tekton_server.live.resources.machines import Machines

# After so many seconds a start has taken what it takes at first, and the figures show it.
PROMISED_FOR = 30.0


class Admission:
    """`admit` is what the lifecycle asks before it starts something."""

    def __init__(
        self,
        view: View,
        machines: Machines,
        system: Mapping[str, float],
        clock: Clock = time.monotonic,
        used: Callable[[str], Usage | None] = lambda key: None,
    ) -> None:
        # What a component that was launched uses by now, as of the figures of the machine; by its look-up key.
        self._used = used
        self._view = view
        self._machines = machines
        self._system = system
        self._clock = clock
        self._promises: dict[str, tuple[float, Constraints]] = {}

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
        promised = self._promised()
        # One second of much work is no reason to refuse.
        lately = machine._replace(cpu=machine.cpu._replace(ratio=self._machines.lately()))
        check_start(component_id, constraints, self._system, lately, promised)
        if constraints is not None:
            self._promises[key] = (now + PROMISED_FOR, constraints)

    def _promised(self) -> Promised:
        """Give what was promised and is not taken yet: what is taken is not free any more."""
        memory, gpus = 0.0, []
        for key, (_, constraints) in self._promises.items():
            used = self._used(key) or Usage()
            memory += max(0.0, (constraints.memory_limit or 0.0) - (used.rss_bytes or 0.0) / MB)
            gpus.append(max(0.0, (constraints.gpu_limit or 0.0) - (used.gpu_bytes or 0.0) / MB))
        return Promised(memory, tuple(gpus))
