"""A starter that launches no process: its components register, and do what the test says, in the real registry."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tekton.core.errors import ComponentNotFoundError, StartupError
from tekton.core.ids import lookup_key, new_uuid
from tekton.core.lifecycle import ComponentState
from tekton_server.domain.commands import EndInstance, RegisterComponent, ReportState
from tekton_server.domain.fleet import FleetComponent
from tekton_server.domain.launch_spec import LaunchSpec
from tekton_server.live.readiness import Readiness
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.starting import Ending, Outcome, Started, Starter, Stopped


class FakeStarter(Starter):
    """`calls` are what it was asked, in order. A component that is held begins, and is ready once it is let go."""

    def __init__(self, live: LiveRegistry) -> None:
        self.live = live
        lifecycle = live.lifecycle
        self._readiness = Readiness(live.view, lifecycle.bells, lifecycle.site.extensions, live.leases.now)
        self.calls: list[tuple[str, str]] = []
        self.most_at_once = 0
        self._fleet: dict[str, FleetComponent] = {}
        self._held: dict[str, asyncio.Event] = {}
        self._broken: dict[str, Exception] = {}
        self._instances: dict[str, str] = {}
        self._begun: defaultdict[tuple[str, str], asyncio.Event] = defaultdict(asyncio.Event)
        self._starting = 0

    def add(self, component_id: str, *needs: str, startup_timeout: float = 10.0) -> str:
        """Put a component into its components.json."""
        self._fleet[lookup_key(component_id)] = FleetComponent(
            component_id=component_id,
            component_name=component_id,
            component_type="service",
            dependencies=needs,
            spec=LaunchSpec(command=("true",), startup_timeout=startup_timeout),
        )
        return component_id

    def hold(self, *component_ids: str) -> None:
        """Have these not become ready, or stop, before they are let go."""
        for one in component_ids:
            self._held[one] = asyncio.Event()

    def let_go(self, *component_ids: str) -> None:
        """Let what was held go on."""
        for one in component_ids:
            self._held.pop(one).set()

    def breaks(self, component_id: str, error: Exception | None = None) -> None:
        """Have one end at its start, or fail to stop."""
        self._broken[component_id] = error or StartupError(
            f"{component_id} ended before it was ready: exit code 3", component_id, details={"exit": "exit code 3"}
        )

    async def begun(self, component_id: str, what: str = "start") -> None:
        """Wait until one is asked to start, or to stop."""
        async with asyncio.timeout(5):
            await self._begun[what, component_id].wait()

    async def becomes(self, component_id: str, *states: ComponentState) -> str:
        """Wait until a component is in one of some states; give its instance."""
        end = time.monotonic() + 5
        with self.live.hub.watch() as watcher:
            while True:
                found = self.live.view.get(component_id)
                if found is not None and found.best is not None and found.status in states:
                    return found.best.instance_uuid
                assert time.monotonic() < end, found
                await watcher.next(end)

    def asked(self, what: str) -> list[str]:
        """Give whom it was asked to start, or to stop, in order."""
        return [name for kind, name in self.calls if kind == what]

    def launchable(self) -> Mapping[str, FleetComponent]:
        return self._fleet

    async def start(self, component_id: str) -> Started:
        self._called("start", component_id)
        known = self._instances.get(component_id)
        if known is not None:
            return Started(component_id, known, "runs already", already=True)
        uuid = self._instances[component_id] = new_uuid()
        self._starting += 1
        self.most_at_once = max(self.most_at_once, self._starting)
        entry = self._fleet[lookup_key(component_id)]
        await self.live.writer.submit(
            RegisterComponent(
                component_id=component_id,
                component_name=component_id,
                component_type="service",
                version="1.0.0",
                dependencies=entry.dependencies,
                host=f"{component_id}.test",
                port=1,
                instance_uuid=uuid,
            )
        )
        return Started(component_id, uuid, "starts")

    async def ready(self, component_id: str, instance_uuid: str) -> None:
        timeout = self._fleet[lookup_key(component_id)].spec.startup_timeout
        becoming = asyncio.create_task(self._become_ready(component_id, instance_uuid))
        try:
            watching = asyncio.create_task(self._readiness.wait(component_id, timeout))
            await asyncio.wait([becoming, watching], return_when=asyncio.FIRST_EXCEPTION)
            if watching.done():
                return watching.result()
            watching.cancel()
            becoming.result()
        finally:
            self._starting -= 1
            becoming.cancel()

    async def _become_ready(self, component_id: str, instance_uuid: str) -> None:
        if component_id in self._held:
            await self._held[component_id].wait()
        if component_id in self._broken:
            del self._instances[component_id]
            await self.report(component_id, ComponentState.FAILED, instance_uuid)
            raise self._broken[component_id]
        await self.report(component_id, ComponentState.READY, instance_uuid)

    async def report(self, component_id: str, state: ComponentState, uuid: str = "", **how: Any) -> None:
        """Have an instance report a state."""
        uuid = uuid or self._instances[component_id]
        report = ReportState(component_id=component_id, instance_uuid=uuid, state=state, **how)
        await self.live.writer.submit(report)

    async def stop(
        self, component_id: str, *, instance_uuid: str | None = None, force: bool = False, timeout: float | None = None
    ) -> Stopped:
        self._called("stop", component_id)
        if component_id in self._held:
            await self._held[component_id].wait()
        if component_id in self._broken and not force:
            raise self._broken[component_id]
        found = self.live.view.get(component_id)
        if found is None:
            raise ComponentNotFoundError(f"there is no component {component_id}")
        endings = []
        for one in [one for one in found.instances.values() if one.leased]:
            await self.live.writer.submit(EndInstance(component_id=component_id, instance_uuid=one.instance_uuid))
            endings.append(Ending(one.instance_uuid, True, Outcome.STOPPED, "ended when it was told to"))
        self._instances.pop(component_id, None)
        return Stopped(component_id, tuple(endings))

    async def restart(
        self,
        component_id: str,
        *,
        instance_uuid: str | None = None,
        force: bool = False,
        timeout: float | None = None,
        epoch: int | None = None,
    ) -> Started:
        await self.stop(component_id)
        return await self.start(component_id)

    def _called(self, what: str, component_id: str) -> None:
        self.calls.append((what, component_id))
        self._begun[what, component_id].set()
