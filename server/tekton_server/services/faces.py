"""Components as they are shown, kept between reads: of a reply, only what beats and time change is made anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from google.protobuf.message import Message

from tekton.core.view import Component
from tekton.v1 import component_pb2 as pb
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert

# Some kilobytes each.
MOST = 4096

MessageT = TypeVar("MessageT", bound=Message)


class Kept(Generic[MessageT]):
    """The lasting part of a component's message, as long as the component does not change; the oldest make room."""

    def __init__(self, make: Callable[[Component], MessageT]) -> None:
        self._make = make
        self._known: dict[Component, tuple[int, MessageT]] = {}

    def of(self, found: Component) -> MessageT:
        """Give the message. It is shared: fill in what passes and encode it before anything else runs."""
        known = self._known.get(found)
        if known is not None and known[0] == found.changes:
            return known[1]
        message = self._make(found)
        self._known.pop(found, None)
        self._known[found] = (found.changes, message)
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return message


class Faces:
    """Encodes components for replies."""

    def __init__(self, live: LiveRegistry) -> None:
        self._leases = live.leases
        self._components = Kept(lambda found: convert.lasting_component(found, live.view.history_id))
        self._summaries = Kept(convert.lasting_summary)

    def component(self, found: Component, now: datetime) -> bytes:
        """Encode a component with all its instances."""
        message = self._components.of(found)
        convert.passing_component(message, found, self._leases, now)
        return message.SerializeToString()

    def summary(self, found: Component) -> pb.ComponentSummary:
        """Give a component as a row of a list. It is shared: put it into a page before anything else runs."""
        message = self._summaries.of(found)
        convert.passing_summary(message, found, self._leases)
        return message
