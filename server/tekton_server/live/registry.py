"""The live registry: everything in-process that serves one store, wired together, with its background tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from tekton import __version__
from tekton.core.errors import CompactedError, UnavailableError
from tekton.core.ids import Token
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Change, Commit, Instance, InstanceChange, View
from tekton_server.domain import built_in
from tekton_server.domain.overlay import Tombstone
from tekton_server.live.admission import Admission
from tekton_server.live.beats import BeatFeed
from tekton_server.live.commands import CommandDesk
from tekton_server.live.error_reports import ErrorReports
from tekton_server.live.fanout import Hub
from tekton_server.live.fleet import Fleet
from tekton_server.live.follower import Follower
from tekton_server.live.freshness import Freshness
from tekton_server.live.healing.healer import Healer, Healing
from tekton_server.live.healing.launches import Launches
from tekton_server.live.healing.steady import Steady
from tekton_server.live.housekeeping import Housekeeping, Retention
from tekton_server.live.lease import Timing
from tekton_server.live.leases import LeaseTable
from tekton_server.live.lifecycle import Lifecycle
from tekton_server.live.membership import Membership, server_lease
from tekton_server.live.metrics import Batches
from tekton_server.live.neighbours import Neighbours
from tekton_server.live.pace import BEATS_PER_SECOND
from tekton_server.live.parts import PARTS, Parts
from tekton_server.live.pulses import Pulses
from tekton_server.live.readiness import Readiness
from tekton_server.live.reload import difference
from tekton_server.live.resources.monitor import TERMS, Resources
from tekton_server.live.resources.monitor import Terms as ResourceTerms
from tekton_server.live.resources.sampling import Sampler
from tekton_server.live.routing.desk import RoutingDesk
from tekton_server.live.routing.terms import DEFAULT as ROUTING
from tekton_server.live.routing.terms import RoutingTerms
from tekton_server.live.sessions import SessionRegistry
from tekton_server.live.silence import Silence
from tekton_server.live.switches import Switches
from tekton_server.live.takeover import Takeover
from tekton_server.live.writer import HistoryDivergedError
from tekton_server.storage.database import Database
from tekton_server.storage.error_reports import ErrorReportStore
from tekton_server.storage.leases import LeaseStore
from tekton_server.storage.notices import Notices
from tekton_server.storage.retention import forget_old
from tekton_server.storage.servers import ServerStore
from tekton_server.storage.state import Loaded, Store
from tekton_server.storage.switches import SwitchStore
from tekton_server.storage.usage import UsageStore

log = logging.getLogger(__name__)


KEEP = Retention()
# How long a negative answer may wait for the database, in seconds.
CONFIRM_WITHIN = 5.0


class LiveRegistry:
    """What servicers use: the view to read, the writer to change, `confirm` before saying no, and the watches."""

    def __init__(
        self,
        loaded: Loaded,
        store: Store,
        engine: AsyncEngine,
        database: Database,
        timing: Timing,
        retention: Retention,
        last_batch: UUID | None,
        parts: Parts,
        beats_per_second: float = BEATS_PER_SECOND,
        *,
        address: str,
        alone: bool,
        sampler: Sampler | None,
        resource_terms: ResourceTerms,
        routing: RoutingTerms = ROUTING,
    ) -> None:
        self.server_id = uuid4()
        self.view: View = loaded.view
        self.store = store
        self.feed = BeatFeed()
        self.sessions = SessionRegistry()
        self.batches = Batches()
        self._session = parts.session(database)
        self.tombstones: dict[str, Tombstone] = {}
        self.writer = parts.writer(
            self._session, self.view, self._on_commit, self._on_batch, self.tombstones, last_batch=last_batch
        )
        self.writer.folding.reload = self._reload
        self.housekeeping = Housekeeping(
            self.view, self.writer, retention, self.tombstones, lambda: forget_old(engine, retention.journal)
        )
        self.housekeeping.load(self.view.instances.values(), loaded.graves)
        self.hub = Hub(self.view, store.after)
        stored = LeaseStore(engine, self.server_id)
        self.leases = LeaseTable(timing, self.writer, stored, self.feed, beats_per_second=beats_per_second)
        self.leases.load(self.view.instances.values(), loaded.beats, alone=alone)
        self.takeover = Takeover(stored, self.leases, server_lease(timing.timeout))
        servers, clock = ServerStore(engine, self.server_id), self.leases.now
        self.membership = Membership(servers, self.leases, self.takeover, clock, address=address, alone=alone)
        self.neighbours = Neighbours(stored, self.leases, self.takeover, loaded.horizon)
        self.follower = Follower(Notices(database, lambda: self._session.backend), self.view, self.writer)
        self._freshness = Freshness(self._refresh, CONFIRM_WITHIN)
        self.pulses = Pulses(self.view, self.writer, self.leases, self.tombstones, self.confirm)
        self.commands = CommandDesk(self.view, self.writer, self.leases, self.tombstones, self.confirm)
        self.resources = Resources(
            self.view,
            self.writer,
            self.leases,
            UsageStore(engine, self.server_id),
            self.commands.holder,
            sampler,
            resource_terms,
        )
        self.error_reports = ErrorReports(self.view, self.tombstones, ErrorReportStore(engine), self.confirm)
        self.admission = Admission(lambda: self.leases.timing, self.leases.now)
        self.silence = Silence(self.sessions, lambda: self.leases.timing, self.leases.now)
        self.routing = RoutingDesk(
            self.view, routing, engine, self.leases.now,
            suspect=lambda one: self.leases.stamp(one).suspect, several=lambda: bool(self.leases.ownership.others),
            confirm=self.confirm,
        )  # fmt: skip
        self.switches = Switches(SwitchStore(engine), self.leases.judge.preservation)
        self.lifecycle = Lifecycle(
            self.view, self.writer, self.leases, str(self.server_id), self.confirm, self.membership.met.wait
        )
        self.lifecycle.site.admit = self.resources.admission.admit
        self.resources.overuse.stop = self._stop_for_use
        readiness = Readiness(self.view, self.lifecycle.bells, self.lifecycle.site.extensions, self.leases.now)
        self.fleet = Fleet(self.view, self.lifecycle, readiness, self.confirm)
        self.healer: Healer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def _stop_for_use(self, instance: Instance, why: str) -> object:
        """Stop an instance that uses more than it may: one that was launched is not started again for that, and any
        other is told why."""
        launch = self.lifecycle.site.launch(instance.component_id)
        if launch is None or launch.instance_uuid != instance.instance_uuid:
            return await self.resources.overuse.ask_to_stop(instance, why)
        return await self.lifecycle.stop(instance.component_id, instance_uuid=instance.instance_uuid, force=True)

    def heal(self, terms: Healing) -> None:
        """Have what fails of the launches of this server started again, before it starts."""
        hands = Launches(self.lifecycle.site, self.lifecycle, self.store.last_changes)
        clock = Steady(self.leases.now, self.lifecycle.site.now)
        self.healer = Healer(self.view, self.writer, hands, terms, lambda: self.leases.judge.trouble, clock)

    @classmethod
    async def open(
        cls,
        engine: AsyncEngine,
        database: Database,
        timing: Timing,
        retention: Retention = KEEP,
        parts: Parts = PARTS,
        beats_per_second: float = BEATS_PER_SECOND,
        *,
        address: str = "",
        alone: bool = False,
        routing: RoutingTerms = ROUTING,
        sampler: Sampler | None = None,
        resource_terms: ResourceTerms = TERMS,
    ) -> LiveRegistry:
        """Load the store, wire everything up, and join the servers on the database.

        `address` is what the other servers' operators see. `alone`: no other can be using the database. `sampler` reads
        the machine, None: nobody does.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        store = parts.store(engine)
        loaded = await store.load()
        head = await store.head()
        last_batch = head.batch_id if head.revision == loaded.view.revision else None
        live = cls(
            loaded, store, engine, database, timing, retention, last_batch, parts, beats_per_second,
            address=address, alone=alone, routing=routing, sampler=sampler, resource_terms=resource_terms,
        )  # fmt: skip
        await live.membership.join()
        await live.routing.learning.load()
        return live

    def build_in(self, host: str, port: int) -> None:
        """Show Tekton's own parts among the components, at the address by which Tekton is reached."""
        for definition, instance in built_in.records(host, port, __version__, datetime.now(UTC)):
            self.view.build_in(definition, instance)

    def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Start the background tasks; `on_failure` hears of one that ends by itself."""
        jobs: dict[str, Coroutine[Any, Any, None]] = {
            "writer": self._write(),
            "lease wheel": self.leases.judge.run(),
            "silent streams": self.silence.run(),
            "switches": self.switches.run(),
            "beat flush": self.leases.beats.run(),
            "housekeeping": self.housekeeping.run(),
            "command expiry": self.commands.expiry.run(),
            "server lease": self.membership.run(),
            "takeover": self.takeover.run(),
            "neighbours": self.neighbours.run(),
            "follower": self.follower.run(),
            "launches": self.lifecycle.run(),
            "what was learnt of models": self.routing.learning.run(),
            "budgets": self.routing.budgets.run(),
            "error reports": self.error_reports.run(),
            **self.resources.jobs(),
        }
        if self.healer is not None:
            jobs["healing"] = self.healer.run()
        for name, job in jobs.items():
            task = asyncio.create_task(job, name=name)
            task.add_done_callback(lambda done: _report(done, on_failure))
            self._tasks.append(task)

    async def _write(self) -> None:
        try:
            await self.writer.run()
        except HistoryDivergedError:
            # The next start serves the new history; tokens of the old one are then told apart.
            await self.store.new_history(self.view.history_id)
            raise

    async def confirm(self) -> None:
        """Return once the view holds everything committed when this was called; ask before a negative answer.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        await self._freshness.confirm()

    async def reach(self, token: Token) -> None:
        """Return once the view has reached a revision that a caller has seen elsewhere.

        Raises:
            CompactedError: it is of another history.
            UnavailableError: it is ahead of everything this server can see.
        """
        if token.history_id != self.view.history_id:
            raise CompactedError("this revision is of another history; read again without asking for it")
        if token.revision > self.view.revision:
            await self.confirm()
        if token.revision > self.view.revision:
            raise UnavailableError(f"revision {token.revision} is not reached yet; try again")

    def end_watches(self, reconnect_after: float) -> None:
        """End streams in good order: watchers are told the end, heartbeat clients to come back later."""
        self.fleet.close()
        self.hub.close()
        self.feed.close()
        self.commands.close()
        self.resources.feed.close()
        self.sessions.go_away(reconnect_after, "shutting_down")

    async def stop(self) -> None:
        """Stop the background tasks, storing the last beats, leave the leases to others, and close the connections."""
        self.fleet.close()
        await self.fleet.closed()
        await self._freshness.close()
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("a background task had failed", exc_info=result)
        self.resources.close()
        await self.membership.leave()
        await self._session.close()

    def _on_commit(self, commit: Commit, ours: bool) -> None:
        for change in commit.changes:
            _tell(change)
        self.leases.on_commit(commit, ours)
        self.commands.on_commit(commit)
        self.resources.on_commit(commit)
        self.lifecycle.on_commit(commit)
        if self.healer is not None:
            self.healer.on_commit(commit)
        self.housekeeping.on_commit(commit)
        self.routing.on_commit(commit)
        if commit.revision == self.hub.revision + 1:
            self.hub.publish(commit)
        else:
            self.hub.jump(commit.revision)
        self.batches.commit()

    def _on_batch(self) -> None:
        self.batches.close()
        self.hub.wake()

    async def _reload(self) -> Commit:
        """Load what is there, for a journal that does not tell any more how it came.

        Raises:
            HistoryDivergedError: it is another history.
            StorageUnavailableError: the database cannot be asked.
        """
        loaded = await self.store.load()
        if loaded.view.history_id != self.view.history_id:
            raise HistoryDivergedError("the database holds another history than this server has served")
        self.housekeeping.load((), loaded.graves)
        self.takeover.look_at_everything()
        return difference(self.view, loaded.view, datetime.now(UTC))

    async def _refresh(self) -> None:
        head = await self.store.head()
        if head.revision > self.view.revision:
            # Another server wrote: an empty batch folds it under the writer's own hand.
            await self.writer.refresh()


def _tell(change: Change) -> None:
    """Log what an operator wants to know of: who failed, and who came back from it."""
    if not isinstance(change, InstanceChange) or change.new is None:
        return
    before = change.old.state if change.old else None
    if change.new.state is before or change.cause.implied:
        return
    failed = change.new.state is ComponentState.FAILED
    if failed or change.new.reason == "heartbeat_resumed":
        level = logging.WARNING if failed else logging.INFO
        said = (change.component_id, change.key, change.new.state, change.new.reason)
        log.log(level, "%s (%s) is %s: %s", *said)


def _report(task: asyncio.Task[None], on_failure: Callable[[BaseException], None]) -> None:
    if not task.cancelled():
        error = task.exception()
        on_failure(error or RuntimeError(f"the {task.get_name()} task ended"))
