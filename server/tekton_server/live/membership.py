"""This server among those on its database: it renews its own lease, and gives up servers that do not renew theirs.

Ages are measured by the database's clock, so that the clocks of the machines need not agree.
"""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from tekton.core.backoff import spread
from tekton.core.errors import TektonError
from tekton_server.live.beat_flush import FLUSH_INTERVAL
from tekton_server.live.lease import Clock
from tekton_server.live.leases import LeaseTable
from tekton_server.live.standing import over_and_over
from tekton_server.live.takeover import Takeover
from tekton_server.storage.servers import ServerStore

log = logging.getLogger(__name__)

# A server's own lease is this part of the leases' timeout, within these bounds in seconds: a server that dies is given
# up, and its leases are somebody else's, long before any of them could have been renewed for the last time.
SHARE, SHORTEST, LONGEST = 1 / 6, 1.0, 5.0
# How often it is renewed within its time.
RENEWALS = 5
_LEAVE_WITHIN = 2.0


def server_lease(timeout: float) -> float:
    """Give how long a server may be silent, from the timeout of leases; both in seconds."""
    return min(LONGEST, max(SHORTEST, timeout * SHARE))


class Membership:
    """The row of this server in `servers`, and what the other rows say."""

    def __init__(
        self, store: ServerStore, leases: LeaseTable, takeover: Takeover, clock: Clock, *, address: str, alone: bool
    ) -> None:
        self._store = store
        self._leases = leases
        self._ownership = leases.ownership
        self._takeover = takeover
        self._clock = clock
        self._address = address
        self._alone = alone
        self.lease = takeover.every
        # Since when this server has renewed in time, without a gap.
        self._renewed = self._since = clock()
        self.met = asyncio.Event()
        """Set once the other servers are known."""

    async def join(self) -> None:
        """Become one of the servers. One that is alone by construction takes over what any other left behind.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        await self._store.join(self._address)
        if self._alone:
            await self._store.be_alone()
            self.met.set()

    async def leave(self) -> None:
        """Give everything up at once, in a stop in order. Where that cannot be said, the others find out themselves."""
        try:
            async with asyncio.timeout(_LEAVE_WITHIN):
                await self._store.leave()
        except (TektonError, TimeoutError) as error:
            log.warning("the other servers, if any, are not told that this one stops: %s", error)

    async def run(self) -> None:
        """Renew until cancelled."""
        every = self.lease / RENEWALS
        await over_and_over(
            # Looked up each time: tests of a server that falls silent take it away meanwhile.
            lambda: self.renew(),
            lambda: every * spread(0.8, 1.0),
            "this server's own lease cannot be renewed",
            again="this server's own lease is renewed again",
            # Who else there is has to be known before anything is launched.
            at_once=True,
        )

    async def renew(self) -> None:
        """Renew once, and see who else does.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        now = self._clock()
        standing = await self._store.renew(self._leases.beats.behind)
        if now - self._renewed > self.lease:
            # Whatever kept this server from renewing may have kept the others: they get their time from now on.
            self._since = now
        self._renewed = now
        if not standing.member:
            await self._come_back()
        silent = [server for server, age in standing.others.items() if age > self.lease]
        gone: set[UUID] = set()
        if silent and now - self._since >= self.lease:
            gone = await self._store.bury(silent, self.lease)
        self._follow(frozenset(standing.others) - gone)

    async def _come_back(self) -> None:
        """The others have given this server up, and its leases are theirs."""
        log.warning("this server was silent for so long that others took over its leases; it joins them again")
        self._ownership.disown()
        self._takeover.look_at_everything()
        await self._store.join(self._address)

    def _follow(self, others: frozenset[UUID]) -> None:
        known, self._ownership.others = self._ownership.others, others
        self.met.set()
        # At most so long after a beat its row is written and the server that heard it has said so.
        self._ownership.slack = 2 * FLUSH_INTERVAL + 2 * self.lease / RENEWALS if others else 0.0
        self._leases.beats.figures = bool(others)
        for server in others - known:
            log.info("server %s serves the same database", server)
        if known - others:
            log.warning("gone are the servers %s; their leases are taken over", ", ".join(map(str, known - others)))
            self._ownership.pardon()
            self._takeover.wake()
