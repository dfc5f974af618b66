"""A live registry on a database, without listeners: what a server is inside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import URL

from tekton.core.ids import new_uuid
from tekton.core.view import View
from tekton_server.domain.commands import RegisterComponent
from tekton_server.live.lease import Timing
from tekton_server.live.lifecycle.site import Means
from tekton_server.live.registry import LiveRegistry
from tekton_server.storage.database import Database
from tekton_server.storage.engine import create_engine
from tekton_server.storage.migrate import migrate


def register(number: int, **fields: object) -> RegisterComponent:
    """Make a registration with an address of its own."""
    given = {
        "component_id": f"component-{number}",
        "component_name": "A component",
        "component_type": "service",
        "version": "1.0.0",
        "host": f"host-{number}",
        "port": 8500,
        "instance_uuid": new_uuid(),
    }
    return RegisterComponent(**(given | fields))  # type: ignore[arg-type]


@asynccontextmanager
async def opened(
    url: URL,
    failures: list[BaseException] | None = None,
    *,
    migrated: bool = False,
    alone: bool = False,
    means: Means | None = None,
) -> AsyncIterator[LiveRegistry]:
    """Open a live registry on a database, as a server does; on one that is `migrated` it does that no more.

    With `means` it launches components, which run on when it ends.
    """
    database = Database(url)
    engine = create_engine(database)
    if not migrated:
        await migrate(database)
    live = await LiveRegistry.open(engine, database, Timing(0.5, 2.0), alone=alone)
    if means is not None:
        live.lifecycle.equip(means)
    live.start((failures if failures is not None else []).append)
    try:
        yield live
    finally:
        await live.stop()
        if means is not None:
            means.launcher.close()  # type: ignore[attr-defined]
        await engine.dispose()


async def revisions(live: LiveRegistry) -> list[int]:
    """Read the journal's revisions."""
    found: list[int] = []
    while commits := await live.store.after(found[-1] if found else 0):
        found += [commit.revision for commit in commits]
    return found


async def assert_whole(live: LiveRegistry, registered: int) -> None:
    """The journal has no gap, its fold is the view, and so are the current-state tables."""
    assert await revisions(live) == list(range(1, live.view.revision + 1))
    folded = View(live.view.history_id)
    for commit in await live.store.after(0):
        folded.fold(commit)
    stored = (await live.store.load()).view
    for view in (folded, stored):
        assert view.instances == live.view.instances
        assert list(view.commands) == list(live.view.commands)
        assert view.routing.models == live.view.routing.models
        assert view.routing.budgets == live.view.routing.budgets
        assert view.launches == live.view.launches
        assert {k: c.definition for k, c in view.components.items()} == {
            k: c.definition for k, c in live.view.components.items()
        }
    assert len(live.view.instances) == registered


def assert_same(one: LiveRegistry, other: LiveRegistry) -> None:
    """Two servers show the same."""
    ours, theirs = one.view, other.view
    assert (ours.history_id, ours.revision) == (theirs.history_id, theirs.revision)
    assert ours.instances == theirs.instances
    assert {k: c.definition for k, c in ours.components.items()} == {
        k: c.definition for k, c in theirs.components.items()
    }
    assert {one.command_id: one for one in ours.commands} == {one.command_id: one for one in theirs.commands}
    assert (ours.launches, ours.constraints) == (theirs.launches, theirs.constraints)
    assert (ours.routing.models, ours.routing.budgets) == (theirs.routing.models, theirs.routing.budgets)
