"""The watched view: the registry as the server has it, kept in this process, so that looking up costs no call."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from tekton import _forks, _given
from tekton._calls import Calls
from tekton._errors import unreachable
from tekton._peer import ComponentClient
from tekton._results import RegistryEvent
from tekton._watch import events_of, registry_messages
from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import SERVING, ComponentState
from tekton.core.view import Cause, Component, Definition, DefinitionChange, Instance, InstanceChange, View
from tekton.v1 import registry_service_pb2 as pb

log = logging.getLogger(__name__)

_Phase = pb.WatchRegistryResponse


class WatchedRegistry:
    """Answers from the view, which is the registry as of `view.revision`.

    It may lag, so that something is not there must be asked of the server.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.view = View()
        self._found: dict[str, ComponentClient] = {}
        self._loading: View | None = None
        self._early: list[RegistryEvent] = []
        self._pending: list[RegistryEvent] = []
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._trouble: TektonError | None = None
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether the view was complete once.

        Raises:
            RuntimeError: in a forked process, where nobody keeps it up to date; see `_forks`.
        """
        _forks.check()
        return self._ready.is_set()

    @property
    def trouble(self) -> TektonError | None:
        """Why the watch is cut; None while it runs."""
        return self._trouble

    def lookup(self, component_id: str) -> ComponentClient | None:
        """Find a component that is ready or degraded; None says only that the view holds none.

        Raises:
            ValidationError: the id is no text.
        """
        if type(component_id) is not str:
            _given.text("component_id", component_id)
        # The replace is lookup_key, written out for speed.
        found = self._found.get(component_id.replace("-", "_"))
        return found if found is not None else self._find(lookup_key(component_id))

    def providers(self, capability: str) -> list[ComponentClient]:
        """List the components that have a capability: the ready ones, then the degraded."""
        serving = [one for one in self.view.with_capability(capability) if one.status in SERVING]
        serving.sort(key=lambda one: one.status is not ComponentState.READY)
        clients = [self.lookup(one.definition.component_id) for one in serving]
        return [client for client in clients if client is not None]

    def not_ready(self, component_ids: Iterable[str]) -> list[str]:
        """List those of some components that are not ready, as the view knows it; all where it knows nothing yet."""
        found = ((one, self.view.components.get(lookup_key(one))) for one in component_ids)
        return [one for one, component in found if component is None or not component.ready]

    async def until_ready(self, component_ids: Sequence[str], timeout: float) -> list[str]:
        """Watch until all of some components are ready at once, and give those that are not after `timeout` seconds."""
        await self.until(lambda: not self.not_ready(component_ids), timeout)
        return self.not_ready(component_ids)

    async def until(self, holds: Callable[[], bool], timeout: float | None) -> bool:
        """Watch until something holds of the view, for `timeout` seconds or for ever, and tell whether it does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not holds():
                    await self.changed()
        return holds()

    async def changed(self) -> None:
        """Return with the next change of the view."""
        self._started()
        await self._changed.wait()

    async def synced(self) -> None:
        """Return once the view was complete. The first call starts the watch.

        Raises:
            UnavailableError: the first snapshot did not come within the client's timeout, or nobody listens within its
                connect_timeout and it was never answered.
        """
        if self._ready.is_set():
            return
        task, waited = self._started(), self._calls.patience
        ready = asyncio.ensure_future(self._ready.wait())
        try:
            await asyncio.wait((task, ready), timeout=self._calls.patience, return_when=asyncio.FIRST_COMPLETED)
            if self._calls.patience > waited:
                # It was reached meanwhile, and a large snapshot takes its time.
                rest = self._calls.patience - waited
                await asyncio.wait((task, ready), timeout=rest, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if task.done() and not self._closed:
            task.result()
        self._check_open()
        if not self._ready.is_set():
            # A copy, since each that waits raises its own and none shows the frames of the watch.
            trouble = copy.copy(self._trouble)
            raise trouble or unreachable(self._calls.target, "the snapshot did not come")

    async def close(self) -> None:
        """End the watch and forget the view."""
        self._closed = True
        self._ready.clear()
        self._tell_waiting()
        self.view = View()
        self._found.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("this TektonClient is closed; make a new one")

    def _started(self) -> asyncio.Task[None]:
        self._check_open()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"tekton watch of {self._calls.target}")
            self._task.add_done_callback(_tell)
        return self._task

    async def _run(self) -> None:
        messages = registry_messages(self._calls, pb.WatchRegistryRequest(), self._note)
        async for message in messages:
            if message is None:
                self._begin_anew()
            else:
                self._trouble = None
                self._take(message)

    def _note(self, error: TektonError) -> None:
        if self._trouble is None and self._ready.is_set():
            log.warning("the registry watch was cut, answering from revision %d: %s", self.view.revision, error)
        self._trouble = error

    def _begin_anew(self) -> None:
        """Drop what was incomplete; the view stays as it is."""
        self._loading, self._early, self._pending = None, [], []

    def _take(self, message: pb.WatchRegistryResponse) -> None:
        if message.phase == _Phase.PHASE_RESET:
            self._begin_anew()
        elif message.phase in (_Phase.PHASE_SNAPSHOT, _Phase.PHASE_SNAPSHOT_END):
            view = self._loading = self._loading or View(message.history_id)
            self._load(view, message)
            if message.phase == _Phase.PHASE_SNAPSHOT_END:
                self._swap(view, message.revision)
        elif message.phase == _Phase.PHASE_LIVE:
            self._pending.extend(event for event in events_of(message) if event.kind)
            if message.complete:
                self._fold(message.revision)
        elif message.phase == _Phase.PHASE_BOOKMARK:
            self.view.revision = message.revision

    def _load(self, view: View, message: pb.WatchRegistryResponse) -> None:
        for event in events_of(message):
            if event.kind == "instance" and view.get(event.component_id) is None:
                # An instance is only held beside its definition.
                self._early.append(event)
            elif event.kind is not None:
                _apply(view, event)

    def _swap(self, view: View, revision: int) -> None:
        for event in self._early:
            _apply(view, event)
        self._begin_anew()
        view.revision = revision
        self.view = view
        self._found.clear()
        self._ready.set()
        self._tell_waiting()

    def _fold(self, revision: int) -> None:
        events, self._pending = self._pending, []
        for event in events:
            _apply(self.view, event)
        self.view.revision = revision
        self._refresh({lookup_key(event.component_id) for event in events})
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _refresh(self, keys: Iterable[str]) -> None:
        """Drop the clients of components that moved or serve no more; the others stay the same objects."""
        for key in keys:
            client = self._found.get(key)
            if client is not None and not self._still(client, self.view.components.get(key)):
                del self._found[key]

    def _find(self, key: str) -> ComponentClient | None:
        component = self.view.components.get(key)
        if component is None or component.status not in SERVING or component.best is None:
            return None
        best, definition = component.best, component.definition
        client = ComponentClient(
            definition.component_id, self._host(best), best.port, health_check=definition.health_check
        )
        self._found[key] = client
        return client

    def _still(self, client: ComponentClient, component: Component | None) -> bool:
        if component is None or component.status not in SERVING or component.best is None:
            return False
        same_path = (component.definition.health_check or client.health_check) == client.health_check
        return same_path and (self._host(component.best), component.best.port) == (client.host, client.port)

    def _host(self, instance: Instance) -> str:
        # Tekton's own parts are where this client reaches Tekton, whatever it is called elsewhere.
        return self._calls.target.name if instance.built_in else instance.host


def _apply(view: View, event: RegistryEvent) -> None:
    cause = Cause(event.reason, implied=event.implied)
    if event.kind == "definition":
        new = event.record if isinstance(event.record, Definition) else None
        view.apply(DefinitionChange(view.definition(event.key), new, cause))
    else:
        fresh = event.record if isinstance(event.record, Instance) else None
        view.apply(InstanceChange(view.instance(event.key), fresh, cause))


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("the registry watch ended by a fault of its own", exc_info=task.exception())
