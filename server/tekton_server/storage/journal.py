"""The journal: the writer's own connection, its lock, and the one statement that appends a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from tekton.core.view import Commit
from tekton_server import failpoints
from tekton_server.storage import rows
from tekton_server.storage.database import Database
from tekton_server.storage.engine import connect, writer_settings
from tekton_server.storage.errors import translated
from tekton_server.storage.leases import Judged, read_judged
from tekton_server.storage.requests import REMEMBERED, Answered, RequestKey
from tekton_server.storage.tables import (
    budgets,
    commands,
    components,
    instances,
    launches,
    models,
    resource_constraints,
)

CHANNEL = "tekton_journal"
# Any fixed number that no other program uses in this database: "tekton" and 2 in ASCII.
_JOURNAL_LOCK = 0x74656B746F6E02
_TAIL_ROWS = 10_000
_CLOSE_TIMEOUT = 2.0
_NONE: Mapping[RequestKey, Answered] = MappingProxyType({})


def _upsert(table: Any, key: str, parameter: int) -> str:
    columns = [column.name for column in table.columns]
    listed = ", ".join(columns)
    updated = ", ".join(f"{name} = excluded.{name}" for name in columns if name != key)
    return (
        f"INSERT INTO {table.name} ({listed}) "
        f"SELECT {listed} FROM json_populate_recordset(NULL::{table.name}, ${parameter}::json) "
        f"ON CONFLICT ({key}) DO UPDATE SET {updated}"
    )


# One statement for the whole batch: round trips, not rows, are what a commit costs (FACTS: 1.6 ms against 4.1 ms).
_APPEND = f"""
WITH appended AS (
    INSERT INTO journal SELECT * FROM json_populate_recordset(NULL::journal, $1::json)
), put_components AS ({_upsert(components, "key", 2)}
), put_instances AS ({_upsert(instances, "instance_uuid", 3)}
), cut_components AS (DELETE FROM components WHERE key = ANY($4::text[])
), cut_instances AS (DELETE FROM instances WHERE instance_uuid = ANY($5::uuid[])
), buried AS (
    INSERT INTO tombstones (instance_uuid, component_id, reason, recorded_at)
    SELECT instance_uuid, component_id, reason, clock_timestamp()
    FROM json_populate_recordset(NULL::tombstones, $6::json) ON CONFLICT (instance_uuid) DO NOTHING
), answered AS (
    INSERT INTO requests (principal, rpc, request_id, body_hash, reply, recorded_at)
    SELECT principal, rpc, request_id, body_hash, reply, clock_timestamp()
    FROM json_populate_recordset(NULL::requests, $7::json)
    ON CONFLICT (principal, rpc, request_id) DO UPDATE
    SET body_hash = excluded.body_hash, reply = excluded.reply, recorded_at = excluded.recorded_at
), put_commands AS ({_upsert(commands, "command_id", 9)}
), cut_commands AS (DELETE FROM commands WHERE command_id = ANY($10::uuid[])
)
SELECT pg_notify('{CHANNEL}', $8::text)
"""


def _of_its_own(table: Any, key: str) -> str:
    """Make the statement of what changes seldom: each part of the one above costs every batch some microseconds."""
    return f"WITH put AS ({_upsert(table, key, 1)}) DELETE FROM {table.name} WHERE {key} = ANY($2::text[])"


_LAUNCHES, _CONSTRAINTS = _of_its_own(launches, "key"), _of_its_own(resource_constraints, "key")
_MODELS, _BUDGETS = _of_its_own(models, "model_id"), _of_its_own(budgets, "key")
_REMEMBERED = f"""
SELECT r.principal, r.rpc, r.request_id, r.body_hash, r.reply
FROM requests r JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked(principal, rpc, request_id)
USING (principal, rpc, request_id)
WHERE r.recorded_at >= clock_timestamp() - interval '{REMEMBERED}'
"""
_HEAD = """
SELECT h.history_id, clock_timestamp() AS now, j.revision, j.batch_id, j.recorded_at
FROM histories h LEFT JOIN LATERAL (
    SELECT revision, batch_id, recorded_at FROM journal ORDER BY revision DESC, idx DESC LIMIT 1
) j ON true
"""
_AFTER = """
SELECT revision, recorded_at, kind, old::text, new::text, cause::text FROM journal
WHERE revision > $1 ORDER BY revision, idx LIMIT $2
"""
_ONE = """
SELECT revision, recorded_at, kind, old::text, new::text, cause::text FROM journal WHERE revision = $1 ORDER BY idx
"""
_BATCH_AT = "SELECT batch_id FROM journal WHERE revision = $1 AND idx = 0"


# More than the free space that a table may have, so that it has to grow. Vacuum gives it to later answers.
_TRY_ROOM = """
INSERT INTO requests (principal, rpc, request_id, body_hash, reply, recorded_at)
SELECT '', 'room', n::text, '', repeat('x', 900), clock_timestamp() FROM generate_series(1, 300) AS n
"""


class Head(NamedTuple):
    """The end of the journal, and the time: never before the last recorded time."""

    history_id: str
    revision: int
    batch_id: UUID | None
    now: datetime


class JournalSession:
    """The writer's connection. Every method raises StorageUnavailableError when the database cannot be asked, and
    DataRefusedError when it refuses the data; after either the session MUST be reset before it is used again.
    """

    note = ""
    """A comment in front of the statements that wait: what the database shows of them, tracing writes here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection[Any] | None = None

    async def begin(self) -> Head:
        """Open a transaction, take the journal lock, and read the end of the journal in a new statement."""
        with translated():
            connection = await self._open()
            # One round trip; the head needs a statement of its own to see what the last holder of the lock committed.
            await connection.execute(f"{self.note}BEGIN; SELECT pg_advisory_xact_lock({_JOURNAL_LOCK})")
            if failpoints.ACTIVE:
                await failpoints.reach("journal.after_begin", connection)
            return _head(await connection.fetchrow(_HEAD))

    @property
    def backend(self) -> int | None:
        """The process of the database behind the connection: notices that it sends are our own."""
        return None if self._connection is None else self._connection.get_server_pid()

    async def head(self) -> Head:
        """Read the end of the journal without its lock: it may grow meanwhile."""
        with translated():
            return await read_head(await self._open())

    async def after(self, revision: int) -> list[Commit]:
        """Read the commits after a revision, bounded; ask again until none come."""
        with translated():
            connection = self._inside()
            return await read_after(connection, revision)

    async def judged(self, instance_uuids: Sequence[str], server_id: UUID) -> Judged:
        """Read the leases that a batch is to expire, and lock them: a beat that others store now comes after it."""
        with translated():
            return await read_judged(self._inside(), instance_uuids, server_id)

    async def remembered(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Answered]:
        """Read what was answered to requests before."""
        with translated():
            found = await self._inside().fetch(_REMEMBERED, *map(list, zip(*keys, strict=True)))
            return {RequestKey(*row[:3]): Answered(row[3], row[4]) for row in found}

    async def append(
        self, commits: Sequence[Commit], batch_id: UUID, answered: Mapping[RequestKey, Answered] = _NONE
    ) -> None:
        """Write a batch: journal rows, the last values of what they touch, tombstones, the answers to remember, and the
        wake-up of other servers.
        """
        last = rows.last_values(commits)
        with translated():
            connection = self._inside()
            await connection.fetchval(
                _APPEND,
                rows.journal_rows(commits, batch_id),
                rows.component_rows(last.definitions),
                rows.instance_rows(last.instances),
                [key for key, value in last.definitions.items() if value is None],
                [UUID(key) for key, value in last.instances.items() if value is None],
                rows.tombstone_rows(commits),
                rows.answered_rows(answered),
                str(commits[-1].revision) if commits else "",
                rows.command_rows(last.commands),
                [UUID(key) for key, value in last.commands.items() if value is None],
            )
            for statement, encoded, gone in _seldom(last):
                await connection.execute(statement, encoded, gone)
            if failpoints.ACTIVE:
                await failpoints.reach("journal.after_append", connection)

    async def try_room(self) -> None:
        """Write what is taken back, to see whether the database's disk has room again.

        Raises:
            StorageFullError: it has none.
        """
        with translated():
            await self._inside().execute(_TRY_ROOM)

    async def commit(self) -> None:
        """Commit. When this fails the outcome is unknown until `batch_at` is asked."""
        with translated():
            connection = self._inside()
            if failpoints.ACTIVE:
                await failpoints.reach("journal.before_commit", connection)
            await connection.execute(f"{self.note}COMMIT")
            if failpoints.ACTIVE:
                await failpoints.reach("journal.after_commit", connection)

    async def rollback(self) -> None:
        """Give the transaction up and keep the connection."""
        with translated():
            await self._inside().execute("ROLLBACK")

    async def batch_at(self, revision: int) -> UUID | None:
        """Tell which batch wrote a revision; None when no one did, or it is compacted. To settle an outcome, call it
        inside `begin`, whose lock waits out an old backend that is still committing.
        """
        with translated():
            found: UUID | None = await self._inside().fetchval(_BATCH_AT, revision)
            return found

    def reset(self) -> None:
        """Drop the connection without waiting; the next call opens another."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=_CLOSE_TIMEOUT)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                # Nothing is in progress on it: an end that the server does not confirm is an end all the same.
                connection.terminate()

    def _inside(self) -> asyncpg.Connection[Any]:
        """Give the connection that holds the transaction: on a new one COMMIT would succeed and commit nothing."""
        if self._connection is None or self._connection.is_closed():
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost inside its transaction")
        return self._connection

    async def _open(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._database, writer_settings(self._database))
        return self._connection


def _seldom(last: rows.LastValues) -> Iterator[tuple[str, str, list[str]]]:
    """Give the statements for what few batches change, each with what it puts and what it removes."""
    if last.launches:
        yield _LAUNCHES, rows.launch_rows(last.launches), _removed(last.launches)
    if last.models:
        yield _MODELS, rows.model_rows(last.models), _removed(last.models)
    if last.budgets:
        yield _BUDGETS, rows.budget_rows(last.budgets), _removed(last.budgets)
    if last.constraints:
        yield _CONSTRAINTS, rows.constraints_rows(last.constraints), _removed(last.constraints)


def _removed(records: Mapping[str, object]) -> list[str]:
    return [key for key, record in records.items() if record is None]


def _head(row: asyncpg.Record | None) -> Head:
    if row is None:
        raise RuntimeError("the histories table is empty: the store was not opened")
    now = row["now"]
    if row["recorded_at"] is not None:
        now = max(now, row["recorded_at"])
    return Head(row["history_id"], row["revision"] or 0, row["batch_id"], now)


async def read_head(connection: asyncpg.Connection[Any]) -> Head:
    """Read the end of the journal."""
    return _head(await connection.fetchrow(_HEAD))


async def read_after(connection: asyncpg.Connection[Any], revision: int) -> list[Commit]:
    """Read whole commits after a revision, bounded: one that the bound cuts waits for the next call, or comes alone."""
    found = await connection.fetch(_AFTER, revision, _TAIL_ROWS)
    if len(found) < _TAIL_ROWS:
        return rows.commits_of(found)
    last = found[-1]["revision"]
    whole = [row for row in found if row["revision"] != last]
    return rows.commits_of(whole or await connection.fetch(_ONE, last))
