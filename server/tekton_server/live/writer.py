"""The one write path: waiting commands are gathered into a batch, decided in turn, and committed together.

DESIGN §3. Commit order is lock order: the journal's advisory lock is taken before the last revision is read, so
revisions are gapless over any number of servers. Only this task folds commits into the view.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tekton.core.backoff import full_jitter
from tekton.core.errors import RateLimitedError, TektonError, UnavailableError
from tekton.core.view import Commit, View
from tekton_server import failpoints
from tekton_server.domain.commands import Command, ExpireLease
from tekton_server.domain.overlay import Tombstones
from tekton_server.live.batch import Batch, Pending
from tekton_server.live.company import Company
from tekton_server.live.folding import Folding, HistoryDivergedError
from tekton_server.live.lease import Clock, Wall, utc
from tekton_server.storage.errors import DataRefusedError, StorageFullError, StorageUnavailableError
from tekton_server.storage.journal import Head, JournalSession
from tekton_server.storage.requests import Request

__all__ = ["HistoryDivergedError", "Writer"]

log = logging.getLogger(__name__)

MAX_BATCH = 512
MAX_WAITING = 20_000
# How long a new command may wait for a database that does not answer before it is refused at once.
OUTAGE_PATIENCE = 1.0
# A statement that takes longer than this is a database that does not answer.
STUCK_AFTER = 2.0
# The longest a caller waits who does not say how long.
PATIENCE = 10.0


Recheck = Callable[[JournalSession, Sequence[str]], Awaitable[None]]


class Writer:
    """Decides and commits commands. One task runs `run`; everybody else calls `submit`.

    `on_commit` is called with each commit right after the view holds it, and whether this server made it; `on_batch`
    once after the last of a batch; both before any caller is answered.
    """

    recheck: Recheck | None = None
    """Asked under the journal lock before leases expire, so that guards judge by what is stored then."""

    def __init__(
        self,
        session: JournalSession,
        view: View,
        on_commit: Callable[[Commit, bool], None],
        on_batch: Callable[[], None],
        tombstones: Tombstones,
        *,
        last_batch: UUID | None = None,
        clock: Clock = time.monotonic,
        wall: Wall = utc,
    ) -> None:
        self._session = session
        self._clock = clock
        self._wall = wall
        self._ahead = timedelta(0)
        self._view = view
        self.folding = Folding(session, view, on_commit, on_batch, last_batch)
        self._tombstones = tombstones
        self._waiting: deque[Pending] = deque()
        self._wake = asyncio.Event()
        self._company = Company(self._waiting)
        self._down_since: float | None = None
        self._full = False
        self._failures = 0
        self._attempt_since: float | None = None
        self._closed = False

    def now(self) -> datetime:
        """Give the time of day by the database's clock, which decides: as far as it was told with the last write."""
        return self._wall() - self._ahead

    @property
    def down_since(self) -> float | None:
        """Since when (monotonic seconds) the database does not answer; None while it does."""
        if self._down_since is None and self._attempt_since is not None:
            stuck = self._clock() - self._attempt_since > STUCK_AFTER
            return self._attempt_since if stuck else None
        return self._down_since

    @property
    def trouble(self) -> str | None:
        """What is wrong with the database, in words for whoever asks how we are."""
        if self.down_since is None:
            return None
        return "the disk of the database is full" if self._full else "the database does not answer"

    def _out_of_patience(self) -> bool:
        since = self.down_since
        return since is not None and self._clock() - since > OUTAGE_PATIENCE

    @property
    def waiting(self) -> int:
        """How many commands wait for a batch."""
        return len(self._waiting)

    def submit_nowait(
        self, command: Command, *, guard: Callable[[], bool] | None = None, request: Request | None = None
    ) -> asyncio.Future[Any]:
        """Queue a command; the future gives its reply, or the TektonError that refused it.

        `guard` is asked when the command's turn comes, under the journal lock; False drops it, answered None. A
        `request` that was answered before is answered again and not done again.

        Raises:
            RateLimitedError: too many commands wait.
            UnavailableError: the database has not answered for a while.
        """
        return self._enqueue(Pending(command, guard=guard, request=request))

    def _enqueue(self, pending: Pending) -> asyncio.Future[Any]:
        if self._closed:
            raise UnavailableError("the server is shutting down; try again", details={"outcome": "none"})
        if len(self._waiting) >= MAX_WAITING:
            raise RateLimitedError("too many writes are waiting; try again")
        if self._out_of_patience():
            raise self._not_tried()
        self._waiting.append(pending)
        self._wake.set()
        return pending.future

    async def submit(self, command: Command, *, within: float = PATIENCE, request: Request | None = None) -> Any:
        """Queue a command and wait for its reply; a caller that gives up never cancels the batch.

        `within` is the caller's patience in seconds.

        Raises:
            TektonError: the command was refused.
            UnavailableError: as `submit_nowait`; with `details.outcome` "unknown" when the patience ends first.
        """
        future = self.submit_nowait(command, request=request)
        # The future is this caller's alone, and whoever answers leaves one that is done: no shield is needed.
        timer = asyncio.get_running_loop().call_later(within, _too_late, future)
        try:
            return await future
        finally:
            timer.cancel()

    async def run(self) -> None:
        """Commit batches until cancelled.

        Raises:
            HistoryDivergedError: see there.
        """
        try:
            while True:
                await self._work_or_probe()
                await self._company.gather(MAX_BATCH)
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
                self._company.took(len(batch))
                self._failures = 0 if await self._attempt(batch) else self._failures + 1
        finally:
            self._closed = True
            self._refuse_waiting(UnavailableError("the server is shutting down; try again"))

    async def _work_or_probe(self) -> None:
        """Wait for a command; while the database is down an empty batch goes out now and then to see it return."""
        pause = full_jitter(self._failures, base=0.05, ceiling=1.0) if self._down_since is not None else None
        if pause is not None:
            await asyncio.sleep(pause)
        elif not self._waiting:
            self._wake.clear()
            await self._wake.wait()

    async def refresh(self) -> None:
        """Fold what other servers committed, in turn with this server's own batches.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        await self._enqueue(Pending(None))

    async def _attempt(self, batch: list[Pending]) -> bool:
        self._attempt_since = self._clock()
        try:
            await self._write(batch)
        except StorageUnavailableError as error:
            self._session.reset()
            full = isinstance(error, StorageFullError)
            if self._down_since is None or full > self._full:
                what = "the disk of the database is full" if full else "database unavailable"
                log.warning("%s: %s", what, error.__cause__ or error)
            self._full |= full
            self._down_since = self._down_since or self._clock()
            _refuse(batch, error)
            return False
        except DataRefusedError as error:
            await self._bisect(batch, error)
        except BaseException:
            # A fault of ours, or the stop of the server: what was under way may have happened.
            self._session.reset()
            _refuse(batch, UnavailableError("the write was broken off; read again", details={"outcome": "unknown"}))
            raise
        finally:
            self._attempt_since = None
        if self._down_since is not None:
            log.info("database available again after %.1f s", self._clock() - self._down_since)
            self._down_since, self._full = None, False
        return True

    async def _write(self, pending: list[Pending]) -> None:
        if pending and self._down_since is None and all(item.command is None for item in pending):
            await self._follow(pending)
            return
        head = await self._session.begin()
        await self._catch_up(head)
        expiring = [item.command.instance_uuid for item in pending if isinstance(item.command, ExpireLease)]
        if expiring and self.recheck is not None:
            await self.recheck(self._session, expiring)
        asked = [item.request.key for item in pending if item.request is not None]
        remembered = await self._session.remembered(asked) if asked else {}
        batch = Batch(self._view, head, remembered, self._tombstones)
        undecided = batch.decide(pending)
        if batch.empty:
            if self._full:
                await self._session.try_room()
            await self._session.rollback()
        else:
            await self._session.append(batch.commits, batch.batch_id, batch.answered)
            try:
                await self._session.commit()
            except StorageUnavailableError:
                self._put_back(undecided)
                await self._settle(pending[: len(pending) - len(undecided)], batch)
                return
        # Not before: a batch that fails is refused whole, and what was refused must not happen later.
        self._put_back(undecided)
        await self._finish(batch)

    async def _follow(self, pending: list[Pending]) -> None:
        """Fold what other servers committed, without the journal's lock: nobody waits for a server that only reads."""
        await self._catch_up(await self._session.head())
        for item in pending:
            item.resolve(None)

    async def _catch_up(self, head: Head) -> None:
        self._ahead = self._wall() - head.now
        await self.folding.catch_up(head)

    async def _settle(self, pending: list[Pending], batch: Batch) -> None:
        """Find out what became of a commit whose answer was lost. Callers wait as long as their own patience lasts."""
        self._down_since = self._down_since or self._clock()
        log.warning("the outcome of batch %s is unknown; asking the database", batch.batch_id)
        attempt = 0
        while (committed := await self._was_committed(batch)) is None:
            if self._out_of_patience():
                # Those never had their turn, so they can be told for sure.
                self._refuse_waiting(self._not_tried())
            await asyncio.sleep(full_jitter(attempt, base=0.05, ceiling=1.0))
            attempt += 1
        log.info("batch %s was %s", batch.batch_id, "committed" if committed else "not committed")
        if committed:
            await self._finish(batch)
        else:
            self._put_back(pending)

    def _put_back(self, pending: Sequence[Pending]) -> None:
        """Let commands go first in the next batch."""
        self._waiting.extendleft(reversed(pending))
        self._wake.set()

    async def _was_committed(self, batch: Batch) -> bool | None:
        """Ask for a batch by its id; None when the database cannot be asked. One without changes may be done again."""
        self._session.reset()
        try:
            # begin() takes the journal lock, which waits out the old backend if it is still committing.
            await self._session.begin()
            found = await self._session.batch_at(batch.commits[0].revision) if batch.commits else None
            await self._session.rollback()
        except StorageUnavailableError:
            return None
        return found == batch.batch_id

    async def _bisect(self, batch: list[Pending], error: DataRefusedError) -> None:
        """Fail only the command whose data the database refused."""
        self._session.reset()
        if len(batch) == 1:
            log.error("the database refused the data of %r: %s", batch[0].command, error)
            _refuse(batch, TektonError("the registry could not store this; the server's log says why"))
            return
        middle = len(batch) // 2
        await self._attempt(batch[:middle])
        await self._attempt(batch[middle:])

    async def _finish(self, batch: Batch) -> None:
        if batch.commits:
            if log.isEnabledFor(logging.DEBUG):
                # The journal holds the id of the batch: that is how its rows are told whose requests they are of.
                log.debug("batch %s is committed", batch.batch_id, extra={"requests": batch.request_ids})
            self.folding.ours(batch.commits, batch.batch_id)
        if failpoints.ACTIVE:
            await failpoints.reach("writer.before_answer")
        batch.resolve()

    def _not_tried(self) -> StorageUnavailableError:
        if self._full:
            return StorageFullError(
                "the disk of the database is full; try again once there is room", details={"outcome": "none"}
            )
        return StorageUnavailableError("the database cannot be reached now; try again", details={"outcome": "none"})

    def _refuse_waiting(self, error: TektonError) -> None:
        _refuse(self._waiting, error)
        self._waiting.clear()


def _refuse(batch: Sequence[Pending] | deque[Pending], error: TektonError) -> None:
    for item in batch:
        item.resolve(error)


def _too_late(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(
            UnavailableError(
                "the write did not finish in time and may still happen; read before you try again",
                details={"outcome": "unknown"},
            )
        )
