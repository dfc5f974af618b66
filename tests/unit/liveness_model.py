"""What has to be true of leases, sessions and states, as simply as it can be said: the model of the liveness machine.

It hears of every commit, and of what clients were told. It knows nothing of wheels, owners, flushes or outages, but
that the last of something disturbing is so long ago.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tekton.core.lifecycle import VALID_TRANSITIONS, ComponentState
from tekton.core.view import Commit, Instance, InstanceChange
from tekton_server.domain.decide import EXPIRED
from tests.support.virtual_time import VirtualLoop

TIMEOUT, INTERVAL = 6.0, 2.0
# How much later than its timeout a lease may be failed: by then each server has told the others what it heard and how
# far it is, which takes 1.4 s; what was heard elsewhere counts from when it is known, which is 1.3 s; and the expiry
# is tried again where it came a moment too early, or the journal's lock was held for a second.
SLACK = 1.4 + 1.3 + 0.9 + 1.0
# What the gateway had passed on before it went may be heard so much later: it waits on the sockets, or is known to
# another server first.
LEFT_OVER = 0.6 + 1.4
# After so long, all servers know what one of them has done.
KNOWN = 2.0


@dataclass
class Known:
    """One instance."""

    instance_uuid: str
    component_id: str
    port: int
    granted: int
    registered: float
    leased: bool = True
    reason: str = ""
    # When it surely was heard, by which server; when it was heard at the latest, if it was.
    heard: list[tuple[float, UUID]] = field(default_factory=list)
    maybe: float = 0.0
    # Valid contacts and wishes to end it that are under way.
    contacts: int = 0
    # When the last valid contact ended.
    contact: float = float("-inf")
    ends: int = 0
    # The stream that carries it, since when, and the greatest session epoch that anybody was told.
    holder: Any = None
    moved: float = float("-inf")
    epoch: int = 0
    # Whether the server that gave the epoch lived for long enough to store it.
    stored: bool = True
    # Until when it is open who of two that claimed it at two servers at once has it.
    contested: float = float("-inf")
    # A client that never stops beating.
    beats: bool = False
    expiries: list[tuple[float, UUID]] = field(default_factory=list)


class Truth:
    """All instances, and the time that they have."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.known: dict[str, Known] = {}
        self.evictions_stopped = False
        self.gateway_gone: float | None = None
        self.disturbed_until = 0.0
        """Until when something is in the way of a judgement."""
        self.wrong: list[AssertionError] = []

    @property
    def now(self) -> float:
        """The time."""
        return self._loop.time()

    def disturbed(self, more: float = 0.0) -> None:
        """Something is in the way of judgements, now and for a while after."""
        self.disturbed_until = max(self.disturbed_until, self.now + more)

    def hear(self, known: Known, at: float, by: UUID) -> None:
        """A beat of an instance that was sent then was surely counted by a server."""
        known.heard.append((at, by))
        known.maybe = max(known.maybe, self.now)
        wrong = [one for one, judge in known.expiries if at + (0 if judge == by else KNOWN) < one < at + TIMEOUT]
        assert not wrong, f"{known.instance_uuid} was heard at {at} and failed at {wrong}"

    def carried(self, known: Known, by: Any, rivals: bool) -> None:
        """A stream was told that it carries a lease; `rivals`: the one before it is open, at another server."""
        if rivals and self.now - max(known.moved, self.disturbed_until) < KNOWN:
            known.contested = self.now + 2 * KNOWN
        known.holder, known.moved, known.stored = by, self.now, True

    def lost_with(self, server: UUID, since: float) -> None:
        """A server died, and with it what it heard since then: the clients are told so by its end."""
        for known in self.known.values():
            known.heard = [one for one in known.heard if one[1] != server or one[0] < since]
            known.stored &= known.holder is None or known.holder.server.server_id != server or known.moved < since

    def committed(self, commit: Commit, by: UUID, decided: float) -> None:
        """Check a commit against everything that is known; what is wrong is told once the writer has gone on."""
        try:
            self._check(commit, by, decided)
        except AssertionError as error:
            self.wrong.append(error)

    def _check(self, commit: Commit, by: UUID, decided: float) -> None:
        for change in commit.changes:
            if not isinstance(change, InstanceChange):
                continue
            if change.old is None:
                assert change.new is not None
                self._granted(change.new, commit.revision, by)
            elif change.new is not None:
                self._moved(change.old, change.new, by, decided)

    def _granted(self, new: Instance, revision: int, by: UUID) -> None:
        before = [one.granted for one in self.known.values() if one.component_id == new.component_id]
        assert new.granted == revision > max(before, default=0), "fencing tokens grow"
        same = [one for one in self.known.values() if one.port == new.port and one.leased]
        assert not same, "an address has one holder"
        known = Known(new.instance_uuid, new.component_id, new.port, new.granted, self.now)
        self.known[new.instance_uuid] = known
        self.hear(known, self.now, by)

    def _moved(self, old: Instance, new: Instance, by: UUID, decided: float) -> None:
        known = self.known[new.instance_uuid]
        assert old.state is not ComponentState.STOPPED, "nothing leaves stopped"
        assert new.state is old.state or new.state in VALID_TRANSITIONS[old.state]
        assert new.granted == known.granted
        if known.leased and not new.leased:
            known.leased, known.reason = False, new.reason
            if new.reason == EXPIRED:
                self._failed(known, by, decided)
            else:
                assert known.ends or new.reason == "superseded", f"nobody asked for its end: {new.reason}"
                known.beats = False
        elif new.leased and not known.leased:
            assert known.reason == EXPIRED, "only who was failed by the timeout comes back"
            came = known.contacts or known.contact >= known.expiries[-1][0]
            assert came, "it came back, and nobody had beaten since"
            others = [one for one in self.known.values() if one.port == known.port and one.leased]
            assert not others, "another one lives at its address"
            known.leased, known.reason, known.maybe = True, "", self.now

    def _failed(self, known: Known, by: UUID, decided: float) -> None:
        assert not known.beats, f"{known.instance_uuid} beats, and was failed"
        assert not self.evictions_stopped, "evictions are stopped"
        known.expiries.append((decided, by))
        here = max((at for at, server in known.heard if server == by), default=0.0)
        assert decided - here >= TIMEOUT, f"{known.instance_uuid} was heard {decided - here:.2f} s before it was failed"
        # What came to another server after its time was over may not be known yet.
        last = max((at for at, _ in known.heard if at < decided - KNOWN), default=0.0)
        silent = min((at for at, _ in known.heard if at > last), default=decided) - last
        assert silent >= TIMEOUT, f"{known.instance_uuid} was silent for {silent:.2f} s only when it was failed"

    def over(self, known: Known) -> None:
        """A valid contact is over, whatever came of it."""
        known.contacts -= 1
        known.contact = known.maybe = self.now

    def check_the_dead(self) -> None:
        """Whoever holds a lease was heard lately, unless something was in the way."""
        for known in self.known.values():
            if known.contacts:
                known.maybe = self.now
            if self.gateway_gone is not None and known.maybe <= self.gateway_gone + LEFT_OVER:
                # It may be behind the gateway.
                continue
            if known.leased and not known.beats:
                quiet = self.now - max(known.maybe, self.disturbed_until)
                assert quiet <= TIMEOUT + SLACK, f"{known.instance_uuid} is silent for {quiet:.2f} s, and not failed"
