"""Group commit: who writes in company shares transactions, and who writes alone does not wait for others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import make_url

from tekton_server.live import company
from tekton_server.live.company import ALONE
from tekton_server.live.registry import LiveRegistry
from tekton_server.storage.journal import Head
from tests.support.live import opened, register
from tests.support.postgres import Cluster

CALLERS = 32
CALLS = 6


@pytest_asyncio.fixture
async def live(cluster: Cluster) -> AsyncIterator[LiveRegistry]:
    """A registry that is empty."""
    async with opened(make_url(cluster.new_database())) as live:
        yield live


async def _call_again_and_again(live: LiveRegistry, caller: int) -> None:
    """Write, and come back some turns of the loop after the answer, every few turns another caller."""
    for call in range(CALLS):
        await live.writer.submit(register(caller * CALLS + call))
        for _ in range(6 + 5 * caller):
            await asyncio.sleep(0)


async def _in_company(live: LiveRegistry) -> None:
    await asyncio.gather(*(_call_again_and_again(live, caller) for caller in range(CALLERS)))


async def test_callers_that_come_back_one_after_the_other_share_their_next_transaction(
    live: LiveRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last transaction tells how many to wait for, where the machine has time for them."""
    monkeypatch.setattr(company, "EACH", 60.0)
    monkeypatch.setattr(company, "LONGEST", 60.0)
    await _in_company(live)
    batches = sum(live.batches.sizes.counts)
    assert live.batches.commits == CALLERS * CALLS
    assert batches <= 2 * CALLS, f"{batches} transactions for {CALLS} calls of {CALLERS} callers"


async def test_who_writes_alone_after_that_waits_for_the_others_only_once(
    live: LiveRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lone write begins after next to no turns of the loop."""
    await _in_company(live)
    turns, begun = 0, 0
    begin = live._session.begin

    async def counted() -> Head:
        nonlocal begun
        begun = turns
        return await begin()

    monkeypatch.setattr(live._session, "begin", counted)
    waited = []
    for number in range(3):
        write = asyncio.create_task(live.writer.submit(register(10_000 + number)))
        before = turns
        while not write.done():
            turns += 1
            await asyncio.sleep(0)
        waited.append(begun - before)
    # One turn until the task runs, one until the writer wakes, and one that sees the write itself.
    assert waited[1:] == [waited[1]] * 2
    assert waited[1] <= ALONE + 3
