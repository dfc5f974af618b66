"""What each instance uses, the newest: as it was reported, as it was measured here, and as other servers heard it."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import NamedTuple

from tekton_server.domain.usage import Usage, over
from tekton_server.storage.usage import Told


class Known(NamedTuple):
    """What is known of an instance, since when, and where it is from: reported, measured, or both."""

    at: datetime
    usage: Usage
    source: str


class _Entry:
    __slots__ = ("measured", "reported")

    def __init__(self) -> None:
        self.reported: tuple[datetime, Usage] | None = None
        self.measured: tuple[datetime, Usage] | None = None

    @property
    def known(self) -> Known | None:
        """What was measured is of all processes and nobody's own word, so it goes first, figure by figure."""
        if self.measured is None:
            return None if self.reported is None else Known(*self.reported, "reported")
        if self.reported is None:
            return Known(*self.measured, "measured")
        at = max(self.measured[0], self.reported[0])
        usage = over(self.measured[1], self.reported[1])
        return Known(at, usage, "measured" if usage == self.measured[1] else "both")


class UsageBook:
    """In memory, of instances that hold a lease; and what of it is not stored yet."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._measured: set[str] = set()
        # With the last figures of one that has ended since.
        self._dirty: dict[str, Told | None] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, instance_uuid: str) -> Known | None:
        """Give what an instance uses."""
        entry = self._entries.get(instance_uuid)
        return None if entry is None else entry.known

    def report(self, instance_uuid: str, usage: Usage, at: datetime) -> None:
        """An instance says what it uses."""
        self._entry(instance_uuid).reported = (at, usage)
        self._dirty[instance_uuid] = None

    def measure(self, instance_uuid: str, usage: Usage, at: datetime, *, store: bool) -> None:
        """An instance was measured here; `store` is whether others shall know."""
        self._entry(instance_uuid).measured = (at, usage)
        self._measured.add(instance_uuid)
        if store:
            self._dirty[instance_uuid] = None

    def unmeasured(self, but: set[str]) -> None:
        """Forget what was measured of all but these: nothing of them runs here any more."""
        for instance_uuid in self._measured - but:
            entry = self._entries.get(instance_uuid)
            if entry is not None and entry.reported is None:
                self.forget(instance_uuid)
            elif entry is not None:
                entry.measured = None
        self._measured &= but

    def heard(self, told: Told) -> bool:
        """Another server heard of an instance; tell whether that is news."""
        entry = self._entry(told.instance_uuid)
        # What was measured here since is beside that, not in its place.
        if entry.reported is not None and entry.reported[0] >= told.at:
            return False
        entry.reported = (told.at, told.usage)
        return True

    def beside(self, told: Told) -> Told:
        """Give what another server heard, with what was measured here going first, figure by figure."""
        entry = self._entries.get(told.instance_uuid)
        if entry is None or entry.measured is None:
            return told
        return told._replace(usage=over(entry.measured[1], told.usage))

    def forget(self, instance_uuid: str) -> None:
        """An instance has ended; its last figures are stored all the same."""
        known = self.get(instance_uuid)
        if known is not None and instance_uuid in self._dirty:
            self._dirty[instance_uuid] = Told(instance_uuid, known.at, known.usage)
        self._entries.pop(instance_uuid, None)
        self._measured.discard(instance_uuid)

    @property
    def waiting(self) -> int:
        """How many have something that is not stored yet."""
        return len(self._dirty)

    def unstored(self, most: int) -> list[Told]:
        """Take some of what is not stored yet; give it back with `again` where it could not be."""
        found: list[Told] = []
        for instance_uuid in list(islice(self._dirty, most)):
            last = self._dirty.pop(instance_uuid)
            known = self.get(instance_uuid)
            if known is not None:
                found.append(Told(instance_uuid, known.at, known.usage))
            elif last is not None:
                found.append(last)
        return found

    def again(self, told: list[Told]) -> None:
        """What was taken could not be stored; where there are newer figures those go instead."""
        for one in told:
            self._dirty.setdefault(one.instance_uuid, one)

    def _entry(self, instance_uuid: str) -> _Entry:
        return self._entries.setdefault(instance_uuid, _Entry())
