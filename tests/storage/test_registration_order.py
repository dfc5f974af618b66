"""The order of registration, which start plans follow, is the same after a restart."""

from __future__ import annotations

import asyncio

from sqlalchemy import make_url

from tekton_server.domain.commands import UpdateComponent
from tekton_server.domain.dependencies import Resolved, needs_in
from tests.support.live import opened, register
from tests.support.postgres import Cluster


async def test_a_restart_keeps_the_order_of_registration(cluster: Cluster) -> None:
    """Of one batch and of several, whatever their names; a later change moves nobody past another batch."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        for group in ((9, 3, 7), (8, 1)):
            await asyncio.gather(*(live.writer.submit(register(number)) for number in group))
        await live.writer.submit(UpdateComponent(component_id="component-7", patch={"component_name": "Seven"}))
        before = Resolved(needs_in(live.view)).found.order
    async with opened(url, migrated=True) as live:
        after = Resolved(needs_in(live.view)).found.order
    assert before == tuple(f"component-{number}" for number in (9, 3, 7, 8, 1)) == after


async def test_the_view_counts_changes_of_the_graph_only(cluster: Cluster) -> None:
    """A name or an instance is none; a dependency and a removal are."""
    async with opened(make_url(cluster.new_database())) as live:
        await live.writer.submit(register(1))
        counted = live.view.rewired
        await live.writer.submit(register(1, host="elsewhere"))
        await live.writer.submit(UpdateComponent(component_id="component-1", patch={"component_name": "One"}))
        assert live.view.rewired == counted
        await live.writer.submit(UpdateComponent(component_id="component-1", patch={"dependencies": ["component-2"]}))
        assert live.view.rewired == counted + 1
