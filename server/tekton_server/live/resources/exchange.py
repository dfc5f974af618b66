"""Figures on their way to the database, and back from the other servers."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from tekton.core.backoff import spread
from tekton.core.errors import TektonError
from tekton.core.machine import Machine
from tekton_server.live.ownership import Ownership
from tekton_server.live.resources.book import UsageBook
from tekton_server.live.resources.machines import Machines
from tekton_server.live.standing import over_and_over
from tekton_server.storage.usage import Told, UsageStore

log = logging.getLogger(__name__)

# How often figures are stored, and how many in one statement.
FLUSH_EVERY, FLUSH_PART = 2.0, 2000
FORGET_EVERY = 60.0
# A machine of which nothing was heard for so long, in intervals or seconds, is not shown.
_SILENT, _SILENT_SECONDS = 3, 60.0


class Resources(Protocol):
    """What is exchanged."""

    book: UsageBook
    machines: Machines

    def heard(self, told: Told) -> None:
        """Another server has heard what an instance uses."""
        ...

    def others(self, machines: Sequence[Machine]) -> None:
        """Take the figures of the machines of the other servers, all of them."""
        ...


class Exchange:
    """Stores what is new, reads what is others', and forgets what is old. `interval` and `history` in seconds."""

    def __init__(
        self, resources: Resources, store: UsageStore, ownership: Ownership, interval: float, history: float
    ) -> None:
        self._resources = resources
        self._store = store
        self._ownership = ownership
        self._interval = interval
        self._history = history

    def jobs(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Give the tasks, by their names."""
        return {
            "figures flush": self._flushing(),
            "figures sweep": over_and_over(
                self._sweep, lambda: FORGET_EVERY * spread(0.8, 1.0), "old figures cannot be forgotten"
            ),
            "other figures": over_and_over(
                self.look_around, lambda: self._interval, "figures of other servers cannot be read"
            ),
        }

    async def _flushing(self) -> None:
        """Store until cancelled, and once more then."""
        try:
            await over_and_over(self.flush, lambda: FLUSH_EVERY * spread(0.8, 1.0), "figures cannot be stored")
        finally:
            try:
                await self.flush()
            except TektonError as error:
                log.warning("the last figures are not stored: %s", error)

    async def flush(self) -> None:
        """Store what is new.

        Raises:
            StorageUnavailableError: it cannot be; the next flush has it.
        """
        # What comes meanwhile is the next flush's: who reports all the time must not have it stored all the time.
        for _ in range(0, self._resources.book.waiting, FLUSH_PART):
            told = self._resources.book.unstored(FLUSH_PART)
            try:
                await self._store.flush(told)
            except BaseException:
                self._resources.book.again(told)
                raise

    async def look_around(self) -> None:
        """Tell the other servers of this machine, and read what they heard; nothing while there are none.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        if not self._ownership.others:
            self._resources.others(())
            return
        own = self._resources.machines.current
        if own is not None:
            await self._store.put_machine(own)
        self._resources.others(await self._store.machines(max(_SILENT_SECONDS, _SILENT * self._interval)))
        for told in await self._store.lately(2 * self._interval):
            self._resources.heard(told)

    async def _sweep(self) -> None:
        await self._store.forget_old(self._history)
