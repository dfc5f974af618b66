"""Leases whose server is gone: the servers that live take them over, each as many as it gets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from tekton.core.errors import TektonError
from tekton_server.live.leases import LeaseTable
from tekton_server.storage.leases import PART, FlushedBeat, LeaseStore, StoredLease

log = logging.getLogger(__name__)


class Takeover:
    """Looks for orphans when it is woken, and as often as a server's lease ends, so that none is left without a judge.

    `every` is the lease of a server in seconds.
    """

    def __init__(self, store: LeaseStore, leases: LeaseTable, every: float) -> None:
        self._store = store
        self._leases = leases
        self._ownership = leases.ownership
        self.every = every
        self._wake = asyncio.Event()
        # A start looks at once: its predecessor may have left everything.
        self._wake.set()
        self._orphaned = True
        self._unsure = False

    def wake(self) -> None:
        """A server is gone."""
        self._orphaned = True
        self._wake.set()

    def look_at_everything(self) -> None:
        """What this server thinks of owners is worth nothing any more."""
        self._unsure = True
        self.wake()

    async def run(self) -> None:
        """Take over until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.look()
            except TektonError as error:
                if not self._unsure:
                    log.warning("leases of servers that are gone cannot be taken over yet: %s", error)
                # The answer may be what was lost: then rows name this server, and it does not know.
                self._unsure = self._orphaned = True

    async def look(self) -> None:
        """Take over what there is.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        if self._unsure:
            await self.learn(self._store.everything())
            self._unsure = False
        if self._orphaned or self._ownership.unowned:
            self._orphaned = False
            count = 0
            while found := await self._adopt():
                count += found
            if count:
                log.info("%d leases of servers that are gone are judged here now", count)
        await self._enter()

    async def learn(self, parts: AsyncGenerator[list[StoredLease], None]) -> None:
        """Follow rows, read in parts."""
        async with self._leases.beats.turn, aclosing(parts) as reading:
            async for part in reading:
                self._ownership.learn(part)

    async def _adopt(self) -> int:
        async with self._leases.beats.turn:
            rows = await self._store.adopt()
            self._ownership.learn(rows, taken=True)
        return len(rows)

    async def _enter(self) -> None:
        """Take what its server granted and did not live to store."""
        orphans = self._ownership.orphans(2 * self.every)
        for start in range(0, len(orphans), PART):
            part = orphans[start : start + PART]
            beats = [FlushedBeat(lease.instance_uuid, lease.session_epoch, lease.beat_at) for lease in part]
            async with self._leases.beats.turn:
                self._ownership.learn(await self._store.enter(beats))
