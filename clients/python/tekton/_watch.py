"""Watches that do not end: they reconnect with jitter and go on after the last token they were given."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any, Literal, Protocol, TypeVar

from tekton import _convert
from tekton._calls import Calls
from tekton._results import RegistryEvent
from tekton.core.backoff import full_jitter
from tekton.core.errors import CompactedError, SlowWatcherError, TektonError, ValidationError
from tekton.core.view import Definition, Instance
from tekton.v1 import lifecycle_service_pb2 as lifecycle_pb
from tekton.v1 import registry_service_pb2 as registry_pb

log = logging.getLogger(__name__)


class Resumable(Protocol):
    """A message of a watch."""

    @property
    def resume_token(self) -> str:
        """Where to resume after it; empty where that is not possible."""
        ...


M = TypeVar("M", bound=Resumable)


async def resumed(
    open_after: Callable[[str], AsyncGenerator[M, None]],
    token: str = "",
    *,
    note: Callable[[TektonError], None] | None = None,
) -> AsyncGenerator[M | None, None]:
    """Yield a watch's messages for ever; None says that it was cut and what was incomplete comes again.

    `note` is told why, each time; when it raises, the watch ends.

    Raises:
        TektonError: a first connection that resumes from a token of the caller's, or asks for something invalid, was
            refused. Later refusals of a token start over without one.
    """
    attempt, first = 0, True
    while True:
        try:
            async with contextlib.aclosing(open_after(token)) as messages:
                async for message in messages:
                    attempt, first = 0, False
                    token = message.resume_token or token
                    yield message
        except (CompactedError, ValidationError) as error:
            if first:
                raise
            log.info("the watch starts over: %s", error)
            token = ""
        except SlowWatcherError as error:
            token = str(error.details.get("resume_token") or "")
        except TektonError as error:
            log.debug("the watch was cut: %s", error)
            if note is not None:
                note(error)
        yield None
        await asyncio.sleep(full_jitter(attempt, base=0.1, ceiling=2.0))
        attempt += 1


def registry_messages(
    calls: Calls, request: registry_pb.WatchRegistryRequest, note: Callable[[TektonError], None] | None = None
) -> AsyncGenerator[registry_pb.WatchRegistryResponse | None, None]:
    """Watch the registry; the request's token says where to begin."""

    def open_after(token: str) -> AsyncGenerator[registry_pb.WatchRegistryResponse, None]:
        again = registry_pb.WatchRegistryRequest()
        again.CopyFrom(request)
        again.after_revision = token
        return calls.stream(lambda stubs: stubs.registry.WatchRegistry, again)

    return resumed(open_after, request.after_revision, note=note)


def unless_nobody_listens(calls: Calls) -> Callable[[TektonError], None]:
    """Make a `note` that ends a watch of who was never answered when its time to connect is over."""
    give_up = time.monotonic() + calls.connect_timeout

    def note(error: TektonError) -> None:
        if not calls.reached and time.monotonic() >= give_up:
            raise error.with_traceback(None) from None

    return note


_INSIDE_SNAPSHOT = registry_pb.WatchRegistryResponse.PHASE_SNAPSHOT


async def registry_events(
    calls: Calls, request: registry_pb.WatchRegistryRequest
) -> AsyncGenerator[RegistryEvent, None]:
    """Watch the registry event by event.

    Raises:
        UnavailableError: nobody listens, and Tekton never answered this client.
    """
    phase, revision = 0, 0
    watched = registry_messages(calls, request, unless_nobody_listens(calls))
    async with contextlib.aclosing(watched) as messages:
        async for message in messages:
            if message is None:
                if phase == _INSIDE_SNAPSHOT:
                    # A snapshot that was cut comes again from its beginning.
                    yield RegistryEvent("reset", revision)
                continue
            phase, revision = message.phase, message.revision
            for event in events_of(message):
                yield event


def events_of(message: registry_pb.WatchRegistryResponse) -> Iterable[RegistryEvent]:
    """Read one message; its token is on its last event."""
    response = registry_pb.WatchRegistryResponse
    if message.phase == response.PHASE_RESET:
        yield RegistryEvent("reset", message.revision)
    last = len(message.events) - 1
    for index, event in enumerate(message.events):
        yield _event(event, message.resume_token if index == last else "")
    if message.phase == response.PHASE_SNAPSHOT_END:
        yield RegistryEvent("snapshot_end", message.revision, resume_token=message.resume_token)


def _event(event: registry_pb.RegistryEvent, token: str) -> RegistryEvent:
    put = event.type == registry_pb.RegistryEvent.TYPE_PUT
    kind: Literal["definition", "instance"] = "definition" if event.HasField("definition") else "instance"
    record: Definition | Instance | None = None
    if put:
        record = _convert.definition(event.definition) if kind == "definition" else _convert.instance(event.instance)
    return RegistryEvent(
        type="put" if put else "removed",
        revision=event.revision,
        kind=kind,
        key=event.key,
        component_id=event.definition.component_id if kind == "definition" else event.instance.component_id,
        record=record,
        reason=event.reason,
        implied=event.implied,
        resume_token=token,
    )


async def state_changes(calls: Calls, request: lifecycle_pb.WatchStatesRequest) -> AsyncGenerator[dict[str, Any], None]:
    """Watch state changes as the documented JSON objects.

    Raises:
        UnavailableError: nobody listens, and Tekton never answered this client.
    """

    def open_after(token: str) -> AsyncGenerator[lifecycle_pb.WatchStatesResponse, None]:
        again = lifecycle_pb.WatchStatesRequest()
        again.CopyFrom(request)
        again.after_revision = token
        return calls.stream(lambda stubs: stubs.lifecycle.WatchStates, again)

    watched = resumed(open_after, request.after_revision, note=unless_nobody_listens(calls))
    async with contextlib.aclosing(watched) as messages:
        async for message in messages:
            if message is None:
                continue
            if message.reset:
                yield {"event": "reset", "revision": message.revision}
            for change in message.changes:
                yield _convert.plain(change)
