"""A server that was away for so long that the journal was compacted past it: it loads what is, and goes on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tekton.core.errors import StaleSessionError, UnavailableError
from tekton.core.ids import new_uuid
from tekton.core.records import CommandKind
from tekton.v1.registry_service_pb2 import WatchRegistryResponse
from tekton_server.domain.commands import EndInstance, PostCommand, RemoveComponent
from tekton_server.live.registry import LiveRegistry
from tekton_server.services.selector import Selector
from tekton_server.services.watches import RegistryWatches
from tekton_server.storage.retention import JournalKept, forget_old
from tests.storage.test_lease_owners import granted, hello, told, until
from tests.support.live import assert_same, opened, register
from tests.support.postgres import Cluster
from tests.support.proxy import Cut, Proxy

Phase = WatchRegistryResponse


async def changed_meanwhile(live: LiveRegistry, ended: str) -> None:
    """Have something of every kind happen, and the journal forget how."""
    await live.writer.submit(EndInstance(component_id="component-1", instance_uuid=ended))
    await live.writer.submit(register(1))
    for number in range(10, 15):
        await live.writer.submit(register(number))
    await live.writer.submit(RemoveComponent(component_id="component-2"))
    await live.writer.submit(
        PostCommand(component_id="component-3", kind=CommandKind.RELOAD, seed=new_uuid(), deadline_seconds=60.0)
    )
    await live.writer.submit(register(99))
    await forget_old(live.store._engine, JournalKept(revisions=1))


@pytest.mark.parametrize("writes", [False, True])
async def test_a_journal_that_was_compacted_past_a_server_is_no_end_of_it(
    cluster: Cluster, short_tmp: Path, writes: bool
) -> None:
    """It shows what is there, ends and grants leases, and resets its watchers, whether it reads or writes first."""
    url = make_url(cluster.new_database())
    failures: list[BaseException] = []
    async with opened(url) as one, Proxy(short_tmp, Path(str(url.query["host"]))) as proxy:
        behind = url.update_query_dict({"host": str(short_tmp)})
        async with opened(behind, failures, migrated=True) as late:
            ended, removed, kept = await granted(late), await granted(late, 2), await granted(late, 3)
            stream, watch = await hello(late, ended), RegistryWatches(late).messages(Selector(), "")
            while Phase.FromString(await anext(watch)).phase is not Phase.PHASE_SNAPSHOT_END:
                pass
            proxy.cut = Cut.EVERYTHING
            proxy.drop()
            await until(lambda: one.view.revision == late.view.revision)
            await changed_meanwhile(one, ended.instance_uuid)
            proxy.cut = None
            if writes:
                await written(late)
            await until(lambda: failures or late.view.revision == one.view.revision, 10)
            assert not failures
            assert_same(late, one)
            assert set(late.leases._leases) == {i.instance_uuid for i in one.view.instances.values() if i.leased}
            assert told(stream) == ["ENDED"]
            assert late.commands.waiting(kept.instance_uuid, kept.granted)
            with pytest.raises(StaleSessionError):
                await late.writer.submit(register(2, instance_uuid=removed.instance_uuid))
            async with asyncio.timeout(5):
                phases = [Phase.FromString(await anext(watch)).phase for _ in range(3)]
            assert phases == [Phase.PHASE_RESET, Phase.PHASE_SNAPSHOT, Phase.PHASE_SNAPSHOT_END]
            answer = await one.writer.submit(register(100))
            seen: list[int] = []
            while answer.instance.granted not in seen:
                message = Phase.FromString(await anext(watch))
                assert message.phase == Phase.PHASE_LIVE
                seen += [event.revision for event in message.events]
            # Leases run out meanwhile: nothing is skipped of that either.
            assert sorted(set(seen)) == list(range(seen[0], seen[-1] + 1))
            await watch.aclose()  # type: ignore[attr-defined]
            await late.housekeeping.sweep(datetime.now(UTC) + timedelta(hours=2))
            assert ended.instance_uuid not in late.view.instances


async def written(live: LiveRegistry) -> None:
    """Write as soon as the database is there."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await live.writer.submit(register(50))
            except UnavailableError:
                await asyncio.sleep(0.05)
