"""What one server tells the others of its machine."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from tekton.core.machine import Machine
from tekton_server.live.resources.exchange import Exchange
from tekton_server.live.resources.machines import Machines
from tests.unit.test_alarms import a_machine


class _Store:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.put: list[Machine] = []

    async def put_machine(self, machine: Machine) -> None:
        self.put.append(machine)

    async def machines(self, seconds: float) -> list[Machine]:
        return []

    async def lately(self, seconds: float) -> list[Any]:
        return []


async def test_a_machine_that_cannot_be_read_any_more_is_not_told_as_of_now() -> None:
    """The others take what they are told for new."""
    now, heard = 0.0, []
    machines, store = Machines(10, 3600, lambda: now), _Store()

    def others(found: Sequence[Machine]) -> None:
        heard.append(found)

    resources: Any = SimpleNamespace(machines=machines, others=others)
    exchange = Exchange(resources, store, SimpleNamespace(others={uuid4()}), 10, 3600)  # type: ignore[arg-type]
    machines.take(a_machine(), {})
    await exchange.look_around()
    now = 31.0
    await exchange.look_around()
    assert len(store.put) == 1 and heard == [[], []]
