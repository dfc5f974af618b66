"""The documented heartbeat monitor: brings beats to the control plane, which judges them, and starts again what failed.

There is one judge of who lives, the leases of the control plane. The monitor sees what they decide.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from tekton import _given
from tekton._client import TektonClient
from tekton._recovery import Recovery, Restarts
from tekton._results import Outcome
from tekton.core.backoff import full_jitter
from tekton.core.component_lifecycle import ComponentRegistry
from tekton.core.errors import TektonError, ValidationError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import SERVING, ComponentState
from tekton.core.startup_coordinator import EnhancedStartUpCoordinator

__all__ = ["ComponentHeartbeat", "HeartbeatMonitor", "Recovery"]

log = logging.getLogger(__name__)

HEARTBEAT_TIMEOUT = 30.0
# How often a control plane that cannot be started is tried again at least, in seconds.
_TRY_EVERY = 30.0
# Of so many instances it is known when they beat last; the oldest are forgotten.
_REMEMBERED = 10_000
# As seconds this would be the year 5138: somebody counts in something else.
_MILLISECONDS = 1e11


@dataclass(frozen=True)
class ComponentHeartbeat:
    """One beat of an instance.

    timestamp: when it was, in seconds since 1970 or as a datetime (naive: UTC); now by default.
    state: the state that the instance says it is in; empty for no word. metrics: figures by name.
    """

    component_id: str
    instance_uuid: str
    timestamp: float | datetime = field(default_factory=time.time)
    state: str | ComponentState = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """When it was, in seconds since 1970.

        Raises:
            ValidationError: the timestamp is no point in time.
        """
        at = self.timestamp
        if isinstance(at, datetime):
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < _MILLISECONDS:
            message = f"must be seconds since 1970, such as time.time(), or a datetime, not {_given.shown(at)}"
            raise ValidationError.of("timestamp", message, "type")
        return float(at)


class HeartbeatMonitor:
    """Hands beats on, and starts components again that have failed.

    registry: where the components are registered.
    coordinator: knows how they are started; without one nothing is started again.
    recovery: how often, with which pauses.
    """

    def __init__(
        self,
        registry: ComponentRegistry | None = None,
        coordinator: EnhancedStartUpCoordinator | None = None,
        *,
        recovery: Recovery | None = None,
    ) -> None:
        if registry is None:
            registry = coordinator.registry if coordinator else ComponentRegistry()
        self.registry = registry
        self._coordinator = coordinator
        self._rules = recovery or Recovery()
        self._timeout = HEARTBEAT_TIMEOUT
        self._warn = False
        self._beaten: dict[tuple[str, str], float] = {}
        self._watch: asyncio.Task[None] | None = None
        self._restarts: dict[str, Restarts] = {}
        self._recovering: dict[str, asyncio.Task[None]] = {}
        self._gave_up: dict[str, str] = {}

    @property
    def monitoring(self) -> bool:
        """Whether it monitors."""
        return self._watch is not None and not self._watch.done()

    @property
    def gave_up(self) -> list[str]:
        """The components that failed too often to be started again; one that serves again is none of them."""
        return list(self._gave_up.values())

    async def start_monitoring(self, heartbeat_timeout: float = HEARTBEAT_TIMEOUT) -> None:
        """Begin to see who fails. Called again it takes the other timeout.

        heartbeat_timeout: after how many seconds without a beat an instance is failed. The control plane of a data
            directory takes it as it is. One that runs elsewhere has its own (`components.heartbeat_timeout`), and where
            it judges otherwise a warning says so.

        Raises:
            ValidationError: the timeout is no number of seconds over 0.
            UnavailableError: the control plane does not answer. StartupError: it cannot be started.
        """
        self._timeout = _given.seconds("heartbeat_timeout", heartbeat_timeout)
        self._warn = not self.registry.expect_heartbeats(self._timeout)
        client = await self.registry.client()
        await client.registry.synced()
        if not self.monitoring:
            self._watch = asyncio.create_task(self._run(), name="heartbeat monitor")
            self._watch.add_done_callback(_tell)

    async def stop_monitoring(self) -> None:
        """See nothing any more, and start nothing again. Leases are judged as before."""
        tasks = [*([self._watch] if self._watch else []), *self._recovering.values()]
        self._watch = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def process_heartbeat(self, heartbeat: ComponentHeartbeat) -> Outcome:
        """Hand a beat on: `(success, message)`, true where it counts.

        One that is older than the timeout is no sign of life and is refused; one that is older than the last of its
        instance says nothing new and is passed over. A state that may not be entered from the recorded one changes
        nothing, and the message says so: the beat counts all the same.
        """
        try:
            return await self._process(heartbeat)
        except TektonError as error:
            return Outcome.refused(error)

    async def _process(self, heartbeat: ComponentHeartbeat) -> Outcome:
        if not isinstance(heartbeat, ComponentHeartbeat):
            message = f"must be a ComponentHeartbeat, not {_given.shown(heartbeat)}"
            raise ValidationError.of("heartbeat", message, "type")
        name, uuid = (
            _given.text("component_id", heartbeat.component_id),
            _given.text("instance_uuid", heartbeat.instance_uuid),
        )
        now, whose = time.time(), (lookup_key(name), uuid)
        # A clock that is ahead must not make what comes later old.
        at = min(heartbeat.seconds, now)
        if now - at > self._timeout:
            return Outcome(False, f"this heartbeat of {name} is {now - at:.0f} s old: no sign of life")
        if at < self._beaten.get(whose, -math.inf):
            return Outcome(True, f"a later heartbeat of {name} was heard before")
        client = await self.registry.client()
        answer = await client.send_heartbeat(name, uuid, heartbeat.state, heartbeat.metrics)
        self._beaten.pop(whose, None)
        self._beaten[whose] = at
        if len(self._beaten) > _REMEMBERED:
            del self._beaten[next(iter(self._beaten))]
        self._compare(answer["lease"]["timeout_seconds"])
        return Outcome(True, answer["state_error"] or answer["message"])

    def _compare(self, timeout: float) -> None:
        if self._warn and self.monitoring and not math.isclose(timeout, self._timeout):
            log.warning(
                "Tekton fails an instance after %g s without a beat, not after the %g s that were asked for: "
                "that is its setting components.heartbeat_timeout",
                timeout,
                self._timeout,
            )
            self._warn = False

    async def _run(self) -> None:
        failures = 0
        while self._coordinator is not None:
            try:
                # Another one where a control plane of ours ended and was started again.
                client = await self.registry.client()
            except TektonError as error:
                log.log(logging.DEBUG if failures else logging.ERROR, "the heartbeat monitor sees nothing: %s", error)
                await asyncio.sleep(full_jitter(failures, base=0.5, ceiling=_TRY_EVERY))
                failures += 1
                continue
            failures = 0
            self._look(client)
            await client.registry.changed()

    def _look(self, client: TektonClient) -> None:
        """Begin to recover whoever has failed, and is not recovered by now."""
        for component_id in self._coordinator.handled if self._coordinator else ():
            key = lookup_key(component_id)
            component = client.registry.view.components.get(key)
            if component is None:
                continue
            if component.status in SERVING:
                self._gave_up.pop(key, None)
            elif component.status is ComponentState.FAILED and key not in self._recovering | self._gave_up:
                task = asyncio.create_task(self._recover(client, component_id), name=f"recover {component_id}")
                task.add_done_callback(partial(self._recovered, key))
                self._recovering[key] = task

    def _recovered(self, key: str, task: asyncio.Task[None]) -> None:
        self._recovering.pop(key, None)
        _tell(task)

    async def _recover(self, client: TektonClient, component_id: str) -> None:
        key = lookup_key(component_id)
        restarts = self._restarts.setdefault(key, Restarts(self._rules))
        while _failed(client, key):
            pause = restarts.pause(time.monotonic())
            if pause is None:
                self._gave_up[key] = component_id
                log.error("%s failed too often and is not started again", component_id)
                return
            log.warning("%s has failed; it is started again in %.1f s", component_id, pause)
            # It may come back by itself meanwhile.
            if await client.registry.until(lambda: not _failed(client, key), pause):
                break
            restarts.make(time.monotonic())
            await self._restart(component_id)
        restarts.succeeded(time.monotonic())

    async def _restart(self, component_id: str) -> None:
        assert self._coordinator is not None
        try:
            if await self._coordinator.restart_component(component_id):
                log.warning("%s was started again", component_id)
        except TektonError:
            # It was logged there, and what came of it is seen in the registry.
            return


def _failed(client: TektonClient, key: str) -> bool:
    component = client.registry.view.components.get(key)
    return component is not None and component.status is ComponentState.FAILED


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("%s ended by a fault of its own", task.get_name(), exc_info=task.exception())
