"""A commit is encoded once for all who watch it alike, and what is kept of that is bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tekton.core.view import Commit
from tekton_server.live.audience import Audience, Member
from tekton_server.live.fanout import Folded
from tekton_server.services import encodings
from tekton_server.services.encodings import Encodings, Portion
from tekton_server.services.selector import Selector


class Counted:
    """An encoder that counts what it is asked for; each commit is three events of a kilobyte."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, Selector]] = []

    def __call__(self, one: Folded, selector: Selector) -> Iterator[bytes]:
        self.calls.append((one.commit.revision, selector))
        yield from (b"x" * 1024,) * 3


def folded(revision: int) -> Folded:
    """A commit."""
    return Folded(Commit(revision, datetime.now(UTC), ()), {}, {})


def joined(portion: Portion) -> bytes:
    """A message that is its events and nothing else."""
    return b"".join(portion.events)


def test_each_commit_is_encoded_once_for_a_filter_however_many_watch() -> None:
    """Equal filters are one filter, and who stands at the same revision gets the very same message."""
    encode = Counted()
    shared = Encodings(encode, joined)
    by_type = [Selector(types=frozenset(("service",))) for _ in range(3)]
    two = [folded(1), folded(2)]
    (first,) = shared.messages(two, Selector())
    assert len(first) == 6 * 1024
    assert all(shared.messages(list(two), Selector())[0] is first for _ in range(10))
    assert all(len(shared.messages(two, selector)) == 1 for selector in by_type)
    assert encode.calls == [(1, Selector()), (2, Selector()), (1, by_type[0]), (2, by_type[0])]
    shared.messages(two[1:], Selector())
    assert len(encode.calls) == 4, "who stands at another revision shares the events all the same"


def test_the_oldest_encodings_are_forgotten_by_count_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher that comes late has its commits encoded again."""
    monkeypatch.setattr(encodings, "MOST_BYTES", 7 * 1024)
    encode = Counted()
    shared = Encodings(encode, joined)
    for revision in (1, 2, 3):
        shared.messages([folded(revision)], Selector())
    for memo in (shared._events, shared._messages):
        assert len(memo._known) == 2 and memo._bytes == 6 * 1024
    monkeypatch.setattr(encodings, "MOST_KEPT", 1)
    shared.messages([folded(4)], Selector())
    assert [revision for revision, _ in shared._events._known] == [4]
    shared.messages([folded(1)], Selector())
    assert [revision for revision, _ in encode.calls] == [1, 2, 3, 4, 1]


def test_a_large_filter_weighs_though_nothing_passes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the filters of watchers long gone would fill the memory."""
    monkeypatch.setattr(encodings, "MOST_BYTES", 1024 * 1024)
    shared = Encodings(lambda _one, _selector: (), joined)
    for number in range(20):
        selector = Selector(keys=frozenset(f"{number}-{item}" for item in range(1000)))
        assert shared.messages([folded(1)], selector) == ()
    assert len(shared._events._known) == len(shared._messages._known) == 4


async def test_many_watchers_wake_in_slices_with_other_work_between() -> None:
    """A call that arrives while a thousand watchers wake is served among them, not after them."""
    audience: Audience[Member] = Audience()
    order: list[str] = []

    async def watch() -> None:
        with Member(audience) as member:
            started.release()
            await member.wait(time.monotonic() + 60)
            order.append("watcher")

    started = asyncio.Semaphore(0)
    watchers = [asyncio.create_task(watch()) for _ in range(1000)]
    for _ in watchers:
        await started.acquire()
    audience.wake()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    order.append("call")
    await asyncio.gather(*watchers)
    assert order.index("call") < 500 and len(order) == 1001 and len(audience) == 0


async def test_waits_end_by_their_patience_and_leave_nothing_behind() -> None:
    """Whoever waits shortest is woken first, by the one timer that all share; the last to leave takes it away."""
    audience: Audience[Member] = Audience()
    order: list[float] = []

    async def watch(patience: float) -> None:
        with Member(audience) as member:
            await member.wait(time.monotonic() + patience)
            order.append(patience)

    async with asyncio.timeout(5):
        await asyncio.gather(*(watch(patience) for patience in (0.06, 0.0, 0.03)))
    assert order == [0.0, 0.03, 0.06] and len(audience) == 0 and audience._timer is None
    with Member(audience) as member:
        waiting = asyncio.create_task(member.wait(time.monotonic() + 60))
        await asyncio.sleep(0)
        assert audience._timer is not None
        waiting.cancel()
        await asyncio.wait([waiting])
        member.wake()
    assert audience._timer is None
