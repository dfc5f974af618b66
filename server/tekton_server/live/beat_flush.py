"""Beats on their way to the database: what is new is stored in one statement within a second, from memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from itertools import islice

from tekton.core.errors import TektonError
from tekton_server.live.lease import Lease
from tekton_server.storage.leases import FlushedBeat, LeaseStore

log = logging.getLogger(__name__)

FLUSH_INTERVAL = 0.5
# How many beats go into one statement.
FLUSH_PART = 2000


class BeatFlush:
    """The beats that are not stored yet, and the leases that ended and are still stored."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store
        self._dirty: dict[str, Lease] = {}
        self._ended: dict[str, None] = {}

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
        dirty, self._dirty = self._dirty, {}
        ended, self._ended = self._ended, {}
        try:
            while dirty:
                part = list(islice(dirty.values(), FLUSH_PART))
                await self._store.flush(
                    [FlushedBeat(lease.instance_uuid, lease.session_epoch, lease.beat_at) for lease in part]
                )
                for lease in part:
                    del dirty[lease.instance_uuid]
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
