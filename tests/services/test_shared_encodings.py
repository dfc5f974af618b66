"""A commit is encoded once for all who watch it alike, and what is kept of that is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tekton.core.view import Commit
from tekton_server.live.audience import Audience, Member
from tekton_server.live.fanout import Folded
from tekton_server.services import encodings
from tekton_server.services.encodings import Encodings
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


def test_each_commit_is_encoded_once_for_a_filter_however_many_watch() -> None:
    """Equal filters are one filter."""
    encode = Counted()
    shared = Encodings(encode)
    by_type = [Selector(types=frozenset(("service",))) for _ in range(3)]
    for revision in (1, 2):
        one = folded(revision)
        first = shared.of(one, Selector())
        assert all(shared.of(one, Selector()) is first for _ in range(10))
        assert all(len(shared.of(one, selector)) == 3 for selector in by_type)
    assert encode.calls == [(1, Selector()), (1, by_type[0]), (2, Selector()), (2, by_type[0])]


def test_the_oldest_encodings_are_forgotten_by_count_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher that comes late has its commits encoded again."""
    monkeypatch.setattr(encodings, "MOST_BYTES", 7 * 1024)
    encode = Counted()
    shared = Encodings(encode)
    for revision in (1, 2, 3):
        shared.of(folded(revision), Selector())
    assert len(shared._known) == 2 and shared._bytes == 6 * 1024
    monkeypatch.setattr(encodings, "MOST_COMMITS", 1)
    shared.of(folded(4), Selector())
    assert [revision for revision, _ in shared._known] == [4]
    shared.of(folded(1), Selector())
    assert [revision for revision, _ in encode.calls] == [1, 2, 3, 4, 1]


async def test_many_watchers_wake_in_slices_with_other_work_between() -> None:
    """A call that arrives while a thousand watchers wake is served among them, not after them."""
    audience: Audience[Member] = Audience()
    order: list[str] = []

    async def watch() -> None:
        with Member(audience) as member:
            started.release()
            await member.wait(60)
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


async def test_a_wait_ends_by_its_patience_and_leaves_nothing_behind() -> None:
    """Neither a timer nor a future survives it."""
    with Member(Audience()) as member:
        await member.wait(0)
        assert member._waiting is None
        member.wake()
