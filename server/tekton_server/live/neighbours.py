"""What the other servers heard: their beats are read from the database, and shown and counted here too."""

from __future__ import annotations

import asyncio
import logging

from tekton.core.errors import TektonError
from tekton_server.live.leases import LeaseTable
from tekton_server.live.takeover import Takeover
from tekton_server.storage.leases import LeaseStore

log = logging.getLogger(__name__)

# With the flush of the others, a beat is seen everywhere within two seconds.
LOOK_EVERY = 0.75


class Neighbours:
    """Reads what other servers wrote since it looked last, and nothing while there are none."""

    def __init__(self, store: LeaseStore, leases: LeaseTable, takeover: Takeover, horizon: int) -> None:
        self._store = store
        self._ownership = leases.ownership
        self._takeover = takeover
        self._horizon = horizon
        self._failing = False

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if not self._ownership.others:
                continue
            try:
                await self.look()
            except TektonError as error:
                if not self._failing:
                    log.warning("what other servers hear cannot be read now: %s", error)
                self._failing = True
            else:
                self._failing = False

    async def look(self) -> None:
        """Look once.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        # First, so that what is written while the rows are read comes the next time.
        horizon = await self._store.horizon()
        await self._takeover.learn(self._store.changed(self._horizon))
        self._horizon = horizon
