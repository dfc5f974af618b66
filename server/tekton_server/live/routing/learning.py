"""What was learnt on its way to the database and back: stored once a second, added to what the other servers learnt."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from tekton.core.errors import TektonError
from tekton_server.domain.routing.averages import Averages
from tekton_server.live.lease import Clock
from tekton_server.live.routing.decisions import Decided, Decisions, Shelf
from tekton_server.live.routing.terms import RoutingTerms
from tekton_server.live.standing import over_and_over
from tekton_server.storage.routing import AveragesStore, DecisionStore

log = logging.getLogger(__name__)

EVERY = 1.0
# How often what has faded is forgotten.
_FORGET_EVERY = 60.0


class Learning:
    """Stores and loads. While the database is down everything goes on from memory, and is stored later.

    `several` tells whether there are other servers: then what they learn is read, and decisions are stored for them to
    explain.
    """

    def __init__(
        self,
        averages: Averages,
        decisions: Decisions,
        engine: AsyncEngine,
        terms: RoutingTerms,
        clock: Clock,
        several: Callable[[], bool],
    ) -> None:
        self._averages = averages
        self._decisions = decisions
        self._clock = clock
        self._several = several
        self._store = AveragesStore(engine, terms.half_life)
        self.explanations = DecisionStore(engine, terms.explain_retention)
        self._shelf = Shelf()
        self._seen: datetime | None = None
        self._forgot = clock()

    def decided(self, decided: Decided) -> None:
        """A decision was made."""
        if self._several():
            self._shelf.put(decided)

    async def load(self) -> None:
        """Begin with what is stored.

        Raises:
            StorageUnavailableError: the database cannot be asked.
        """
        found = await self._store.everything()
        self._averages.learn(found.sums, self._clock())
        self._seen = found.until

    async def run(self) -> None:
        """Store and look until cancelled, and once more then."""
        failing = "what was learnt of models cannot be stored now, it is kept until it can"
        try:
            await over_and_over(self.turn, lambda: EVERY, failing)
        finally:
            try:
                await self._flush()
            except TektonError as error:
                log.warning("the last that was learnt of models is not stored: %s", error)

    async def turn(self) -> None:
        """Do once what is done every second.

        Raises:
            StorageUnavailableError: the database cannot be asked; nothing is lost.
        """
        self._decisions.sweep()
        self._averages.fade(self._clock())
        await self._flush()
        if explanations := await self._shelf.take():
            await self.explanations.keep(explanations)
        if self._several():
            found = await (self._store.changed(self._seen) if self._seen else self._store.everything())
            self._averages.learn(found.sums, self._clock())
            self._seen = found.until or self._seen
        if self._clock() - self._forgot >= _FORGET_EVERY:
            self._forgot = self._clock()
            await self._store.forget()
            await self.explanations.forget()

    async def _flush(self) -> None:
        then = self._clock()
        taken = self._averages.take(then)
        if not taken:
            return
        try:
            stored = await self._store.add(taken)
        except BaseException:
            self._averages.give_back(taken, then)
            raise
        self._averages.learn(stored, self._clock())
