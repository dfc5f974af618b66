"""What is lost around COMMIT in a running `tekton up`: the connection, or the server itself. Set by failpoints."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest

from tekton_server.storage.errors import StorageUnavailableError, translated
from tests.faults.history import violations
from tests.faults.load import journal, load
from tests.faults.running import Faulty

# A failpoint lets so many batches pass: by then the load has begun, and every watcher has.
SOON = "60*off->1*"
# And so many more before it strikes again.
AGAIN = "->30*off->1*"


@pytest.mark.parametrize(
    ("point", "actions"),
    [
        ("journal.after_begin", ("drop", "error")),
        # The last one is longer than PostgreSQL lets a transaction idle.
        ("journal.after_append", ("drop", "error", "pause:2.5")),
        ("journal.before_commit", ("drop", "error")),
        ("journal.after_commit", ("drop", "error")),
    ],
)
async def test_a_connection_that_is_lost_around_commit_loses_no_write_and_does_none_twice(
    point: str, actions: tuple[str, ...], tmp_path: Path
) -> None:
    """Whether COMMIT took effect or not: callers are told the truth, and everybody sees one history."""
    faulty = Faulty(tmp_path)
    with faulty.up(f"{point}={SOON}{AGAIN.join(actions)}") as tekton:
        tekton.ready()
        async with load(faulty.where) as running:
            for action in actions:
                await asyncio.to_thread(tekton.until, f"failpoint {point}: {action.partition(':')[0]}")
            await running.history.more(30)
            await running.end()
            wrong = violations(running.history, await journal(faulty.dsn))
        assert not wrong, wrong
        assert "the outcome of batch" in tekton.text or point == "journal.after_begin"
        assert "Traceback" not in tekton.text
        assert tekton.stop() == 0


async def test_a_server_that_dies_around_commit_loses_no_write_and_does_none_twice(tmp_path: Path) -> None:
    """Between writing a batch and COMMIT, between COMMIT and answering: callers ask again, and it is done once."""
    faulty = Faulty(tmp_path)
    with ExitStack() as servers:
        tekton = servers.enter_context(faulty.up(f"journal.after_append={SOON}kill")).ready()
        async with load(faulty.where) as running:
            for point, following in pairwise(
                ("journal.after_append", "journal.after_commit", "writer.before_answer", "")
            ):
                await asyncio.to_thread(tekton.wait)
                assert f"failpoint {point}: kill" in tekton.text
                tekton = servers.enter_context(faulty.up(following and f"{following}={SOON}kill"))
                await asyncio.to_thread(tekton.ready)
            await running.history.more(30)
            await running.end()
            wrong = violations(running.history, await journal(faulty.dsn))
        assert not wrong, wrong
        assert tekton.stop() == 0


def test_what_asyncpg_raises_on_a_connection_that_ended_between_two_statements_is_an_outage() -> None:
    """It says now and then that another operation is in progress (its issue 784): no fault of ours, and no end."""
    with pytest.raises(StorageUnavailableError), translated():
        raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
