"""How commits get into the view: our own, and what other servers wrote meanwhile, as one history without a gap."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn
from uuid import UUID

from tekton.core.view import Commit, View
from tekton_server.storage.journal import Head, JournalSession

log = logging.getLogger(__name__)


class HistoryDivergedError(Exception):
    """The database holds another history than the one folded so far: it was restored or failed over."""


class Folding:
    """The only hand that folds commits into the view; the writer's task moves it.

    `on_commit` is called with each commit right after the view holds it, and whether this server made it; `on_batch`
    once after the last of a batch.
    """

    reload: Callable[[], Awaitable[Commit]] | None = None
    """Asked for what makes the view what is there, where the journal does not tell any more how it came."""

    def __init__(
        self,
        session: JournalSession,
        view: View,
        on_commit: Callable[[Commit, bool], None],
        on_batch: Callable[[], None],
        last_batch: UUID | None,
    ) -> None:
        self._session = session
        self._view = view
        self._on_commit = on_commit
        self._on_batch = on_batch
        # Which batch wrote the last folded revision; None where that is not known.
        self._last_batch = last_batch

    def ours(self, commits: Sequence[Commit], batch_id: UUID) -> None:
        """Fold a batch of this server."""
        self._last_batch = batch_id
        self._fold(commits, ours=True)

    async def catch_up(self, head: Head) -> None:
        """Fold what other servers committed, up to a head at least.

        Raises:
            HistoryDivergedError: the database holds another history.
            StorageUnavailableError: the database cannot be asked.
        """
        view = self._view
        self._check(head)
        if view.revision == head.revision:
            return
        # Where our own end is not there any more nothing of what follows would fit, however well it is numbered.
        if self._last_batch is not None and await self._session.batch_at(view.revision) not in (None, self._last_batch):
            _diverged()
        while view.revision < head.revision:
            commits = await self._session.after(view.revision)
            if not commits or commits[0].revision != view.revision + 1:
                commits = [await self._reload()]
            self._last_batch = None
            self._fold(commits, ours=False)
        end = view.revision
        self._last_batch = head.batch_id if end == head.revision else await self._session.batch_at(end)

    async def _reload(self) -> Commit:
        if self.reload is None:
            raise RuntimeError("the journal was compacted past this server; start it again to load the state")
        log.warning("the journal was compacted past this server; it loads the state anew")
        return await self.reload()

    def _check(self, head: Head) -> None:
        same_end = head.revision != self._view.revision or self._last_batch in (None, head.batch_id)
        if head.history_id != self._view.history_id or head.revision < self._view.revision or not same_end:
            _diverged()

    def _fold(self, commits: Sequence[Commit], *, ours: bool) -> None:
        for commit in commits:
            self._view.fold(commit)
            self._on_commit(commit, ours)
        self._on_batch()


def _diverged() -> NoReturn:
    raise HistoryDivergedError("the database holds another history than this server has served")
