"""Starting and stopping many components, as an operator does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from tekton import _convert, _given
from tekton._resource_calls import ResourceCalls
from tekton.v1 import lifecycle_service_pb2 as pb

# What fits into the message; so many are refused by Tekton, in its words.
_MOST = 2**31 - 1


class FleetControl(ResourceCalls):
    """The part of a client that starts and stops many."""

    async def plan_start(
        self, component_ids: Iterable[str] | None = None, *, resolve_dependencies: bool = True
    ) -> dict[str, Any]:
        """Tell what `start_components` would do as things are now, and do nothing.

        Gives the JSON of POST /api/tekton/plan: {waves, components, done, missing, circular_dependencies, complete,
        message}.

        Raises:
            ComponentNotFoundError: there is no such component.
            NoLaunchSpecError: Tekton does not launch one of them.
        """
        request = pb.PlanStartRequest(
            component_ids=_given.some("component_ids", component_ids),
            resolve_dependencies=bool(resolve_dependencies),
        )
        answer = await self._calls.ask(lambda stubs: stubs.lifecycle.PlanStart, request)
        return _convert.plain(answer)

    async def start_components(
        self,
        component_ids: Iterable[str] | None = None,
        *,
        resolve_dependencies: bool = True,
        max_parallel: int = 0,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Start components and what they need, or with none everything that Tekton can launch; yield how it goes.

        Each step is a JSON object {event, component_id, message, error, …} as POST /api/tekton/start gives them; the
        last one is `done`, with a `summary` that says what is ready, what failed and what was left out. It goes on
        where nobody listens any more; asked for again, it starts nothing twice.

        max_parallel: how many may be starting at the same time; 0 for 32.

        Raises:
            CircularDependencyError: they need each other; nothing was started.
            ComponentNotFoundError, NoLaunchSpecError, RateLimitedError: as they say; nothing was started.
        """
        request = pb.StartComponentsRequest(
            component_ids=_given.some("component_ids", component_ids),
            resolve_dependencies=bool(resolve_dependencies),
            max_parallel=min(_given.count("max_parallel", max_parallel), _MOST),
        )
        steps = self._calls.stream(lambda stubs: stubs.lifecycle.StartComponents, request)
        async with contextlib.aclosing(steps) as messages:
            async for message in messages:
                yield _convert.plain(message)

    async def stop_components(
        self,
        component_ids: Iterable[str] | None = None,
        *,
        all: bool = False,
        resolve_dependencies: bool = False,
        force: bool = False,
        timeout: float | None = None,
        max_parallel: int = 0,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Stop components in the reverse order of a start, or with `all` everything that Tekton launches.

        Yields how it goes, as `start_components` does.

        resolve_dependencies: stop what needs them too, before them.
        force: kill what has not ended by the timeout.
        timeout: how many seconds each has for what it has in hand; its own stop_timeout by default, or 30.

        Raises:
            ComponentNotFoundError, RegistrationError, RateLimitedError: as they say; nothing was stopped.
            ValidationError: neither components nor `all` are given, or both.
        """
        request = pb.StopComponentsRequest(
            component_ids=_given.some("component_ids", component_ids),
            all=bool(all),
            resolve_dependencies=bool(resolve_dependencies),
            force=bool(force),
            timeout=None if timeout is None else _given.span("timeout", timeout),
            max_parallel=min(_given.count("max_parallel", max_parallel), _MOST),
        )
        steps = self._calls.stream(lambda stubs: stubs.lifecycle.StopComponents, request)
        async with contextlib.aclosing(steps) as messages:
            async for message in messages:
                yield _convert.plain(message)
