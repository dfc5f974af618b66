"""Servers on one database without their listeners: whose a lease is, who may end it, and who hears of what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import URL, make_url, text

from tekton.core.errors import TektonError
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Instance
from tekton_server.domain.commands import ReportState
from tekton_server.live.lease import Lease
from tekton_server.live.pulses import Claim, Pulse
from tekton_server.live.registry import LiveRegistry
from tekton_server.live.sessions import Session
from tekton_server.live.writer import HistoryDivergedError
from tekton_server.storage.notices import Notices
from tests.support.live import assert_whole, opened, register
from tests.support.postgres import Cluster

TIMEOUT = 2.0
"""Of the leases; that of a server is 1 s then."""


@pytest.fixture
async def servers(cluster: Cluster) -> AsyncIterator[tuple[LiveRegistry, LiveRegistry, URL]]:
    """Two servers that know each other."""
    url = make_url(cluster.new_database())
    async with opened(url) as one, opened(url, migrated=True) as two:
        await until(lambda: bool(one.leases.ownership.others and two.leases.ownership.others))
        yield one, two, url


async def until(holds: Callable[[], object], within: float = 5.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.01)


async def granted(live: LiveRegistry, number: int = 1) -> Instance:
    """Register an instance."""
    answer = await live.writer.submit(register(number))
    return answer.instance  # type: ignore[no-any-return]


def lease_of(live: LiveRegistry, instance: Instance) -> Lease:
    """Give what a server knows of an instance's lease."""
    lease = live.leases.get(instance.instance_uuid)
    assert lease is not None
    return lease


def beat(live: LiveRegistry, instance: Instance) -> None:
    """Count one unary beat."""
    live.pulses.renew(lease_of(live, instance), Pulse())


async def hello(live: LiveRegistry, instance: Instance) -> Session:
    """Open a stream that carries the instance's lease."""
    session = Session(live.pulses, live.commands)
    await session.hello([Claim(instance.component_id, instance.instance_uuid, None)])
    return session


def told(session: Session) -> list[str]:
    """Give why leases were lost, as a stream was told."""
    return [lost.reason for lost in session.outbox._lost.values()]


async def nothing() -> None:
    """Stand in for what a server does that is stopped."""


async def crash(live: LiveRegistry) -> None:
    """End a server as kill -9 does: nothing is stored, nobody is told."""
    live.leases.beats.flush = live.membership.leave = nothing  # type: ignore[method-assign]
    for task in live._tasks:
        task.cancel()
    await asyncio.gather(*live._tasks, return_exceptions=True)


async def stored(live: LiveRegistry, asked: str) -> list[tuple[object, ...]]:
    """Ask the database."""
    async with live.store._engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(asked))]


async def by_hand(live: LiveRegistry, statement: str) -> None:
    """Change the database behind everybody's back."""
    async with live.store._engine.begin() as connection:
        for one in statement.split(";"):
            await connection.execute(text(one))


async def test_a_registration_is_followed_and_belongs_to_the_server_that_committed_it(
    servers: tuple[LiveRegistry, LiveRegistry, URL],
) -> None:
    """The other one folds it without a write or a question of its own, and learns whose it is."""
    one, two, _ = servers
    with two.hub.watch() as watcher:
        instance = await granted(one)
        folded = await watcher.next(asyncio.get_running_loop().time() + 1)
    assert [one.commit.revision for one in folded] == [1]
    assert lease_of(one, instance).mine and not lease_of(two, instance).mine
    await until(lambda: lease_of(two, instance).owner == one.server_id)
    await assert_whole(two, 1)


async def test_a_commit_of_our_own_costs_no_look_at_the_journal(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its notice is known by the connection it came from."""
    looks = 0
    async with opened(make_url(cluster.new_database())) as live:
        head = live._session.head

        async def counted() -> object:
            nonlocal looks
            looks += 1
            return await head()

        monkeypatch.setattr(live._session, "head", counted)
        await asyncio.gather(*(granted(live, number) for number in range(50)))
        await live.follower._notices.next(0.2)
        assert (looks, live.view.revision) == (0, 50)


async def test_without_notices_a_look_now_and_then_is_enough(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a pooler that gives each transaction another connection."""
    monkeypatch.setattr(Notices, "_heard", lambda *_: None)
    url = make_url(cluster.new_database())
    async with opened(url) as one, opened(url, migrated=True) as two:
        await granted(one)
        await until(lambda: two.view.revision == 1, 3)


async def test_beats_at_another_server_count_and_are_seen(servers: tuple[LiveRegistry, LiveRegistry, URL]) -> None:
    """With their figures; one in five must be within two seconds, for other programs may hold the machine."""
    one, two, _ = servers
    instance = await granted(one)
    await until(lambda: instance.instance_uuid in two.leases)
    with one.feed.watch(None) as watching:
        for percent in (1.0, 2.0, 3.0, 4.0, 7.0):
            two.pulses.renew(lease_of(two, instance), Pulse(metrics={"cpu_percent": percent}))
            counted = lease_of(one, instance).beat_seconds
            if found := await watching.next(2):
                break
        (seen,) = found
    assert seen.metrics == {"cpu_percent": percent} and seen.at == lease_of(two, instance).beat_at
    assert lease_of(one, instance).beat_seconds > counted
    assert lease_of(one, instance).mine and not lease_of(two, instance).mine


async def test_a_claim_is_news_where_another_server_heard_the_one_before(
    servers: tuple[LiveRegistry, LiveRegistry, URL],
) -> None:
    """Ready here, degraded there, ready here again: the last of them stands, as if one server had heard all three."""
    one, two, _ = servers
    instance = await granted(one)
    await until(lambda: instance.instance_uuid in two.leases)
    for live, state in ((one, ComponentState.READY), (two, ComponentState.DEGRADED), (one, ComponentState.READY)):
        recording = live.pulses.renew(lease_of(live, instance), Pulse(state=state))
        assert recording is not None
        await recording
        await until(lambda: one.view.revision == two.view.revision)
        assert one.view.instances[instance.instance_uuid].state is state


async def test_a_claim_that_was_made_before_is_no_news_at_another_server(
    servers: tuple[LiveRegistry, LiveRegistry, URL],
) -> None:
    """What somebody else has said of the instance since stands, whichever server hears the next beat."""
    one, two, _ = servers
    instance = await granted(one)
    await until(lambda: instance.instance_uuid in two.leases)
    claimed = one.pulses.renew(lease_of(one, instance), Pulse(state=ComponentState.READY))
    assert claimed is not None
    await claimed
    report = ReportState(
        component_id=instance.component_id, instance_uuid=instance.instance_uuid, state=ComponentState.DEGRADED
    )
    await one.writer.submit(report)
    await until(lambda: one.view.revision == two.view.revision)
    assert two.pulses.renew(lease_of(two, instance), Pulse(state=ComponentState.READY)) is None


async def test_a_beat_counts_whatever_the_clock_of_the_server_that_heard_it_says(
    servers: tuple[LiveRegistry, LiveRegistry, URL],
) -> None:
    """An hour behind, so that what it stores never looks newer."""
    one, two, _ = servers
    instance = await granted(one)
    await until(lambda: instance.instance_uuid in two.leases)
    await asyncio.gather(one.leases.beats.flush(), two.neighbours.look())
    before = lease_of(one, instance).beat_seconds
    beat(two, instance)
    lease_of(two, instance).beat_at = datetime.now(UTC) - timedelta(hours=1)
    await until(lambda: lease_of(one, instance).beat_seconds > before, 2)
    assert lease_of(one, instance).mine


async def test_a_silent_instance_is_failed_once_by_its_owner(servers: tuple[LiveRegistry, LiveRegistry, URL]) -> None:
    """Neither too early nor never."""
    one, two, _ = servers
    instance = await granted(two)
    await until(lambda: not one.view.instances.get(instance.instance_uuid, instance).leased, 8)
    failed = one.view.instances[instance.instance_uuid]
    assert failed.state_since - failed.registered_at >= timedelta(seconds=TIMEOUT)
    history = [change for commit in await one.store.after(0) for change in commit.changes]
    assert [change.new.state for change in history[2:] if isinstance(change.new, Instance)] == ["failed"]


async def test_a_stream_takes_its_lease_along(servers: tuple[LiveRegistry, LiveRegistry, URL]) -> None:
    """At once; the stream at the former server is told that it was taken over."""
    one, two, _ = servers
    instance = await granted(one)
    former = await hello(one, instance)
    await until(lambda: instance.instance_uuid in two.leases)
    await hello(two, instance)
    assert lease_of(two, instance).mine
    await until(lambda: told(former) == ["TAKEN_OVER"])
    assert not lease_of(one, instance).mine and lease_of(one, instance).owner == two.server_id
    # A late beat of the former stream's client changes nothing.
    beat(one, instance)
    await one.leases.beats.flush()
    assert await stored(one, "SELECT server_id FROM leases") == [(two.server_id,)]
    assert told(former) == ["TAKEN_OVER"]


async def test_a_stream_that_moved_from_a_server_whose_clock_is_ahead_stays(
    servers: tuple[LiveRegistry, LiveRegistry, URL],
) -> None:
    """The later Hello wins, not the greater epoch: for a client, to be taken over is final."""
    one, two, _ = servers
    instance = await granted(one)
    await until(lambda: instance.instance_uuid in two.leases)
    former = await hello(one, instance)
    lease_of(one, instance).session_epoch += 3_600_000
    await one.leases.beats.flush()
    session = await hello(two, instance)
    await until(lambda: told(former) == ["TAKEN_OVER"])
    assert lease_of(two, instance).mine and told(session) == []
    assert lease_of(two, instance).session_epoch > lease_of(one, instance).session_epoch - 1


async def test_a_stream_that_moves_while_its_expiry_is_judged_keeps_its_lease(
    servers: tuple[LiveRegistry, LiveRegistry, URL],
) -> None:
    """Under the journal lock the row is read: it names the other server by then."""
    one, two, _ = servers
    instance = await granted(one)
    await until(lambda: lease_of(two, instance).owner == one.server_id if instance.instance_uuid in two.leases else 0)
    lease = lease_of(one, instance)
    lease.beat_seconds -= TIMEOUT
    await hello(two, instance)
    await two.leases.beats.flush()
    one.leases.judge._evict(lease, one.leases.now() + 10)
    assert lease.judging is not None
    assert await lease.judging is None
    assert one.view.instances[instance.instance_uuid].leased and not lease.mine


async def test_nobody_is_failed_while_a_server_has_not_stored_what_it_heard(
    servers: tuple[LiveRegistry, LiveRegistry, URL],
) -> None:
    """Its lease is valid, so it may know better; once it is given up, its word no longer counts."""
    one, two, _ = servers
    instance = await granted(one)
    await one.leases.beats.flush()
    lease = lease_of(one, instance)
    two.leases.beats._clock = lambda: two.leases.now() + 60
    await two.membership.renew()
    lease.beat_seconds -= TIMEOUT
    one.leases.judge._evict(lease, one.leases.now() + 10)
    assert lease.judging is not None
    assert await lease.judging is None and lease.mine
    assert one.view.instances[instance.instance_uuid].leased


@pytest.mark.parametrize("flushed", [True, False])
async def test_what_a_dead_server_owned_is_taken_over_with_a_full_timeout(cluster: Cluster, flushed: bool) -> None:
    """Whether it had stored the lease or died before."""
    url = make_url(cluster.new_database())
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(opened(url))
        two = await stack.enter_async_context(opened(url, migrated=True))
        instance = await granted(two)
        if flushed:
            await two.leases.beats.flush()
        await crash(two)
        await until(lambda: instance.instance_uuid in one.leases)
        await until(lambda: lease_of(one, instance).mine)
        assert await stored(one, "SELECT server_id FROM leases") == [(one.server_id,)]
        taken = one.leases.now()
        await until(lambda: not one.view.instances[instance.instance_uuid].leased, 6)
        assert one.leases.now() - taken > TIMEOUT - 0.2


async def test_a_stop_in_order_leaves_its_leases_to_the_others_at_once(cluster: Cluster) -> None:
    """Before its own lease would have ended; a hundred of them, and each has one owner."""
    url = make_url(cluster.new_database())
    async with opened(url) as one:
        async with opened(url, migrated=True) as two:
            found = await asyncio.gather(*(granted(two, number) for number in range(100)))
            await until(lambda: bool(one.leases.ownership.others))
        await until(lambda: all(lease_of(one, instance).mine for instance in found), 1.0)
        assert await stored(one, "SELECT server_id, count(*) FROM leases GROUP BY 1") == [(one.server_id, 100)]


async def test_a_server_that_was_given_up_comes_back_and_owns_its_streams_only(
    servers: tuple[LiveRegistry, LiveRegistry, URL],
) -> None:
    """As after a SIGSTOP: what others took stays theirs, streams that moved too, and every lease has one judge."""
    one, two, _ = servers
    streamed, unary, moved = await granted(one, 1), await granted(one, 2), await granted(one, 3)
    session, left = await hello(one, streamed), await hello(one, moved)
    await one.leases.beats.flush()
    await until(lambda: all(i.instance_uuid in two.leases for i in (streamed, unary, moved)))
    renew, one.membership.renew = one.membership.renew, nothing  # type: ignore[method-assign]
    await by_hand(two, f"DELETE FROM servers WHERE server_id = '{one.server_id}'")
    two.takeover.wake()
    kept = await hello(two, moved)
    await two.leases.beats.flush()
    await until(lambda: lease_of(two, unary).mine)
    one.membership.renew = renew  # type: ignore[method-assign]
    await until(lambda: lease_of(one, streamed).mine and lease_of(one, unary).owner == two.server_id)
    await until(lambda: lease_of(two, streamed).owner == one.server_id)
    assert not lease_of(one, unary).mine and not lease_of(two, streamed).mine
    await until(lambda: told(left) == ["TAKEN_OVER"])
    assert lease_of(two, moved).mine and not lease_of(one, moved).mine
    assert told(session) == told(kept) == []


async def test_what_a_dead_server_owned_is_judged_though_a_failover_lost_the_last_beats(
    servers: tuple[LiveRegistry, LiveRegistry, URL],
) -> None:
    """The row that is taken over is older than the one that was read before: that it was taken is true all the same."""
    one, two, _ = servers
    instance = await granted(two)
    await until(lambda: instance.instance_uuid in one.leases)
    for _ in range(4):
        beat(two, instance)
        await two.leases.beats.flush()
    await one.neighbours.look()
    assert lease_of(one, instance).version >= 4
    await crash(two)
    await by_hand(one, f"UPDATE leases SET version = 1; DELETE FROM servers WHERE server_id = '{two.server_id}'")
    await until(lambda: not one.view.instances[instance.instance_uuid].leased, 8)


async def test_a_server_that_is_alone_takes_everything_at_once(cluster: Cluster) -> None:
    """As `tekton up` with its own database does after a crash."""
    url = make_url(cluster.new_database())
    async with opened(url) as one:
        instance = await granted(one)
        await one.leases.beats.flush()
        await crash(one)
        async with opened(url, migrated=True, alone=True) as two:
            assert lease_of(two, instance).mine
            assert await stored(two, "SELECT server_id FROM servers") == [(two.server_id,)]
            await until(lambda: not two.view.instances[instance.instance_uuid].leased, TIMEOUT + 1)


async def test_a_journal_that_was_replaced_is_noticed_by_a_server_that_only_reads(cluster: Cluster) -> None:
    """However far it has gone on meanwhile; and however many notice, the new history begins once."""
    url, ended, also_ended = make_url(cluster.new_database()), list[BaseException](), list[BaseException]()
    async with opened(url, also_ended) as one, opened(url, ended, migrated=True) as two:
        for number in range(3):
            await granted(one, number)
        await until(lambda: two.view.revision == 3)
        await by_hand(one, "UPDATE journal SET batch_id = gen_random_uuid() WHERE revision = 3")
        one.writer.folding._last_batch = None
        await granted(one, 4)
        await until(lambda: ended)
        began = await stored(one, "SELECT history_id FROM histories")
        assert began != [(one.view.history_id,)]
        with pytest.raises(TektonError):
            await granted(one, 5)
        await until(lambda: also_ended)
        assert [type(found[0]) for found in (ended, also_ended)] == [HistoryDivergedError] * 2
        assert await stored(one, "SELECT history_id FROM histories") == began
