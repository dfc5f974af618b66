"""The history of a component: by an index, bounded by what the journal keeps, and nobody else's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from tekton.core.errors import UnavailableError
from tekton.core.lifecycle import ComponentState
from tekton_server.domain.commands import EndInstance, ReportState
from tekton_server.live.registry import LiveRegistry
from tekton_server.services.explain import Explanations
from tekton_server.storage import transitions
from tekton_server.storage.retention import JournalKept, forget_old
from tekton_server.storage.transitions import END, Transitions
from tests.support.live import opened, register
from tests.support.postgres import Cluster
from tests.support.proxy import Cut, Proxy

READY = ComponentState.READY


async def history(live: LiveRegistry, key: str, before: transitions.Place = END, most: int = 100) -> Transitions:
    """Read a component's transitions."""
    return await live.store.transitions(key, before, "", most, 1_000_000)


async def test_the_history_is_as_old_as_the_journal(cluster: Cluster) -> None:
    """Instances that are forgotten are in it; what is compacted is not, and from when on it is whole is told."""
    async with opened(make_url(cluster.new_database())) as live:
        first, second = register(1), register(1, host="elsewhere")
        await live.writer.submit(first)
        await live.writer.submit(EndInstance(component_id="component-1", instance_uuid=first.instance_uuid))
        await live.writer.submit(second)
        await live.writer.submit(register(2))
        found = await history(live, "component_1")
        states = [one.change.new.state.value for one in found.found if one.change.new]
        assert states == ["registering", "stopped", "stopping", "failed", "registering"]
        assert [one.place.revision for one in found.found] == [3, 2, 2, 2, 1] and not found.more
        assert found.kept_since == found.found[-1].recorded_at
        await forget_old(live.store._engine, JournalKept(revisions=2))
        found = await history(live, "component_1")
        assert [one.place.revision for one in found.found] == [3]
        assert found.kept_since == found.found[0].recorded_at
        await forget_old(live.store._engine, JournalKept(age=timedelta(0)))
        assert (await history(live, "component_1")).found == []


async def test_what_is_no_change_of_state_is_no_transition(cluster: Cluster) -> None:
    """A repeated report changes nothing, and a removal is told by the hops before it."""
    async with opened(make_url(cluster.new_database())) as live:
        one = register(1)
        await live.writer.submit(one)
        for _ in range(3):
            await live.writer.submit(
                ReportState(component_id="component-1", instance_uuid=one.instance_uuid, state=READY)
            )
        found = (await history(live, "component_1")).found
        assert len(found) == 4 and all(one.change.old != one.change.new for one in found)


async def test_it_is_read_by_its_index(cluster: Cluster) -> None:
    """Backwards from the page's beginning: neither the journal nor the rest of the history is read for a page."""
    url = make_url(cluster.new_database())
    async with opened(url) as live:
        for number in range(5):
            await live.writer.submit(register(number))
        async with live.store._engine.begin() as connection:
            # A journal so long that no other way would be cheap.
            copied = "SELECT revision + 10 * n, idx, kind, key, old, new, cause, batch_id, recorded_at"
            rows = f"{copied} FROM journal, generate_series(1, 4000) AS n"
            await connection.execute(text(f"INSERT INTO journal {rows}"))
            await connection.execute(text("ANALYZE journal"))
            query = transitions._NEWEST_FIRST
            for place, value in (("$1", "'component_1'"), ("$2", "900"), ("$3", "0"), ("$4", "''"), ("$5", "101")):
                query = query.replace(place, value)
            plan = "\n".join(await connection.scalars(text(f"EXPLAIN {query}")))
        assert "Index Scan Backward using journal_component_idx" in plan, plan
        assert "ROW(revision, idx) < ROW(900, 0)" in plan.partition("Filter")[0], plan


async def test_while_the_database_is_away_there_is_no_history_and_an_explanation_goes_without_its_evidence(
    cluster: Cluster, short_tmp: Path
) -> None:
    """The one is unavailable, and not empty; the other says so. That something is missing is not said then."""
    url = make_url(cluster.new_database())
    through = url.update_query_dict({"host": str(short_tmp)})
    async with Proxy(short_tmp, Path(str(url.query["host"]))) as proxy, opened(through) as live:
        one, needy = register(1), register(2, dependencies=("nobody",))
        for command in (one, needy):
            await live.writer.submit(command)
        report = ReportState(
            component_id="component-1", instance_uuid=one.instance_uuid, state=ComponentState.FAILED, metadata={"a": 1}
        )
        await live.writer.submit(report)
        alone, other = (live.view.components[key] for key in ("component_1", "component_2"))
        explanations = Explanations(live)
        assert dict((await explanations.reply(alone)).conditions[0].evidence) == {"a": 1}
        proxy.cut = Cut.EVERYTHING
        proxy.drop()
        [condition] = (await explanations.reply(alone)).conditions
        assert condition.status_reason == "reported" and not condition.evidence
        assert "its evidence is in the journal, which cannot be read now" in condition.notes
        with pytest.raises(UnavailableError):
            await explanations.reply(other)
        with pytest.raises(UnavailableError):
            await history(live, "component_1")
        proxy.cut = None
