"""Who is present: leases by the session they beat through, as self-preservation counts sessions."""

from __future__ import annotations

from weakref import WeakValueDictionary

from tekton.core.view import Instance
from tekton_server.domain.preservation import Preservation
from tekton_server.live.lease import Lease


class Presence:
    """One session: a stream with all that it carries, or a host whose leases beat by unary calls."""

    __slots__ = ("__weakref__", "leases", "missing", "silent")

    def __init__(self) -> None:
        self.leases = 0
        self.silent = 0
        self.missing = False


class Roll:
    """Counts sessions, and tells self-preservation of those that go missing: all their leases are silent."""

    def __init__(self, preservation: Preservation) -> None:
        self._preservation = preservation
        self._hosts: WeakValueDictionary[str, Presence] = WeakValueDictionary()
        # Silent leases, each with the beat after which it fell silent.
        self._silent: dict[Lease, float] = {}
        self.sessions = 0
        """How many have leases."""

    def enter(self, lease: Lease, instance: Instance, now: float) -> None:
        """Count a new lease with its host until a stream carries it."""
        host = instance.machine or instance.host
        home = self._hosts.get(host)
        if home is None:
            home = self._hosts[host] = Presence()
        lease.home = home
        self._add(lease, home, now)

    def move(self, lease: Lease, presence: Presence, now: float) -> None:
        """A lease beats by another session from now on."""
        if lease.presence is presence:
            return
        self._remove(lease, now, evicted=False)
        self._add(lease, presence, now)

    def leave(self, lease: Lease, now: float, *, evicted: bool) -> None:
        """A lease is over."""
        self._remove(lease, now, evicted=evicted)

    def fell_silent(self, lease: Lease, now: float) -> None:
        """A lease has not beaten for suspiciously long."""
        presence = lease.presence
        if lease not in self._silent and presence is not None:
            self._silent[lease] = lease.beat_seconds
            presence.silent += 1
            self._weigh(presence, now)

    def returned(self, now: float) -> None:
        """Find those that beat again."""
        for lease in [lease for lease, since in self._silent.items() if lease.beat_seconds > since]:
            del self._silent[lease]
            if lease.presence is not None:
                lease.presence.silent -= 1
                self._weigh(lease.presence, now)

    def _add(self, lease: Lease, presence: Presence, now: float) -> None:
        lease.presence = presence
        self.sessions += not presence.leases
        presence.leases += 1
        self._weigh(presence, now)

    def _remove(self, lease: Lease, now: float, *, evicted: bool) -> None:
        presence, lease.presence = lease.presence, None
        if presence is None:
            return
        presence.leases -= 1
        presence.silent -= self._silent.pop(lease, None) is not None
        if presence.leases:
            self._weigh(presence, now)
            return
        self.sessions -= 1
        if presence.missing:
            presence.missing = False
            (self._preservation.evicted if evicted else self._preservation.back)(presence)

    def _weigh(self, presence: Presence, now: float) -> None:
        missing = presence.silent == presence.leases
        if missing and not presence.missing:
            self._preservation.missing(presence, now)
        elif presence.missing and not missing:
            self._preservation.back(presence)
        presence.missing = missing
