"""The operator's words: the last one spoken stands, whatever was on its way and whatever the database's clock says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tekton_server.domain.preservation import Word
from tekton_server.live.lease import Timing
from tekton_server.live.pace import Pace
from tekton_server.live.preservation import SelfPreservation
from tekton_server.live.switches import Switches
from tekton_server.storage.switches import Setting

NOON = datetime(2025, 5, 15, 12, tzinfo=UTC)


class PaperStore:
    """One switch; an answer to a read may be kept on its way."""

    def __init__(self) -> None:
        self.now = NOON
        self.held: Setting | None = None
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def read(self, name: str) -> Setting | None:
        found = self.held
        self.asked.set()
        await self.answers.wait()
        return found

    async def set(self, name: str, value: str) -> Setting:
        self.held = Setting(value, self.now)
        return self.held


@pytest.fixture
def mode() -> SelfPreservation:
    return SelfPreservation(Pace(Timing()), lambda: 0.0, lambda: 0)


async def test_an_answer_that_was_on_its_way_does_not_undo_the_first_word(mode: SelfPreservation) -> None:
    """Nobody had said anything when it was asked."""
    store = PaperStore()
    switches = Switches(store, mode)  # type: ignore[arg-type]
    store.answers.clear()
    async with asyncio.TaskGroup() as tasks:
        look = tasks.create_task(switches.look())
        await store.asked.wait()
        await switches.preserve(Word.ON)
        store.answers.set()
        await look
    assert (mode.active, mode.told().word) == (True, Word.ON)


async def test_a_word_counts_where_the_clock_of_the_database_went_back(mode: SelfPreservation) -> None:
    """As after a failover to a machine whose clock is behind: here, and at the servers that only read it."""
    store = PaperStore()
    here, elsewhere = Switches(store, mode), SelfPreservation(Pace(Timing()), lambda: 0.0, lambda: 0)  # type: ignore[arg-type]
    there = Switches(store, elsewhere)  # type: ignore[arg-type]
    await here.preserve(Word.ON)
    await there.look()
    store.now -= timedelta(hours=1)
    await here.preserve(Word.AUTO)
    await there.look()
    assert (mode.told().word, elsewhere.told().word) == (Word.AUTO, Word.AUTO)


async def test_a_word_that_is_not_known_changes_nothing(mode: SelfPreservation) -> None:
    """A newer Tekton on the same database may know more of them."""
    store = PaperStore()
    switches = Switches(store, mode)  # type: ignore[arg-type]
    await switches.preserve(Word.ON)
    store.held = Setting("perhaps", NOON + timedelta(hours=1))
    await switches.look()
    assert mode.told().word is Word.ON
