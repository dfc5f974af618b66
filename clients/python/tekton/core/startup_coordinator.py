"""The documented startup coordinator: starts components by functions of this process, each when what it needs is ready.

What is ready is what the registry says. The order, the cycles and who begins next are the rules that the control plane
uses too: `tekton.core.dependency` and `tekton.core.schedule`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from tekton import _given
from tekton._client import TektonClient
from tekton._results import StartResult
from tekton._startup import batch, launched, needs, starting
from tekton._startup.flights import Flights
from tekton._startup.handlers import Handler, handler_of, handlers_of
from tekton._startup.stand_in import StandIns
from tekton._startup.starting import ComponentStartError, ComponentStartTimeout
from tekton.core.component_lifecycle import ComponentRegistry
from tekton.core.errors import TektonError
from tekton.core.ids import lookup_key
from tekton.core.lifecycle import ComponentRegistration, ComponentState

__all__ = ["ComponentStartError", "ComponentStartTimeout", "EnhancedStartUpCoordinator", "StartResult"]

log = logging.getLogger(__name__)

STARTUP_TIMEOUT = 60.0
AT_ONCE = 32


class EnhancedStartUpCoordinator:
    """Starts components whose start functions are in this process.

    registry: where they are registered and looked up; that of the default client by default.
    startup_timeout: how many seconds a component may take to become ready from the call of its function, and how long
        it waits for what it needs before that, where its handler says nothing else.
    at_once: how many may be starting at the same time; who only waits does not count.
    raise_errors: have `start_component`, `restart_component` and `start_component_degraded` raise what otherwise comes
        back as the second of `(success, error)`: a DependencyError (1003), a CircularDependencyError (1005), a
        ComponentError (1004; 1006 where it took too long), or another TektonError.

    A start function has no arguments. An async one runs on the loop; a plain one in a thread, where it may block. It
    returns once the component can be used; an exception, False or (False, why) is a failure. If the component has
    registered itself by then, or the function gives the process that will, its own word counts: it is started when it
    is ready (or degraded). Otherwise this process registers an instance for it, ready, and keeps that alive until
    `close`, the end of the process, or until the component registers itself. A start that failed is shown as `failed`,
    with the reason.
    """

    def __init__(
        self,
        registry: ComponentRegistry | None = None,
        *,
        startup_timeout: float = STARTUP_TIMEOUT,
        at_once: int = AT_ONCE,
        raise_errors: bool = False,
    ) -> None:
        self.registry = ComponentRegistry() if registry is None else registry
        self._timeout = _given.seconds("startup_timeout", startup_timeout)
        self._at_once = max(1, _given.count("at_once", at_once))
        self._raises = raise_errors
        self._handlers: dict[str, Handler] = {}
        self._flights = Flights()
        self._standing = StandIns()

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def initialize(self) -> None:
        """Reach the control plane and read its registry; without it the first start does.

        Raises:
            UnavailableError: it does not answer. StartupError: that of a data directory cannot be started.
        """
        await self._client()

    async def close(self) -> None:
        """Give up the starts under way, and say goodbye for what this process stands for; the registry stays open."""
        await self._flights.end()
        await self._standing.end_all()

    @property
    def handled(self) -> list[str]:
        """The components of which this coordinator knows how they are started."""
        return [handler.component_id for handler in self._handlers.values()]

    async def register_component_handler(
        self,
        component_id: str,
        start_func: Callable[[], Any],
        dependencies: Iterable[str] | None = None,
        *,
        stop_func: Callable[[], Any] | None = None,
        timeout: float | None = None,
        registers_itself: bool = False,
        registration: ComponentRegistration | None = None,
    ) -> None:
        """Say how a component is started, for `start_component`, for those that need it, and to start it again.

        dependencies: what has to be ready (or degraded) first; None for what the registry says.
        stop_func: ends what `start_func` began, before it is started again.
        timeout: seconds from the call of its function until it is ready, and before that for what it needs.
        registers_itself: it does so after its function has returned; that is waited for.
        registration: what is registered for a component that does not register itself; by default what the registry
            knows of it, else a service without a listener.

        Raises:
            ValidationError: naming what is wrong.
        """
        given = {
            "start_func": start_func,
            "dependencies": dependencies,
            "stop_func": stop_func,
            "timeout": timeout,
            "registers_itself": registers_itself,
            "registration": registration,
        }
        handler = handler_of(component_id, given, self._timeout)
        self._handlers[handler.key] = handler

    async def start_component(
        self,
        component_id: str,
        start_func: Callable[[], Any] | None = None,
        dependencies: Iterable[str] | None = None,
        *,
        timeout: float | None = None,
    ) -> StartResult:
        """Start a component once all that it needs is ready, and give `(success, error)`.

        What it needs may register while it is waited for; it is not started by this. One that is ready already is not
        started again, and calls for one component at the same time are one start. Without a function that of its
        handler is called; without a handler Tekton is asked to launch it.

        Raises:
            ValidationError: naming what is wrong. TektonError: with `raise_errors`, why it was not started.
        """
        handler = self._remember(self._handler(component_id, start_func, dependencies, timeout))
        return await self._result(handler, lambda: self._begin(handler))

    async def start_component_degraded(
        self, component_id: str, start_func: Callable[[], Any] | None = None, *, timeout: float | None = None
    ) -> StartResult:
        """Start a component as `degraded`, whatever becomes of what it needs, and give `(success, error)`.

        Raises:
            ValidationError: naming what is wrong. TektonError: with `raise_errors`, why it was not started.
        """
        handler = self._handler(component_id, start_func, None, timeout)

        async def begin() -> None:
            if not await starting.already(await self._client(), handler):
                await self._start(handler, ComponentState.DEGRADED)

        return await self._result(handler, begin)

    async def restart_component(self, component_id: str) -> StartResult:
        """Stop a component, where it runs, and start it again, and give `(success, error)`.

        It is stopped by its `stop_func`, else Tekton tells its instances to stop. What it needs and is not ready is
        started again first, where this coordinator knows how. What Tekton launches it is asked to restart.

        Raises:
            ValidationError: this is no id. TektonError: with `raise_errors`, why it was not started.
        """
        handler = self._handler(component_id)
        return await self._result(handler, lambda: self._again(handler))

    async def start_components(
        self, component_configs: Mapping[str, Mapping[str, Any]], resolve_dependencies: bool = True
    ) -> dict[str, StartResult]:
        """Start many, each as soon as all that it needs is ready, and give `(success, error)` of each.

        component_configs: `{component_id: {"start_func": …, "dependencies": […]}}`, and what else
            `register_component_handler` takes.
        resolve_dependencies: what they need and is not among them is started too, where this coordinator knows how or
            Tekton does, and waited for otherwise. Without it, it must be ready now.

        Who needs one that failed is not started: a DependencyError, with the way down to that in `details.chain`. Who
        is on a cycle, or needs somebody who is, is not started either: a CircularDependencyError. The others are.

        Raises:
            ValidationError: naming what is wrong; nothing is started then.
        """
        wanted = handlers_of(component_configs, self._timeout)
        wanted = [self._remember(self._completed(handler)) for handler in wanted]
        names = [handler.component_id for handler in wanted]
        try:
            ends = await self._batch(wanted, resolve=resolve_dependencies)
        except TektonError as trouble:
            ends = dict.fromkeys(names, trouble)
        for error in filter(None, ends.values()):
            log.error("%s", error)
        return {name: StartResult(error) for name, error in ends.items()}

    async def _batch(self, wanted: Sequence[Handler], *, resolve: bool) -> dict[str, TektonError | None]:
        client = await self._client()
        plan = batch.gather(client.registry, wanted, self._handlers, resolve=resolve)
        run = batch.Run(
            plan,
            client.registry,
            lambda handler: self._flights.join(handler, lambda: self._begin(handler)),
            launch=partial(launched.started_with_needs, client) if resolve else None,
            at_once=self._at_once,
            patience=self._timeout if resolve else 0.0,
        )
        with self._flights.waited_for(plan.waits_for):
            return await run.ends()

    async def _client(self) -> TektonClient:
        client = await self.registry.client()
        await client.registry.synced()
        return client

    def _handler(
        self,
        component_id: str,
        start_func: Callable[[], Any] | None = None,
        dependencies: Iterable[str] | None = None,
        timeout: float | None = None,
    ) -> Handler:
        given: dict[str, Any] = {"start_func": start_func, "dependencies": dependencies, "timeout": timeout}
        known = self._handlers.get(lookup_key(_given.text("component_id", component_id)))
        return self._completed(handler_of(component_id, given, known.timeout if known else self._timeout))

    def _completed(self, handler: Handler) -> Handler:
        known = self._handlers.get(handler.key)
        return handler if known is None else handler.over(known)

    def _remember(self, handler: Handler) -> Handler:
        if handler.start_func is not None:
            self._handlers[handler.key] = handler
        return handler

    async def _result(self, handler: Handler, begin: Callable[[], Awaitable[None]]) -> StartResult:
        try:
            await self._flights.join(handler, begin)
        except TektonError as error:
            log.error("%s", error)
            if self._raises:
                raise
            return StartResult(error)
        return StartResult()

    async def _begin(self, handler: Handler) -> None:
        client = await self._client()
        if await starting.already(client, handler):
            return
        needs.check(client.registry.view, handler, self._handlers)
        await self._needed(client, handler)
        await self._start(handler)

    async def _again(self, handler: Handler) -> None:
        client = await self._client()
        needs.check(client.registry.view, handler, self._handlers)
        if handler.start_func is None:
            await launched.restart(client, handler.component_id)
            return
        await starting.stop(client, handler, self._standing)
        unmet = needs.unmet(client.registry.view, handler, self._handlers)
        broken = [one for one in unmet if lookup_key(one) in self._handlers]
        with self._flights.waits.waiting(handler.component_id, broken):
            # Whether it helped is seen by what is still not ready.
            await asyncio.gather(*map(self.restart_component, broken), return_exceptions=True)
        await self._needed(client, handler)
        await self._start(handler)

    async def _needed(self, client: TektonClient, handler: Handler) -> None:
        """Wait for what a component needs, those that register meanwhile among it.

        Raises:
            DependencyError: some of it is not ready in time.
            CircularDependencyError: some of it waits for this component.
        """
        registry = client.registry

        def unmet() -> list[str]:
            return needs.unmet(registry.view, handler, self._handlers)

        if waits_for := unmet():
            with self._flights.waits.waiting(handler.component_id, waits_for):
                await registry.until(lambda: not unmet(), handler.timeout)
        if failed := unmet():
            raise needs.not_ready(registry.view, failed, handler.component_id, handler.timeout)

    async def _start(self, handler: Handler, state: ComponentState = ComponentState.READY) -> None:
        client = await self._client()
        if handler.start_func is None:
            await launched.start(client, handler.component_id)
        else:
            conditions = self.registry.readiness_conditions(handler.component_id)
            await starting.start(client, handler, self._standing, conditions, state)
