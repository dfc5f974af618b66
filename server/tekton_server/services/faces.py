"""Components as they are shown, kept between reads: of a reply, only what beats and time change is made anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from tekton.core.view import Component
from tekton.v1 import component_pb2 as pb
from tekton_server.live.leases import Stamp
from tekton_server.live.registry import LiveRegistry
from tekton_server.services import convert

# Some kilobytes each.
MOST = 4096

KeptT = TypeVar("KeptT")


class Kept(Generic[KeptT]):
    """What is made of a component, as long as it does not change; the oldest make room."""

    def __init__(self, make: Callable[[Component], KeptT]) -> None:
        self._make = make
        self._known: dict[Component, tuple[int, KeptT]] = {}

    def of(self, found: Component) -> KeptT:
        """Give it. It is shared: fill in what passes and encode it before anything else runs."""
        known = self._known.get(found)
        if known is not None and known[0] == found.changes:
            return known[1]
        made = self._make(found)
        self._known.pop(found, None)
        self._known[found] = (found.changes, made)
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return made


class Face:
    """A component as it was last encoded: `data` is right as long as the component and its beats are."""

    __slots__ = ("data", "message", "stamps", "up_since")

    def __init__(self, message: pb.Component, up_since: datetime | None) -> None:
        self.message = message
        self.up_since = up_since
        self.stamps: list[Stamp] | None = None
        self.data = b""


class Faces:
    """Encodes components for replies."""

    def __init__(self, live: LiveRegistry) -> None:
        self._leases = live.leases
        self._components = Kept(
            lambda found: Face(convert.lasting_component(found, live.view.history_id), convert.up_since(found.best))
        )
        self._summaries = Kept(convert.lasting_summary)

    def component(self, found: Component, now: datetime) -> bytes:
        """Encode a component with all its instances.

        What changes with every read goes behind what does not: of a field that comes twice, the last one counts
        (https://protobuf.dev/programming-guides/encoding/#last-one-wins).
        """
        face, stamp = self._components.of(found), self._leases.stamp
        stamps = [stamp(one) for one in found.instances.values()]
        if stamps != face.stamps:
            convert.beaten(face.message, found, stamps)
            face.data, face.stamps = face.message.SerializeToString(), stamps
        return face.data + convert.up(face.up_since, now).SerializeToString()

    def summary(self, found: Component) -> pb.ComponentSummary:
        """Give a component as a row of a list. It is shared: put it into a page before anything else runs."""
        message = self._summaries.of(found)
        convert.passing_summary(message, found, self._leases)
        return message
