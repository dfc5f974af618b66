"""A server on a paper database in virtual time: its real parts for liveness, wired as `live.registry` wires them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from tekton.core.view import Commit
from tekton_server.domain.overlay import Tombstone
from tekton_server.live.admission import Admission
from tekton_server.live.beats import BeatFeed
from tekton_server.live.commands import CommandDesk
from tekton_server.live.follower import Follower
from tekton_server.live.freshness import Freshness
from tekton_server.live.lease import Timing
from tekton_server.live.leases import LeaseTable
from tekton_server.live.membership import Membership, server_lease
from tekton_server.live.neighbours import Neighbours
from tekton_server.live.pulses import Pulses
from tekton_server.live.sessions import SessionRegistry
from tekton_server.live.takeover import Takeover
from tekton_server.live.writer import Writer
from tekton_server.services.heartbeat import HeartbeatServicer
from tests.support.paper_database import PaperDatabase, PaperSession
from tests.support.paper_stores import PaperLeaseStore, PaperNotices, PaperServerStore

CONFIRM_WITHIN = 5.0


class PaperServer:
    """One server. To its servicer it is the live registry. `ahead`: by how much its wall clock is wrong, in seconds."""

    def __init__(self, database: PaperDatabase, timing: Timing, ahead: float = 0.0) -> None:
        self.server_id = uuid4()
        self._database = database
        self._loop = database.loop
        self._ahead = timedelta(seconds=ahead)
        self.view, beats, horizon = database.load()
        clock = self._loop.time
        self.session = PaperSession(database, self.server_id)
        self.feed = BeatFeed()
        self.sessions = SessionRegistry()
        self.tombstones: dict[str, Tombstone] = {}
        self.writer = Writer(
            self.session, self.view, self._on_commit, lambda: None, self.tombstones, clock=clock, wall=self._wall
        )
        store = PaperLeaseStore(database, self.server_id)
        self.leases = LeaseTable(timing, self.writer, store, self.feed, clock, self._wall)
        self.leases.load(self.view.instances.values(), beats, alone=False)
        self.takeover = Takeover(store, self.leases, server_lease(timing.timeout))
        servers = PaperServerStore(database, self.server_id)
        self.membership = Membership(servers, self.leases, self.takeover, clock, address="", alone=False)
        self.neighbours = Neighbours(store, self.leases, self.takeover, horizon)
        self.follower = Follower(PaperNotices(database, self.server_id), self.view, self.writer)
        self._freshness = Freshness(self._refresh, CONFIRM_WITHIN)
        self.pulses = Pulses(self.view, self.writer, self.leases, self.tombstones, self.confirm)
        self.commands = CommandDesk(self.view, self.writer, self.leases, self.tombstones, self.confirm)
        self.admission = Admission(lambda: self.leases.timing, clock)
        self.servicer = HeartbeatServicer(self)  # type: ignore[arg-type]
        self.calls: set[asyncio.Task[Any]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Join the servers, and begin to serve."""
        await self.membership.join()
        jobs: tuple[Coroutine[Any, Any, None], ...] = (
            self.writer.run(),
            self.leases.judge.run(),
            self.leases.beats.run(),
            self.membership.run(),
            self.takeover.run(),
            self.neighbours.run(),
            self.follower.run(),
            self.commands.expiry.run(),
        )
        self._tasks = [asyncio.create_task(job) for job in jobs]
        self.leases.judge.begin()

    async def kill(self) -> None:
        """Die at once: nothing more is written, and every call breaks off."""
        self._database.listeners.pop(self.server_id, None)
        self._database.cut_off(self.server_id)
        dying = [*self._tasks, *self.calls]
        for task in dying:
            task.cancel()
        await asyncio.gather(*dying, return_exceptions=True)
        await self._freshness.close()
        self.session.reset()

    def assert_well(self) -> None:
        """No part has ended by itself."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise AssertionError("a part of the server ended")

    def call(self, answer: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a call's handler, as gRPC does, for as long as the server lives."""
        task = asyncio.create_task(answer)
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)
        return task

    async def confirm(self) -> None:
        """As `LiveRegistry.confirm`."""
        await self._freshness.confirm()

    async def _refresh(self) -> None:
        await self._database.trip(self.server_id)
        if len(self._database.commits) > self.view.revision:
            await self.writer.refresh()

    def _on_commit(self, commit: Commit, ours: bool) -> None:
        self.leases.on_commit(commit, ours)
        self.commands.on_commit(commit)

    def _wall(self) -> datetime:
        return self._loop.wall() + self._ahead
