"""How long a batch waits for commands that are on their way."""

from __future__ import annotations

import asyncio

from tekton_server.live.company import ALONE, COMPLETE, EACH, LONGEST, Company

MOST = 512


class Line:
    """Commands that come one every few turns of the loop, on a clock that goes on by one step with each turn."""

    def __init__(self, *, last: int, every: int, arrivals: int, turn: float = 0.0) -> None:
        self.waiting: list[int] = []
        self.turns = 0
        self._every, self._arrivals, self._turn = every, arrivals, turn
        self._company = Company(self.waiting, lambda: self.turns * turn)
        self._company.took(last)

    async def gather(self) -> int:
        """Give how many wait once the batch begins."""
        self.waiting.append(0)
        arriving = asyncio.create_task(self._arrive())
        try:
            async with asyncio.timeout(10):
                await self._company.gather(MOST)
        finally:
            arriving.cancel()
        return len(self.waiting)

    async def _arrive(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turns += 1
            if self.turns % self._every == 0 and len(self.waiting) < self._arrivals:
                self.waiting.append(self.turns)


async def test_who_writes_alone_waits_for_a_few_turns_only() -> None:
    """Nobody was there before."""
    line = Line(last=1, every=10, arrivals=100)
    assert await line.gather() == 1
    assert line.turns <= ALONE + 2


async def test_those_who_were_committed_together_are_waited_for() -> None:
    """Though they come some turns apart."""
    assert await Line(last=20, every=5, arrivals=100).gather() >= 20


async def test_once_all_are_back_nobody_waits_for_more() -> None:
    """A few quiet turns are enough then."""
    line = Line(last=20, every=5, arrivals=20)
    assert await line.gather() == 20
    assert line.turns <= 19 * 5 + COMPLETE + 2


async def test_those_who_do_not_come_back_are_not_waited_for() -> None:
    """Forty turns without anybody are quiet."""
    line = Line(last=500, every=5, arrivals=10)
    assert await line.gather() == 10
    assert line.turns <= 9 * 5 + 42


async def test_patience_ends_where_turns_are_long() -> None:
    """What comes by itself every five milliseconds is waited for a little, and then only what comes at once."""
    line = Line(last=60, every=5, arrivals=1000, turn=0.001)
    assert await line.gather() <= 5
    assert line.turns * 0.001 <= 60 * EACH + 0.005


async def test_arrivals_without_an_end_make_a_batch_no_larger_than_the_one_before() -> None:
    """Or each would wait longer than the last, up to the largest there may be."""
    assert await Line(last=10, every=1, arrivals=1000, turn=0.0005).gather() <= 11


async def test_a_batch_begins_after_twenty_milliseconds_whoever_is_missing() -> None:
    """One comes with every turn."""
    line = Line(last=400, every=1, arrivals=1000, turn=0.001)
    await line.gather()
    assert line.turns * 0.001 <= LONGEST + 0.002


async def test_a_batch_of_the_largest_size_begins_at_once() -> None:
    """There is no room for whoever comes."""
    line = Line(last=MOST, every=1, arrivals=1000)
    line.waiting.extend(range(MOST))
    assert await line.gather() == MOST + 1
    assert line.turns <= 1
