"""What an operator has said: stored, so that it outlives restarts, and followed by every server within a second."""

from __future__ import annotations

import asyncio
import logging

from tekton.core.errors import TektonError
from tekton_server.domain.preservation import Word
from tekton_server.live.preservation import SelfPreservation
from tekton_server.storage.switches import Setting, SwitchStore

log = logging.getLogger(__name__)

SELF_PRESERVATION = "self_preservation"
# How often the switches are read.
EVERY = 1.0


class Switches:
    """The operator's words, stored and followed."""

    def __init__(self, store: SwitchStore, preservation: SelfPreservation) -> None:
        self._store = store
        self._preservation = preservation
        self._unread = False
        self._latest: Setting | None = None

    async def run(self) -> None:
        """Follow the switches until cancelled; while the database is down the last words known stand."""
        while True:
            try:
                found = await self._store.read(SELF_PRESERVATION)
            except TektonError as error:
                if not self._unread:
                    log.warning("the switches cannot be read, the last words known stand: %s", error)
                self._unread = True
            else:
                self._unread = False
                self._follow(found)
            await asyncio.sleep(EVERY)

    async def preserve(self, word: Word) -> None:
        """Store an operator's word about self-preservation and follow it at once.

        Raises:
            StorageUnavailableError: it cannot be stored, and nothing was changed.
        """
        self._follow(await self._store.set(SELF_PRESERVATION, word.value))

    def _follow(self, found: Setting | None) -> None:
        if found is None:
            self._preservation.say(Word.AUTO, None)
        elif found.value in tuple(Word) and (self._latest is None or found.set_at >= self._latest.set_at):
            # An answer that was on its way while somebody spoke is not the last word.
            self._latest = found
            self._preservation.say(Word(found.value), found.set_at)
