"""The one write path: waiting commands are gathered into a batch, decided in turn, and committed together.

DESIGN §3. Commit order is lock order: the journal's advisory lock is taken before the last revision is read, so
revisions are gapless over any number of servers. Only this module folds commits into the view.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from tekton.core.backoff import full_jitter
from tekton.core.errors import RateLimitedError, TektonError, UnavailableError
from tekton.core.view import Commit, View
from tekton_server.domain.commands import Command
from tekton_server.domain.decide import decide
from tekton_server.domain.overlay import Overlay
from tekton_server.storage.errors import DataRefusedError, StorageUnavailableError
from tekton_server.storage.journal import Head, JournalSession

log = logging.getLogger(__name__)

MAX_BATCH = 512
MAX_WAITING = 20_000
# How long a new command may wait for a database that does not answer before it is refused at once.
OUTAGE_PATIENCE = 1.0


class HistoryDivergedError(Exception):
    """The database holds another history than the one folded so far: it was restored or failed over."""


class _Pending:
    """A command (None: only fold what others wrote), who waits for it, and whether it may still be decided."""

    __slots__ = ("command", "future", "guard")

    def __init__(self, command: Command | None, future: asyncio.Future[Any], guard: Callable[[], bool] | None) -> None:
        self.command = command
        self.future = future
        self.guard = guard


class _Batch:
    """What became of one attempt: commits, and what to tell each caller once they are durable."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.batch_id = uuid4()
        self.commits: list[Commit] = []
        self.answers: list[tuple[_Pending, Any]] = []


class Writer:
    """Decides and commits commands. One task runs `run`; everybody else calls `submit`.

    `on_commit` is called with each commit right after the view holds it, and `on_batch` once after the last of a batch;
    both before any caller is answered.
    """

    def __init__(
        self,
        session: JournalSession,
        view: View,
        on_commit: Callable[[Commit], None],
        on_batch: Callable[[], None],
        *,
        last_batch: UUID | None = None,
    ) -> None:
        self._session = session
        self._view = view
        self._on_commit = on_commit
        self._on_batch = on_batch
        self._waiting: deque[_Pending] = deque()
        self._wake = asyncio.Event()
        self._last_batch = last_batch
        self._down_since: float | None = None
        self._failures = 0

    @property
    def down_since(self) -> float | None:
        """Since when (monotonic seconds) the database does not answer; None while it does."""
        return self._down_since

    @property
    def waiting(self) -> int:
        """How many commands wait for a batch."""
        return len(self._waiting)

    def submit_nowait(self, command: Command, guard: Callable[[], bool] | None = None) -> asyncio.Future[Any]:
        """Queue a command; the future gives its reply, or the TektonError that refused it.

        `guard` is asked when the command's turn comes, under the journal lock; False drops it, answered None.

        Raises:
            RateLimitedError: too many commands wait.
            UnavailableError: the database has not answered for a while.
        """
        return self._enqueue(_Pending(command, asyncio.get_running_loop().create_future(), guard))

    def _enqueue(self, pending: _Pending) -> asyncio.Future[Any]:
        if len(self._waiting) >= MAX_WAITING:
            raise RateLimitedError("too many writes are waiting; try again")
        if self._down_since is not None and time.monotonic() - self._down_since > OUTAGE_PATIENCE:
            raise StorageUnavailableError("the database cannot be reached now; try again", details={"outcome": "none"})
        self._waiting.append(pending)
        self._wake.set()
        return pending.future

    async def submit(self, command: Command, *, within: float | None = None) -> Any:
        """Queue a command and wait for its reply; a caller that gives up never cancels the batch.

        `within` is the caller's patience in seconds.

        Raises:
            TektonError: the command was refused.
            UnavailableError: as `submit_nowait`; with `details.outcome` "unknown" when the patience ends first.
        """
        future = self.submit_nowait(command)
        try:
            return await asyncio.wait_for(asyncio.shield(future), within)
        except TimeoutError:
            future.add_done_callback(_consume)
            raise UnavailableError(
                "the write did not finish in time and may still happen; read before you try again",
                details={"outcome": "unknown"},
            ) from None

    async def run(self) -> None:
        """Commit batches until cancelled.

        Raises:
            HistoryDivergedError: see there.
        """
        try:
            while True:
                await self._work_or_probe()
                # Whoever is already runnable gets into this batch: that is what makes it a group commit.
                await asyncio.sleep(0)
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
                self._failures = 0 if await self._attempt(batch) else self._failures + 1
        finally:
            self._refuse_all(UnavailableError("the server is shutting down; try again"))

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
        await self._enqueue(_Pending(None, asyncio.get_running_loop().create_future(), None))

    async def _attempt(self, batch: list[_Pending]) -> bool:
        try:
            await self._write(batch)
        except StorageUnavailableError as error:
            self._session.reset()
            if self._down_since is None:
                self._down_since = time.monotonic()
                log.warning("database unavailable: %s", error.__cause__ or error)
            _refuse(batch, error)
            return False
        except DataRefusedError as error:
            await self._bisect(batch, error)
        except Exception:
            self._session.reset()
            _refuse(batch, UnavailableError("the server failed while writing; try again"))
            raise
        if self._down_since is not None:
            log.info("database available again after %.1f s", time.monotonic() - self._down_since)
            self._down_since = None
        return True

    async def _write(self, pending: list[_Pending]) -> None:
        head = await self._session.begin()
        self._check_history(head)
        while self._view.revision < head.revision:
            self._fold(await self._session.after(self._view.revision))
        batch = self._decide(pending, head)
        if not batch.commits:
            await self._session.rollback()
        else:
            await self._session.append(batch.commits, batch.batch_id)
            try:
                await self._session.commit()
            except StorageUnavailableError:
                await self._settle(pending, batch)
                return
        self._finish(batch)

    async def _settle(self, pending: list[_Pending], batch: _Batch) -> None:
        """Find out what became of a commit whose answer was lost. Callers wait as long as their own patience lasts."""
        attempt = 0
        self._down_since = self._down_since or time.monotonic()
        log.warning("the outcome of batch %s is unknown; asking the database", batch.batch_id)
        while True:
            self._session.reset()
            try:
                # begin() takes the journal lock, which waits out the old backend if it is still committing.
                head = await self._session.begin()
                committed = await self._session.batch_at(batch.commits[0].revision) == batch.batch_id
                await self._session.rollback()
                break
            except StorageUnavailableError:
                await asyncio.sleep(full_jitter(attempt, base=0.05, ceiling=1.0))
                attempt += 1
        log.info("batch %s was %s", batch.batch_id, "committed" if committed else "not committed")
        if committed:
            self._finish(batch)
        else:
            self._check_history(head)
            self._waiting.extendleft(reversed(pending))
            self._wake.set()

    async def _bisect(self, batch: list[_Pending], error: DataRefusedError) -> None:
        """Fail only the command whose data the database refused."""
        await self._session.rollback()
        if len(batch) == 1:
            log.error("the database refused the data of %r: %s", batch[0].command, error)
            _refuse(batch, TektonError("the registry could not store this; the server's log says why"))
            return
        middle = len(batch) // 2
        await self._attempt(batch[:middle])
        await self._attempt(batch[middle:])

    def _decide(self, pending: list[_Pending], head: Head) -> _Batch:
        overlay = Overlay(self._view)
        batch = _Batch(head)
        for item in pending:
            if item.command is None or (item.guard is not None and not item.guard()):
                batch.answers.append((item, None))
                continue
            batch.answers.append((item, self._decide_one(overlay, item.command, head.now, batch.commits)))
        return batch

    def _decide_one(self, overlay: Overlay, command: Command, now: datetime, commits: list[Commit]) -> Any:
        revision = overlay.revision
        try:
            decision = decide(overlay, command, now)
        except TektonError as error:
            return error
        except Exception as error:
            log.exception("deciding %s failed", type(command).__name__)
            return TektonError(f"the server failed to decide this: {type(error).__name__}")
        if decision.changes:
            commits.append(Commit(revision, now, decision.changes))
            overlay.accept(decision.changes)
        return decision.reply

    def _finish(self, batch: _Batch) -> None:
        if batch.commits:
            self._last_batch = batch.batch_id
            self._fold(batch.commits)
        for item, answer in batch.answers:
            if item.future.done():
                continue
            if isinstance(answer, TektonError):
                item.future.set_exception(answer)
            else:
                item.future.set_result(answer)

    def _fold(self, commits: Sequence[Commit]) -> None:
        for commit in commits:
            self._view.fold(commit)
            self._on_commit(commit)
        self._on_batch()

    def _check_history(self, head: Head) -> None:
        same_end = head.revision != self._view.revision or self._last_batch in (None, head.batch_id)
        if head.history_id != self._view.history_id or head.revision < self._view.revision or not same_end:
            raise HistoryDivergedError("the database holds another history than this server has served")

    def _refuse_all(self, error: TektonError) -> None:
        _refuse(self._waiting, error)
        self._waiting.clear()


def _refuse(batch: Sequence[_Pending] | deque[_Pending], error: TektonError) -> None:
    for item in batch:
        if not item.future.done():
            item.future.set_exception(error)


def _consume(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
