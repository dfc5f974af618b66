"""Figures on disk: the newest of each half minute, shared by servers, forgotten by age, and never in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton.core.ids import new_uuid
from tekton.core.machine import GB, Cpu, Disk, Gpu, GpuProcess, Machine, Memory, Network
from tekton_server.domain.usage import Usage
from tekton_server.storage.database import Database
from tekton_server.storage.engine import create_engine, driven
from tekton_server.storage.migrate import migrate
from tekton_server.storage.servers import ServerStore
from tekton_server.storage.usage import Told, UsageStore
from tests.support.postgres import Cluster


def a_machine(host: str) -> Machine:
    """With a GPU, so that everything there is has to come back."""
    gpu = Gpu(0, "A", "u", 0.5, 24 * GB, GB, 60.0, (GpuProcess(1, None),))
    figures = (Cpu((0.1, 0.2), 0.15, (1, 2, 3)), Memory(GB, 5), Disk("/", 3, 2, 1), Network(7, 8, 1.5, 2.5))
    return Machine(datetime.now(UTC), host, *figures, (gpu,), "a note")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(cluster: Cluster) -> AsyncIterator[AsyncEngine]:
    """A migrated database."""
    database = Database(make_url(cluster.new_database()))
    await migrate(database)
    opened = create_engine(database)
    yield opened
    await opened.dispose()


def told(instance_uuid: str, cpu: float, seconds: float = 0, **more: float) -> Told:
    """Figures as of so many seconds from now."""
    return Told(instance_uuid, datetime.now(UTC) + timedelta(seconds=seconds), Usage(cpu_cores=cpu, **more))  # type: ignore[arg-type]


async def moved(engine: AsyncEngine, instance_uuid: str, seconds: float) -> None:
    """Make what is stored of an instance older."""
    async with driven(engine) as connection:
        await connection.execute(
            "UPDATE usage_samples SET slot = slot - make_interval(secs => $2), at = at - make_interval(secs => $2)"
            " WHERE instance_uuid = $1",
            instance_uuid,
            seconds,
        )


async def test_the_newest_of_a_half_minute_stays_whoever_comes_last(engine: AsyncEngine) -> None:
    """A server that is late does not take newer figures back."""
    one, other, uuid = UsageStore(engine, uuid4()), UsageStore(engine, uuid4()), new_uuid()
    newer, older = told(uuid, 2.0, 1, rss_bytes=5.0), told(uuid, 1.0)
    await one.flush([newer])
    await other.flush([older])
    assert await one.newest([uuid, new_uuid()]) == [newer]
    (point,) = await one.history([uuid], 3600)
    assert (point.cpu_cores, point.rss_bytes, point.gpu_bytes) == (2.0, 5.0, 0.0)


async def test_two_servers_that_store_the_same_instances_at_once_do_not_lock_each_other_out(
    engine: AsyncEngine,
) -> None:
    """Rows go in key order."""
    uuids = [new_uuid() for _ in range(2000)]
    stores = [UsageStore(engine, uuid4()) for _ in range(4)]
    parts = [uuids, uuids[::-1], uuids[1000:] + uuids[:1000], sorted(uuids)]
    for _ in range(3):
        flushes = [store.flush([told(uuid, 1.0) for uuid in part]) for store, part in zip(stores, parts, strict=True)]
        await asyncio.gather(*flushes)
    assert len(await stores[0].newest(uuids)) == 2000


async def test_history_is_the_sum_of_the_instances_in_steps(engine: AsyncEngine) -> None:
    """The oldest first, and no further back than was asked."""
    store, one, two = UsageStore(engine, uuid4()), new_uuid(), new_uuid()
    for minutes in (90, 2, 1):
        await store.flush([told(one, minutes, rss_bytes=1.0)])
        await moved(engine, one, 60 * minutes)
    await store.flush([told(one, 0.5, rss_bytes=1.0), told(two, 0.25, gpu_bytes=7.0)])
    points = await store.history([one, two], 3600)
    assert [point.cpu_cores for point in points][-1] == 0.75 and points[-1].gpu_bytes == 7.0
    assert sorted(points) == points and 90 not in [point.cpu_cores for point in points]
    assert 90 in [point.cpu_cores for point in await store.history([one], 7200)]


async def test_what_is_old_is_forgotten_in_steps(engine: AsyncEngine) -> None:
    """And nothing else."""
    store, old, new = UsageStore(engine, uuid4()), new_uuid(), new_uuid()
    await store.flush([told(old, 1.0), told(new, 1.0)])
    await moved(engine, old, 4000)
    await store.forget_old(3600)
    assert [one.instance_uuid for one in await store.newest([old, new])] == [new]


async def test_a_server_sees_what_others_heard_lately_and_not_what_it_knows_itself(engine: AsyncEngine) -> None:
    """Nor what is long past."""
    one, other = UsageStore(engine, uuid4()), UsageStore(engine, uuid4())
    mine, theirs, past = new_uuid(), new_uuid(), new_uuid()
    await one.flush([told(mine, 1.0)])
    await other.flush([told(theirs, 2.0), told(past, 3.0)])
    await moved(engine, past, 600)
    found = {found.instance_uuid for found in await one.lately(20)}
    assert theirs in found and not found & {mine, past}


async def test_machines_are_those_of_the_other_servers_that_live(engine: AsyncEngine) -> None:
    """Everything of them comes back; one whose server is gone is forgotten, and one that is silent is not shown."""
    ids = [uuid4() for _ in range(3)]
    one, two, gone = (UsageStore(engine, server_id) for server_id in ids)
    for server_id in ids[:2]:
        await ServerStore(engine, server_id).join("x")
    machine = a_machine("two")
    for store, figures in ((one, a_machine("one")), (two, machine), (gone, a_machine("gone"))):
        await store.put_machine(figures)
    assert await one.machines(60) == [machine]
    async with driven(engine) as connection:
        await connection.execute("UPDATE machines SET at = at - interval '2 minutes' WHERE server_id = $1", ids[1])
    assert await one.machines(60) == []
    await one.forget_old(3600)
    async with driven(engine) as connection:
        assert await connection.fetchval("SELECT count(*) FROM machines WHERE server_id = $1", ids[2]) == 0
        assert await connection.fetchval("SELECT count(*) FROM machines WHERE server_id = $1", ids[1]) == 1
        assert await connection.fetchval("SELECT count(*) FROM journal") == 0


async def test_figures_that_a_newer_server_writes_in_its_own_way_are_passed_over(engine: AsyncEngine) -> None:
    """Two versions may serve one database while they are replaced."""
    one, uuid = UsageStore(engine, uuid4()), new_uuid()
    async with driven(engine) as connection:
        await connection.execute(
            'INSERT INTO usage_samples VALUES ($1, now(), now(), $2, \'{"cpu_cores": "many"}\')', uuid, uuid4()
        )
    assert await one.newest([uuid]) == []


async def test_constraints_are_kept_with_the_journal(engine: AsyncEngine) -> None:
    """A limit that cannot be is refused by the table too."""
    async with driven(engine) as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("INSERT INTO resource_constraints VALUES ('a', 'a', 0, NULL, NULL, now(), 1)")
