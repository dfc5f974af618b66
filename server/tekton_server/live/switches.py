"""What an operator has said: stored, so that it outlives restarts, and followed by every server within a second."""

from __future__ import annotations

from tekton_server.domain.preservation import Word
from tekton_server.live.preservation import SelfPreservation
from tekton_server.live.standing import over_and_over
from tekton_server.storage.switches import Setting, SwitchStore

SELF_PRESERVATION = "self_preservation"
# How often the switches are read.
EVERY = 1.0


class Switches:
    """The operator's words, stored and followed."""

    def __init__(self, store: SwitchStore, preservation: SelfPreservation) -> None:
        self._store = store
        self._preservation = preservation
        self._spoken = 0

    async def run(self) -> None:
        """Follow the switches until cancelled; while the database is down the last words known stand."""
        failing = "the switches cannot be read, the last words known stand"
        await over_and_over(self.look, lambda: EVERY, failing, at_once=True)

    async def look(self) -> None:
        """Read the switches once.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        spoken = self._spoken
        found = await self._store.read(SELF_PRESERVATION)
        # An answer that was on its way while somebody spoke here is not the last word; clocks cannot tell that.
        if spoken == self._spoken:
            self._follow(found)

    async def preserve(self, word: Word) -> None:
        """Store an operator's word about self-preservation and follow it at once.

        Raises:
            StorageUnavailableError: it cannot be stored, and nothing was changed.
        """
        found = await self._store.set(SELF_PRESERVATION, word.value)
        self._spoken += 1
        self._follow(found)

    def _follow(self, found: Setting | None) -> None:
        if found is None:
            self._preservation.say(Word.AUTO, None)
        elif found.value in tuple(Word):
            self._preservation.say(Word(found.value), found.set_at)
