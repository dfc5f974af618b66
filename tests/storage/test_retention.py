"""What ends disappears by policy, and a uuid never lives twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import make_url, text

from tekton.core.errors import StaleSessionError
from tekton.v1.lifecycle_service_pb2 import WatchStatesResponse
from tekton.v1.registry_service_pb2 import WatchRegistryResponse as Phase
from tekton_server.domain.commands import EndInstance
from tekton_server.live.registry import LiveRegistry
from tekton_server.services.selector import Selector
from tekton_server.services.watches import RegistryWatches, StateWatches
from tekton_server.storage import retention
from tekton_server.storage.retention import JournalKept, forget_old
from tests.support.live import assert_whole, opened, register
from tests.support.postgres import Cluster


async def end(live: LiveRegistry, component_id: str, instance_uuid: str) -> None:
    """Deregister an instance."""
    await live.writer.submit(EndInstance(component_id=component_id, instance_uuid=instance_uuid))


async def test_an_ended_instance_disappears_after_an_hour_and_the_last_one_after_the_retention(
    cluster: Cluster,
) -> None:
    """The component goes with its last instance; what lives is never touched."""
    async with opened(make_url(cluster.new_database())) as live:
        first, second = register(1), register(1, host="elsewhere")
        alive = register(2)
        for command in (first, second, alive):
            await live.writer.submit(command)
        await end(live, "component-1", first.instance_uuid)
        await live.housekeeping.sweep(datetime.now(UTC) + timedelta(minutes=59))
        assert set(live.view.instances) == {first.instance_uuid, second.instance_uuid, alive.instance_uuid}
        await live.housekeeping.sweep(datetime.now(UTC) + timedelta(minutes=61))
        assert set(live.view.instances) == {second.instance_uuid, alive.instance_uuid}
        await end(live, "component-1", second.instance_uuid)
        await live.housekeeping.sweep(datetime.now(UTC) + timedelta(hours=71))
        assert live.view.get("component-1") is not None
        await live.housekeeping.sweep(datetime.now(UTC) + timedelta(hours=73))
        assert live.view.get("component-1") is None
        assert set(live.view.instances) == {alive.instance_uuid}
        await assert_whole(live, 1)


async def test_a_forgotten_uuid_is_stale_for_a_day_over_restarts(cluster: Cluster) -> None:
    """Re-sending it is 409 stale_session, whoever it is for; after a day it is nobody's."""
    url = make_url(cluster.new_database())
    command, other = register(1), register(1, host="elsewhere")
    async with opened(url) as live:
        await live.writer.submit(command)
        await live.writer.submit(other)
        await end(live, "component-1", command.instance_uuid)
        with pytest.raises(StaleSessionError):
            await live.writer.submit(command)
        await live.housekeeping.sweep(datetime.now(UTC) + timedelta(hours=2))
        assert command.instance_uuid not in live.view.instances
        with pytest.raises(StaleSessionError):
            await live.writer.submit(command)
    async with opened(url) as live:
        with pytest.raises(StaleSessionError):
            await live.writer.submit(command)
        await end(live, "component-1", other.instance_uuid)
        async with live.store._engine.begin() as connection:
            await connection.execute(text("UPDATE tombstones SET recorded_at = recorded_at - interval '25 hours'"))
        await live.housekeeping.sweep(datetime.now(UTC) + timedelta(hours=25))
        async with live.store._engine.connect() as connection:
            found = await connection.scalars(text("SELECT instance_uuid::text FROM tombstones"))
            assert command.instance_uuid not in set(found)


async def test_old_answers_are_forgotten(cluster: Cluster) -> None:
    """Ten minutes, then the id may be used for something else."""
    insert = text("INSERT INTO requests VALUES ('', 'X', :id, 'h', '{}', now() - :age * interval '1 minute')")
    async with opened(make_url(cluster.new_database())) as live, live.store._engine.connect() as connection:
        await connection.execute(insert, [{"id": "old", "age": 11}, {"id": "new", "age": 9}])
        await connection.commit()
        await live.housekeeping.sweep(datetime.now(UTC))
        assert list(await connection.scalars(text("SELECT request_id FROM requests"))) == ["new"]


async def test_the_journal_is_compacted_by_age_and_by_count_and_never_loses_its_end(cluster: Cluster) -> None:
    """The last revision stays, for the next one is counted from it; the current state is untouched."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        for number in range(30):
            await live.writer.submit(register(number))
        await forget_old(live.store._engine, JournalKept(revisions=10))
        assert [c.revision for c in await live.store.after(0)] == list(range(21, 31))
        await forget_old(live.store._engine, JournalKept(age=timedelta(0)))
        assert [c.revision for c in await live.store.after(0)] == [30]
        answer = await live.writer.submit(register(99))
        assert answer.instance.granted == 31
    async with opened(url) as live:
        assert len(live.view.instances) == 31 and live.view.revision == 31


async def test_a_watcher_whose_token_is_compacted_is_told_at_once_and_starts_over(cluster: Cluster) -> None:
    """A reset and a snapshot, for filtered and unfiltered watches alike; a gap is never passed over."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        for number in range(30):
            await live.writer.submit(register(number))
        await forget_old(live.store._engine, JournalKept(revisions=5))
    async with opened(url) as live:  # its ring is empty: it resumes from the journal
        for selector in (Selector(), Selector(types=frozenset(("service",)))):
            watch = RegistryWatches(live).messages(selector, f"{live.view.history_id}.3")
            phases = [Phase.FromString(await anext(watch)).phase for _ in range(3)]
            assert phases == [Phase.PHASE_RESET, Phase.PHASE_SNAPSHOT, Phase.PHASE_SNAPSHOT_END]
            await watch.aclose()  # type: ignore[attr-defined]
            states = StateWatches(live).messages(selector, f"{live.view.history_id}.3")
            assert WatchStatesResponse.FromString(await anext(states)).reset
            await states.aclose()  # type: ignore[attr-defined]
        watch = RegistryWatches(live).messages(Selector(), f"{live.view.history_id}.27")
        assert [e.revision for e in Phase.FromString(await anext(watch)).events] == [28, 28, 29, 29, 30, 30]
        await watch.aclose()  # type: ignore[attr-defined]


async def test_two_servers_do_not_clean_up_at_once(cluster: Cluster) -> None:
    """While one deletes, the other has nothing to do; nobody waits, and so nobody can deadlock."""
    async with opened(make_url(cluster.new_database())) as live:
        engine = live.store._engine
        old = "INSERT INTO tombstones VALUES (gen_random_uuid(), 'old', 'ended', now() - interval '2 days')"
        count = text("SELECT count(*) FROM tombstones")
        async with engine.begin() as connection:
            await connection.execute(text(old))
        async with engine.begin() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({retention._LOCK})"))
            await forget_old(engine, JournalKept())
            assert await connection.scalar(count) == 1
        await forget_old(engine, JournalKept())
        async with engine.begin() as connection:
            assert await connection.scalar(count) == 0
