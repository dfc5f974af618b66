"""The one write path on a real PostgreSQL: nothing acknowledged is lost or done twice, no revision is skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import URL, make_url, text

from tekton.core.errors import AlreadyExistsError, TektonError, UnavailableError
from tekton.core.ids import new_uuid
from tekton.core.lifecycle import ComponentState
from tekton.core.view import Commit
from tekton_server.domain import registration
from tekton_server.domain.commands import ExpireLease, Registered, RemoveComponent, ReportState
from tekton_server.live import batch
from tekton_server.live.writer import HistoryDivergedError
from tekton_server.storage import journal
from tekton_server.storage.errors import DataRefusedError, StorageUnavailableError, translated
from tests.support.live import assert_whole, opened, register
from tests.support.postgres import Cluster
from tests.support.proxy import Cut, Proxy


@pytest.fixture
def url(cluster: Cluster) -> URL:
    """An empty database."""
    return make_url(cluster.new_database())


@asynccontextmanager
async def proxied(url: URL, directory: Path) -> AsyncIterator[tuple[Proxy, URL]]:
    """Put a proxy before a database."""
    async with Proxy(directory, Path(str(url.query["host"]))) as proxy:
        yield proxy, url.update_query_dict({"host": str(directory)})


async def test_concurrent_commands_share_commits_and_take_gapless_revisions(url: URL) -> None:
    """A hundred callers at once need far fewer commits than a hundred."""
    async with opened(url) as live:
        answers = await asyncio.gather(*(live.writer.submit(register(n)) for n in range(100)))
        assert sorted(a.instance.granted for a in answers) == list(range(1, 101))
        await assert_whole(live, 100)
        async with live.store._engine.connect() as connection:
            batches = await connection.scalar(text("SELECT count(DISTINCT batch_id) FROM journal"))
        assert batches < 20


async def test_a_refused_command_takes_no_revision_and_spoils_nobody_elses(url: URL) -> None:
    """Decided one by one, on what the ones before have changed."""
    async with opened(url) as live:
        wanted = [register(n, host="one-host") for n in range(10)]
        answers = await asyncio.gather(*(live.writer.submit(w) for w in wanted), return_exceptions=True)
        assert [type(a) for a in answers] == [Registered] + [AlreadyExistsError] * 9
        await assert_whole(live, 1)


@pytest.mark.parametrize("cut", [Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT])
async def test_a_connection_lost_at_commit_is_settled_by_asking_for_the_batch(
    url: URL, short_tmp: Path, cut: Cut
) -> None:
    """Whether the database had committed or not, every caller is told the truth and nothing is there twice."""
    async with proxied(url, short_tmp) as (proxy, through), opened(through) as live:
        await live.writer.submit(register(0))
        proxy.cut = cut
        answers = await asyncio.gather(*(live.writer.submit(register(n)) for n in range(1, 30)))
        assert proxy.cuts == 1
        assert all(a.created for a in answers)
        await assert_whole(live, 30)


async def test_a_caller_whose_patience_ends_before_the_outcome_is_told_that_it_is_unknown(
    url: URL, short_tmp: Path
) -> None:
    """The error says outcome unknown, and the write may well have happened."""
    async with proxied(url, short_tmp) as (proxy, through), opened(through) as live:
        await live.writer.submit(register(0))
        proxy.cut = Cut.AFTER_COMMIT
        waiting = asyncio.create_task(live.writer.submit(register(1), within=0.3))
        while proxy.cuts == 0:
            await asyncio.sleep(0)
        proxy.cut = Cut.EVERYTHING
        with pytest.raises(UnavailableError) as caught:
            await waiting
        assert caught.value.details["outcome"] == "unknown"
        proxy.cut = None
        await live.writer.submit(register(2), within=10)
        await assert_whole(live, 3)


async def test_while_the_database_is_away_writes_are_refused_reads_go_on_and_then_it_heals(
    url: URL, short_tmp: Path
) -> None:
    """UNAVAILABLE and never not-found; a negative answer cannot be given; positive ones can."""
    async with proxied(url, short_tmp) as (proxy, through), opened(through) as live:
        await live.writer.submit(register(0))
        proxy.cut = Cut.EVERYTHING
        proxy.drop()
        with pytest.raises(UnavailableError) as caught:
            await live.writer.submit(register(1))
        assert caught.value.retry_after
        with pytest.raises(UnavailableError):
            await live.confirm()
        assert live.view.get("component-0") is not None
        assert live.writer.down_since is not None
        proxy.cut = None
        async with asyncio.timeout(10):
            while live.writer.down_since is not None:
                await asyncio.sleep(0.02)
        await live.writer.submit(register(2))
        await assert_whole(live, 2)


async def test_data_the_database_refuses_fails_only_its_own_command(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch with one bad text in it is halved until the culprit stands alone."""
    monkeypatch.setattr(registration, "check_registration", lambda command: None)
    async with opened(url) as live:
        wanted = [register(n, component_name="a\0b" if n == 5 else "fine") for n in range(16)]
        answers = await asyncio.gather(*(live.writer.submit(w) for w in wanted), return_exceptions=True)
        assert [n for n, a in enumerate(answers) if isinstance(a, TektonError)] == [5]
        await assert_whole(live, 15)


async def test_two_servers_write_one_journal_without_a_gap(url: URL) -> None:
    """Commit order is lock order; each folds what the other wrote, and they end with one view."""
    async with opened(url) as one, opened(url) as two:
        both = (one, two)
        await asyncio.gather(*(both[n % 2].writer.submit(register(n)) for n in range(120)))
        answers = await asyncio.gather(
            *(both[n % 2].writer.submit(register(1000 + n, host="same", port=1)) for n in range(20)),
            return_exceptions=True,
        )
        assert sum(isinstance(a, Registered) for a in answers) == 1
        await asyncio.gather(one.confirm(), two.confirm())
        assert one.view.instances == two.view.instances
        await assert_whole(one, 121)


async def test_not_found_is_only_said_after_asking_the_database(url: URL) -> None:
    """A view that lags behind another server's commit catches up before it says no."""
    async with opened(url) as one, opened(url) as two:
        await one.writer.submit(register(1))
        assert two.view.get("component-1") is None
        await two.confirm()
        assert two.view.get("component-1") is not None


async def test_a_restart_finds_everything_and_gives_every_lease_one_full_timeout(url: URL) -> None:
    """However long the server was gone, nobody is judged for it."""
    command = register(1)
    async with opened(url) as live:
        granted = (await live.writer.submit(command)).instance
        ready = ReportState(component_id="component-1", instance_uuid=granted.instance_uuid, state=ComponentState.READY)
        await live.writer.submit(ready)
        lease = live.leases.get(granted.instance_uuid)
        assert lease is not None
        before = live.view.instance(granted.instance_uuid)
        await live.leases.beats.flush()
    async with opened(url) as live:
        assert live.view.instance(granted.instance_uuid) == before
        found = live.leases.get(granted.instance_uuid)
        assert found is not None and found.beat_at == lease.beat_at
        assert live.leases.now() - found.beat_seconds < 1.0
        again = await live.writer.submit(command)
        assert not again.created
        await assert_whole(live, 1)


async def test_an_expiry_that_a_beat_overtook_changes_nothing(url: URL) -> None:
    """The guard is asked when the command's turn comes, under the journal lock."""
    async with opened(url) as live:
        granted = (await live.writer.submit(register(1))).instance
        expire = ExpireLease(instance_uuid=granted.instance_uuid, granted=granted.granted)
        beat = False
        judged = live.writer.submit_nowait(expire, guard=lambda: not beat)
        beat = True
        assert await judged is None
        assert live.view.instances[granted.instance_uuid].leased


async def test_a_database_that_was_set_back_is_noticed(url: URL) -> None:
    """Going on would hand out revisions that already meant something else."""
    failures: list[BaseException] = []
    async with opened(url, failures) as live:
        for number in range(3):
            await live.writer.submit(register(number))
        history = live.view.history_id
        async with live.store._engine.begin() as connection:
            await connection.execute(text("DELETE FROM journal WHERE revision = 3"))
        with pytest.raises(TektonError):
            await live.writer.submit(register(9))
        async with asyncio.timeout(5):
            while not failures:
                await asyncio.sleep(0.01)
        assert isinstance(failures[0], HistoryDivergedError)
    async with opened(url) as live:
        assert live.view.history_id != history


async def test_a_batch_is_bounded_in_time_and_the_rest_goes_first_into_the_next(
    url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long each takes to decide, the journal's lock is never held for the sum of all."""
    monkeypatch.setattr(batch, "DECIDE_WITHIN", 0.0)
    async with opened(url) as live:
        answers = await asyncio.gather(*(live.writer.submit(register(n)) for n in range(20)))
        assert [a.instance.granted for a in answers] == list(range(1, 21))
        await assert_whole(live, 20)


async def test_a_commit_of_more_rows_than_a_read_is_read_whole(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit is one unit, however large."""
    monkeypatch.setattr(journal, "_TAIL_ROWS", 10)
    async with opened(url) as live:
        for _ in range(8):
            await live.writer.submit(register(1, host=new_uuid()))
        await live.writer.submit(RemoveComponent(component_id="component-1"))
        await live.writer.submit(register(2))
        commits: list[Commit] = []
        while found := await live.store.after(commits[-1].revision if commits else 0):
            commits += found
        assert [c.revision for c in commits] == list(range(1, 11))
        assert len(commits[8].changes) == 8 * 4 + 1


async def test_a_server_that_only_reads_on_never_mistakes_anothers_commits_for_another_history(url: URL) -> None:
    """Folding what another server wrote, in a batch without a commit of its own, and then going on."""
    failures: list[BaseException] = []
    async with opened(url, failures) as one, opened(url, failures) as two:
        await one.writer.submit(register(1))
        await two.writer.submit(register(2))
        await one.confirm()
        for _ in range(3):
            await one.writer.refresh()
        await one.writer.submit(register(3))
        assert failures == []


async def test_what_was_under_way_at_the_stop_is_answered(url: URL, short_tmp: Path) -> None:
    """Nobody waits out his patience for a writer that is gone, and nobody is told what is not so."""
    async with proxied(url, short_tmp) as (proxy, through), opened(through) as live:
        await live.writer.submit(register(0))
        proxy.cut = Cut.AFTER_COMMIT
        waiting = asyncio.create_task(live.writer.submit(register(1)))
        while proxy.cuts == 0:
            await asyncio.sleep(0)
        proxy.cut = Cut.EVERYTHING
        await live.stop()
        with pytest.raises(UnavailableError) as caught:
            await asyncio.wait_for(waiting, 2)
        assert caught.value.details["outcome"] == "unknown"
        with pytest.raises(UnavailableError) as late:
            await live.writer.submit(register(2))
        assert late.value.details["outcome"] == "none"


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("28P01", StorageUnavailableError),
        ("3D000", StorageUnavailableError),
        ("XX001", StorageUnavailableError),
        ("42501", StorageUnavailableError),
        ("53100", StorageUnavailableError),
        ("22P05", DataRefusedError),
        ("42601", asyncpg.PostgresSyntaxError),
    ],
)
def test_whatever_the_database_says_only_wrong_sql_is_a_fault_of_ours(state: str, kind: type[Exception]) -> None:
    """A password that was changed, a disk that is full, a broken page: unavailable, and the server lives on."""
    with pytest.raises(kind), translated():
        raise asyncpg.PostgresError.new({"C": state, "M": "said so"})


async def test_large_figures_in_metadata_are_the_same_after_a_restart(url: URL) -> None:
    """An identical registration afterwards is no change of the definition."""
    command = register(1, metadata={"large": 1e23, "huge": 1e308, "small": 5e-324, "half": 0.5})
    async with opened(url) as live:
        await live.writer.submit(command)
    async with opened(url) as live:
        await live.writer.submit(register(1, metadata=command.metadata, host="elsewhere"))
        definition = live.view.definition("component-1")
        assert definition is not None and definition.revision == 1
