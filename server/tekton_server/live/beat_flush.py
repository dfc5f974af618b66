"""Beats on their way to the database: what is new is stored in one statement within a second, from memory."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import msgspec

from tekton.core.errors import TektonError
from tekton_server.live.lease import Clock, Lease
from tekton_server.storage.leases import FlushedBeat, LeaseStore, StoredLease

log = logging.getLogger(__name__)

FLUSH_INTERVAL = 0.5
# How many beats go into one statement.
FLUSH_PART = 2000


Stored = Callable[[Sequence[Lease], Sequence[FlushedBeat], Sequence[StoredLease]], None]


class BeatFlush:
    """The beats that are not stored yet, and the leases that ended and are still stored.

    `stored` is called with the leases and beats of each statement, and with the rows of those that another server owns.
    """

    figures = False
    """Whether the figures of beats are stored too: other servers show them."""

    def __init__(self, store: LeaseStore, stored: Stored, clock: Clock = time.monotonic) -> None:
        self._store = store
        self._stored = stored
        self._clock = clock
        self._until = clock()
        self._flushing = asyncio.Lock()
        # Whoever reads or writes rows and draws conclusions has his turn alone, or he would draw them from old rows.
        self.turn = asyncio.Lock()
        self._dirty: dict[str, Lease] = {}
        self._ended: dict[str, None] = {}

    @property
    def behind(self) -> float:
        """Of the last so many seconds there may be beats that are not stored yet."""
        return self._clock() - self._until

    def beat(self, lease: Lease) -> None:
        """Store the last beat of a lease with the next flush."""
        self._dirty[lease.instance_uuid] = lease

    def beat_all(self, leases: Iterable[Lease]) -> None:
        """Store the last beats of many leases with the next flush."""
        dirty = self._dirty
        for lease in leases:
            dirty[lease.instance_uuid] = lease

    def forget(self, instance_uuids: Iterable[str]) -> None:
        """Forget what is stored of instances that are gone."""
        for instance_uuid in instance_uuids:
            self._dirty.pop(instance_uuid, None)
            self._ended[instance_uuid] = None

    async def run(self) -> None:
        """Store beats until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(FLUSH_INTERVAL)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Store every beat since the last flush; what could not be stored stays for the next.

        In parts, between which others have their turn: a hundred thousand beats at once would hold up every call.
        """
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        began = self._clock()
        dirty, self._dirty = self._dirty, {}
        ended, self._ended = self._ended, {}
        try:
            while dirty:
                part = list(islice(dirty.values(), FLUSH_PART))
                async with self.turn:
                    beats = [self._beat_of(lease) for lease in part]
                    self._stored(part, beats, await self._store.flush(beats))
                for lease in part:
                    del dirty[lease.instance_uuid]
            self._until = began
            while ended:
                gone = list(islice(ended, FLUSH_PART))
                await self._store.forget(gone)
                for instance_uuid in gone:
                    del ended[instance_uuid]
        except BaseException as error:
            self._dirty = dirty | self._dirty
            self._ended = ended | self._ended
            if not isinstance(error, TektonError):
                raise
            log.warning("beats could not be stored, they are kept for the next flush: %s", error)

    def _beat_of(self, lease: Lease) -> FlushedBeat:
        figures = lease.figures if self.figures else None
        encoded = msgspec.json.encode(figures).decode() if figures else None
        return FlushedBeat(lease.instance_uuid, lease.session_epoch, lease.beat_at, encoded)
