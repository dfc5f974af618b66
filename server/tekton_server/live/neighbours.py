"""What the other servers heard: their beats are read from the database, and shown and counted here too."""

from __future__ import annotations

from tekton_server.live.leases import LeaseTable
from tekton_server.live.standing import over_and_over
from tekton_server.live.takeover import Takeover
from tekton_server.storage.leases import LeaseStore

# With the flush of the others, a beat is seen everywhere within two seconds.
LOOK_EVERY = 0.75


class Neighbours:
    """Reads what other servers wrote since it looked last, and nothing while there are none."""

    def __init__(self, store: LeaseStore, leases: LeaseTable, takeover: Takeover, horizon: int) -> None:
        self._store = store
        self._ownership = leases.ownership
        self._takeover = takeover
        self._horizon = horizon

    async def run(self) -> None:
        """Look until cancelled."""
        await over_and_over(self._look_around, lambda: LOOK_EVERY, "what other servers hear cannot be read now")

    async def _look_around(self) -> None:
        if self._ownership.others:
            await self.look()

    async def look(self) -> None:
        """Look once.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        # First, so that what is written while the rows are read comes the next time.
        horizon = await self._store.horizon()
        await self._takeover.learn(self._store.changed(self._horizon))
        self._horizon = horizon
