"""Instances that use more than they may: told at once, and degraded or stopped where that is configured and it lasts.

Everybody tells; the server that owns the lease of an instance acts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key, new_uuid
from tekton.core.lifecycle import ComponentState
from tekton.core.records import CommandKind
from tekton.core.view import Instance, View
from tekton_server.domain.alarms import Happened, LimitAlarms
from tekton_server.domain.commands import JudgeUse, PostCommand
from tekton_server.domain.constraints import OVER_LIMIT, uses_too_much
from tekton_server.live.lease import Clock
from tekton_server.live.leases import LeaseTable
from tekton_server.live.resources.book import UsageBook
from tekton_server.live.standing import over_and_over
from tekton_server.live.writer import Writer

log = logging.getLogger(__name__)

Action = Literal["event", "degraded", "stopped"]
Stop = Callable[[Instance, str], Awaitable[object]]
"""Stops an instance; the text is why."""
# How often what lasts is looked at, in seconds.
EVERY = 1.0


class Overuse:
    """Judges the instances of components that have constraints, each time there is something new."""

    def __init__(
        self,
        view: View,
        writer: Writer,
        leases: LeaseTable,
        book: UsageBook,
        tell: Callable[[list[Happened]], None],
        *,
        action: Action = "event",
        after: float = 30.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._view = view
        self._writer = writer
        self._leases = leases
        self._book = book
        self._tell = tell
        self._action = action
        self._after = after
        self._clock = clock
        self._raised_at: dict[str, float] = {}
        self._news = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._stopped: set[str] = set()
        self.alarms = LimitAlarms()
        self.stop: Stop = self.ask_to_stop

    def look(self, instance_uuid: str, component_id: str = "") -> None:
        """An instance has new figures, or its component, looked up where it is not given, new constraints."""
        component_id, known = component_id or self._component_of(instance_uuid), self._book.get(instance_uuid)
        constraints = self._view.constraints.get(lookup_key(component_id))
        if constraints is None or known is None:
            self.forget(instance_uuid)
            return
        happened = self.alarms.look(instance_uuid, known.usage, constraints, known.at)
        if self.alarms.of(instance_uuid):
            self._raised_at.setdefault(instance_uuid, self._clock())
        else:
            self._raised_at.pop(instance_uuid, None)
        if happened:
            self._news.set()
        self._tell(happened)

    def constrained(self, component_id: str) -> None:
        """A component may use more or less than before."""
        for instance in self._view.instances_of(component_id):
            self.look(instance.instance_uuid)
        launch = self._view.launch(component_id)
        if launch is not None and self._view.instance(launch.instance_uuid) is None:
            self.look(launch.instance_uuid)

    def _component_of(self, instance_uuid: str) -> str:
        """Give the component of which a lease, or a launch that has not registered yet, is; empty of what has ended."""
        instance = self._view.instance(instance_uuid)
        if instance is not None:
            return instance.component_id if instance.leased else ""
        launches = self._view.launches.values()
        return next((one.component_id for one in launches if one.active and one.instance_uuid == instance_uuid), "")

    def forget(self, instance_uuid: str) -> None:
        """An instance has ended, or may use what it likes."""
        self._raised_at.pop(instance_uuid, None)
        self._stopped.discard(instance_uuid)
        happened = self.alarms.forget(instance_uuid)
        if happened:
            self._news.set()
        self._tell(happened)

    async def run(self) -> None:
        """Act until cancelled."""
        # A stop takes its time, and the others must not wait for it.
        async with asyncio.TaskGroup() as self._group:
            await over_and_over(self._next, lambda: 0, "what uses too much cannot be judged")

    async def _next(self) -> None:
        """Wait for something to do, and for what lasts; then act."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY):
                await self._news.wait()
        self._news.clear()
        await self.act()

    async def act(self) -> None:
        """Do what is to be done about what has lasted, and take back what has not.

        Raises:
            TektonError: it cannot be recorded now; the next look tries again.
        """
        now = self._clock()
        lasting = [one for one, since in self._raised_at.items() if now - since >= self._after]
        for instance_uuid in lasting if self._action != "event" else ():
            instance = self._owned(instance_uuid)
            if instance is None:
                continue
            if self._action == "degraded":
                await self._judge(instance, over=True)
            elif instance_uuid not in self._stopped:
                self._stopped.add(instance_uuid)
                stopping = self._stop(instance)
                if self._group is None:
                    await stopping
                else:
                    self._group.create_task(stopping, name=f"stop {instance_uuid}")
        await self._take_back()

    async def _take_back(self) -> None:
        """Bring back who uses less now, or may use more; also who was degraded by an earlier run of this server."""
        degraded = [
            instance
            for component in self._view.in_state(ComponentState.DEGRADED)
            for instance in component.instances.values()
            if uses_too_much(instance)
        ]
        for instance in degraded:
            limited = lookup_key(instance.component_id) in self._view.constraints
            known = self._book.get(instance.instance_uuid) is not None
            over = instance.instance_uuid in self._raised_at and self._action == "degraded"
            # Of an instance that has not been heard of since nothing can be said.
            if not over and (known or not limited) and self._owned(instance.instance_uuid) is not None:
                await self._judge(instance, over=False)

    def _owned(self, instance_uuid: str) -> Instance | None:
        lease, instance = self._leases.get(instance_uuid), self._view.instance(instance_uuid)
        return instance if lease is not None and lease.mine and instance is not None and instance.leased else None

    async def _judge(self, instance: Instance, *, over: bool) -> None:
        ready = instance.state is ComponentState.READY
        if over and not ready:
            return
        evidence = {one.figure: {"value": round(one.value, 3), "limit": one.threshold, "unit": one.unit} for one in
                    self.alarms.of(instance.instance_uuid)}  # fmt: skip
        command = JudgeUse(instance_uuid=instance.instance_uuid, granted=instance.granted, over=over, evidence=evidence)
        await self._writer.submit(command)

    async def _stop(self, instance: Instance) -> None:
        why = "; ".join(one.sentence for one in self.alarms.of(instance.instance_uuid))
        log.warning("%s is stopped, it uses more than it may: %s", instance.instance_uuid, why)
        try:
            await self.stop(instance, why)
        except TektonError as error:
            # One that cannot be stopped must not keep the others from being looked at.
            self._stopped.discard(instance.instance_uuid)
            log.warning("%s cannot be stopped: %s", instance.instance_uuid, error)

    async def ask_to_stop(self, instance: Instance, why: str) -> object:
        """Give an instance a command to stop, which says why."""
        order = PostCommand(
            component_id=instance.component_id,
            kind=CommandKind.STOP,
            seed=new_uuid(),
            instance_uuid=instance.instance_uuid,
            arguments={"reason": OVER_LIMIT, "message": why},
        )
        return await self._writer.submit(order)
