"""What a heartbeat stream still has to tell: in which order, and that nothing told while it waits is overlooked."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tekton_server.live.lease import Timing
from tekton_server.live.outbox import Ack, GoAway, Lost, Outbox, Ping, Welcome

TERMS = Timing(5.0, 15.0)
LOST = Lost("uuid", "EXPIRED", "no beat came")
WELCOME = Welcome(1, (), TERMS)


@pytest.fixture
def outbox() -> Outbox:
    """An empty one."""
    return Outbox(lambda command: False)


async def _soon(outbox: Outbox) -> object:
    async with asyncio.timeout(5):
        return await outbox.next()


async def test_losses_come_first_and_a_farewell_last(outbox: Outbox) -> None:
    """Whatever the order in which they were told."""
    outbox.ping(Ping(1))
    outbox.ack(Ack(7, TERMS))
    await outbox.welcome(WELCOME)
    outbox.lost(LOST)
    outbox.go_away(GoAway(1.0, "shutting_down"))
    found = [await _soon(outbox) for _ in range(6)]
    assert found == [LOST, WELCOME, Ack(7, TERMS), Ping(1), GoAway(1.0, "shutting_down"), None]


async def test_whoever_waits_is_woken_by_each_message_once(outbox: Outbox) -> None:
    """Also by two that are told before it runs again."""
    waiting = asyncio.create_task(_soon(outbox))
    await asyncio.sleep(0)
    outbox.ack(Ack(1, TERMS))
    outbox.ack(Ack(2, TERMS))
    assert await waiting == Ack(1, TERMS)
    assert await _soon(outbox) == Ack(2, TERMS)


async def test_whoever_waits_is_woken_by_the_end(outbox: Outbox) -> None:
    """And is told it every time it asks."""
    waiting = asyncio.create_task(_soon(outbox))
    await asyncio.sleep(0)
    outbox.end()
    assert await waiting is None
    assert await _soon(outbox) is None


async def test_a_message_told_to_one_who_has_given_up_is_kept_for_the_next(outbox: Outbox) -> None:
    """A cancelled wait takes nothing with it."""
    waiting = asyncio.create_task(outbox.next())
    await asyncio.sleep(0)
    waiting.cancel()
    outbox.ack(Ack(3, TERMS))
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    assert await _soon(outbox) == Ack(3, TERMS)


async def test_only_the_newest_thousand_acknowledgements_are_kept(outbox: Outbox) -> None:
    """A later one covers the earlier."""
    for sequence in range(2_000):
        outbox.ack(Ack(sequence, TERMS))
    outbox.end()
    found = []
    while (message := await _soon(outbox)) is not None:
        found.append(message)
    assert len(found) == 1_024
    assert found[-1] == Ack(1_999, TERMS)


async def test_a_second_welcome_waits_until_the_first_was_taken(outbox: Outbox) -> None:
    """One answer to a hello at a time."""
    await outbox.welcome(WELCOME)
    second = asyncio.create_task(outbox.welcome(Welcome(2, (), TERMS)))
    await asyncio.sleep(0)
    assert not second.done()
    assert await _soon(outbox) == WELCOME
    await second
    assert await _soon(outbox) == Welcome(2, (), TERMS)
