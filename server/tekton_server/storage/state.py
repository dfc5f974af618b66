"""Opening the store: its history, and the current state as of one revision."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tekton.core.view import Cause, Commit, DefinitionChange, InstanceChange, View
from tekton_server.storage import rows
from tekton_server.storage.errors import translated
from tekton_server.storage.journal import Head, read_after, read_head
from tekton_server.storage.tables import components, histories, instances, journal, leases, tombstones


class Beat(NamedTuple):
    """What is stored of a lease's liveness."""

    session_epoch: int
    last_heartbeat: datetime


class Grave(NamedTuple):
    """What is stored of a forgotten instance."""

    component_id: str
    reason: str
    at: datetime


class Loaded(NamedTuple):
    """The state of the store as of one revision."""

    view: View
    beats: Mapping[str, Beat]
    graves: Mapping[str, Grave]


class Store:
    """Reads of the registry through the pool; all raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self) -> Loaded:
        """Load the view and the stored beats in one REPEATABLE READ transaction; the first load makes the history."""
        with translated():
            await self._found_history()
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            async with self._engine.connect() as connection:
                await connection.execution_options(**options)
                return Loaded(
                    await _load_view(connection), await _load_beats(connection), await _load_graves(connection)
                )

    async def head(self) -> Head:
        """Read the end of the journal."""
        async with self._driver() as connection:
            return await read_head(connection)

    async def after(self, revision: int) -> list[Commit]:
        """Read the commits after a revision, bounded; ask again until none come."""
        async with self._driver() as connection:
            return await read_after(connection, revision)

    @asynccontextmanager
    async def _driver(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        with translated():
            async with self._engine.connect() as connection:
                yield await _open_driver(connection)

    async def new_history(self) -> None:
        """Begin another history: what revisions, resume tokens and fencing tokens meant before no longer holds."""
        with translated():
            async with self._engine.begin() as connection:
                values = {"history_id": secrets.token_hex(4), "created_at": func.clock_timestamp()}
                await connection.execute(update(histories).values(**values))

    async def _found_history(self) -> None:
        statement = insert(histories).values(history_id=secrets.token_hex(4), created_at=func.clock_timestamp())
        async with self._engine.begin() as connection:
            await connection.execute(statement.on_conflict_do_nothing())


async def _open_driver(connection: AsyncConnection) -> asyncpg.Connection[Any]:
    """Give the driver's connection. One that died in the pool, during an outage, is thrown away for a new one."""
    while True:
        driver: asyncpg.Connection[Any] | None = (await connection.get_raw_connection()).driver_connection
        if driver is not None and not driver.is_closed():
            return driver
        await connection.invalidate()


async def _load_view(connection: AsyncConnection) -> View:
    history_id = (await connection.execute(select(histories.c.history_id))).scalar_one()
    revision = (await connection.execute(select(func.coalesce(func.max(journal.c.revision), 0)))).scalar_one()
    view = View(history_id, revision)
    loaded = Cause("loaded")
    for row in (await connection.execute(select(components))).mappings():
        view.apply(DefinitionChange(None, rows.definition_of(dict(row)), loaded))
    # An order: the view shows instances in order of registration.
    for row in (await connection.execute(select(instances).order_by(instances.c.granted))).mappings():
        view.apply(InstanceChange(None, rows.instance_of(dict(row)), loaded))
    return view


async def _load_beats(connection: AsyncConnection) -> dict[str, Beat]:
    found = await connection.execute(select(leases.c.instance_uuid, leases.c.session_epoch, leases.c.last_heartbeat))
    return {str(uuid): Beat(epoch, last) for uuid, epoch, last in found}


async def _load_graves(connection: AsyncConnection) -> dict[str, Grave]:
    columns = (tombstones.c.instance_uuid, tombstones.c.component_id, tombstones.c.reason, tombstones.c.recorded_at)
    found = await connection.execute(select(*columns))
    return {str(uuid): Grave(component_id, reason, at) for uuid, component_id, reason, at in found}
