"""Opening the store: its history, and the current state as of one revision."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton.core.records import BudgetChange, ModelChange
from tekton.core.view import (
    Cause,
    CommandChange,
    Commit,
    ConstraintsChange,
    DefinitionChange,
    InstanceChange,
    LaunchChange,
    View,
)
from tekton_server.storage import rows
from tekton_server.storage.engine import driven
from tekton_server.storage.errors import translated
from tekton_server.storage.journal import Head, read_after, read_head
from tekton_server.storage.leases import read_horizon
from tekton_server.storage.tables import histories
from tekton_server.storage.transitions import LastChange, Place, Transitions, read_last_changes, read_transitions

# A registry is read in parts, so that a large one does not take its memory twice.
_PREFETCH = 2000
# In order of registration, which start plans follow; of those of one batch only the last change is known.
_COMPONENTS = """
SELECT component_id, component_name, component_type, capabilities, dependencies, health_check,
       metadata::text AS metadata, created_at, revision
FROM components ORDER BY created_at, revision
"""
# An order: the view shows instances in order of registration.
_INSTANCES = """
SELECT instance_uuid, component_id, version, host, port, machine, state, state_since, reason, registered_at, ready_at,
       ended_at, leased, granted, revision, fingerprint
FROM instances ORDER BY granted
"""
# As they were posted.
_COMMANDS = """
SELECT command_id, component_id, instance_uuid, granted, kind, arguments::text AS arguments, issued_at, deadline, state,
       message, revision
FROM commands ORDER BY issued_at, command_id
"""
_LAUNCHES = """
SELECT component_id, epoch, instance_uuid, server_id, host, place, desired, phase, restart_count, restarts,
       next_attempt_at, last_exit, stop_by, force, since, revision
FROM launches
"""
# As they were registered, and set.
_MODELS = "SELECT model_id, facts::text AS facts, created_at, revision FROM models ORDER BY created_at, revision"
_BUDGETS = "SELECT terms::text AS terms, set_at, revision FROM budgets ORDER BY set_at, revision"
_CONSTRAINTS = "SELECT component_id, cpu_limit, memory_limit, gpu_limit, updated_at, revision FROM resource_constraints"


class Beat(NamedTuple):
    """What is stored of a lease's liveness."""

    session_epoch: int
    last_heartbeat: datetime
    server_id: UUID | None = None
    version: int = 0


class Grave(NamedTuple):
    """What is stored of a forgotten instance."""

    component_id: str
    reason: str
    at: datetime


class Loaded(NamedTuple):
    """The state of the store as of one revision; what servers write to their leases later is behind `horizon`."""

    view: View
    beats: Mapping[str, Beat]
    graves: Mapping[str, Grave]
    horizon: int


class Store:
    """Reads of the registry through the pool; all raise StorageUnavailableError when the database cannot be asked."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self) -> Loaded:
        """Load the view and the stored beats in one REPEATABLE READ transaction; the first load makes the history."""
        with translated():
            await self._found_history()
        async with (
            driven(self._engine) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            horizon = await read_horizon(connection)
            beats, graves = await _load_beats(connection), await _load_graves(connection)
            return Loaded(await _load_view(connection), beats, graves, horizon)

    async def head(self) -> Head:
        """Read the end of the journal."""
        async with driven(self._engine) as connection:
            return await read_head(connection)

    async def after(self, revision: int) -> list[Commit]:
        """Read the commits after a revision, bounded; ask again until none come."""
        async with driven(self._engine) as connection:
            return await read_after(connection, revision)

    async def transitions(self, key: str, before: Place, instance_uuid: str, most: int, most_bytes: int) -> Transitions:
        """Read changes of state of a component; see `storage.transitions`."""
        async with driven(self._engine) as connection:
            return await read_transitions(connection, key, before, instance_uuid, most, most_bytes)

    async def last_changes(self, changed: Mapping[str, int]) -> dict[str, LastChange]:
        """Read why instances changed last, given as {instance_uuid: revision}; what is compacted is left out."""
        async with driven(self._engine) as connection:
            return await read_last_changes(connection, changed)

    async def new_history(self, after: str) -> None:
        """Begin another history: what revisions, resume tokens and fencing tokens meant before no longer holds.

        Once for all servers that notice: `after` is the history that each has served.
        """
        with translated():
            async with self._engine.begin() as connection:
                values = {"history_id": secrets.token_hex(4), "created_at": func.clock_timestamp()}
                await connection.execute(update(histories).where(histories.c.history_id == after).values(**values))

    async def _found_history(self) -> None:
        statement = insert(histories).values(history_id=secrets.token_hex(4), created_at=func.clock_timestamp())
        async with self._engine.begin() as connection:
            await connection.execute(statement.on_conflict_do_nothing())


async def _load_view(connection: asyncpg.Connection[Any]) -> View:
    history_id = await connection.fetchval("SELECT history_id FROM histories")
    view = View(history_id, await connection.fetchval("SELECT coalesce(max(revision), 0) FROM journal"))
    loaded, reader = Cause("loaded"), rows.Reader()
    async for row in connection.cursor(_COMPONENTS, prefetch=_PREFETCH):
        view.apply(DefinitionChange(None, reader.definition(row), loaded))
    async for row in connection.cursor(_INSTANCES, prefetch=_PREFETCH):
        view.apply(InstanceChange(None, reader.instance(row), loaded))
    async for row in connection.cursor(_COMMANDS, prefetch=_PREFETCH):
        view.apply(CommandChange(None, reader.command(row), loaded))
    async for row in connection.cursor(_LAUNCHES, prefetch=_PREFETCH):
        view.apply(LaunchChange(None, reader.launch(row), loaded))
    async for row in connection.cursor(_MODELS, prefetch=_PREFETCH):
        view.apply(ModelChange(None, reader.model(row), loaded))
    async for row in connection.cursor(_BUDGETS, prefetch=_PREFETCH):
        view.apply(BudgetChange(None, reader.budget(row), loaded))
    async for row in connection.cursor(_CONSTRAINTS, prefetch=_PREFETCH):
        view.apply(ConstraintsChange(None, reader.constraints(row), loaded))
    return view


async def _load_beats(connection: asyncpg.Connection[Any]) -> dict[str, Beat]:
    asked = "SELECT instance_uuid, session_epoch, last_heartbeat, server_id, version FROM leases"
    found, servers = connection.cursor(asked, prefetch=_PREFETCH), dict[UUID, UUID]()
    return {
        str(uuid): Beat(epoch, last, servers.setdefault(server_id, server_id), version)
        async for uuid, epoch, last, server_id, version in found
    }


async def _load_graves(connection: asyncpg.Connection[Any]) -> dict[str, Grave]:
    found = connection.cursor(
        "SELECT instance_uuid, component_id, reason, recorded_at FROM tombstones", prefetch=_PREFETCH
    )
    return {str(uuid): Grave(component_id, reason, at) async for uuid, component_id, reason, at in found}
