"""Bring the schema up to date, one server at a time."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from tekton_server.storage.database import Database
from tekton_server.storage.engine import migration_engine
from tekton_server.storage.errors import translated

# Any fixed number that no other program uses in this database: "tekton" and 1 in ASCII.
_MIGRATION_LOCK = 0x74656B746F6E01


class SchemaTooNewError(Exception):
    """The database was migrated by a newer Tekton."""


class Schema(NamedTuple):
    """Which schema a database has, None for none at all, and the newest that this Tekton knows."""

    current: str | None
    newest: str


async def schema_of(database: Database) -> Schema:
    """Look, and change nothing.

    Raises:
        SchemaTooNewError: the schema is of a later version than this server knows.
        StorageUnavailableError: the database cannot be asked.
    """
    engine = migration_engine(database)
    with translated():
        async with engine.connect() as connection:
            return await connection.run_sync(_schema)


async def migrate(database: Database) -> Schema:
    """Run what is missing under an advisory lock, so that servers starting together do not race; give what was there.

    Each step is a transaction: one that fails leaves the schema of the step before it.

    Raises:
        SchemaTooNewError: the schema is of a later version than this server knows.
        StorageUnavailableError: the database cannot be reached, or the lock is not to be had in a minute.
    """
    engine = migration_engine(database)
    with translated():
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.commit()
            try:
                found = await connection.run_sync(_upgrade)
                await connection.commit()
            finally:
                await connection.invalidate()  # gives the session, and with it the lock, back in every case
    return found


def _upgrade(connection: Connection) -> Schema:
    found = _schema(connection)
    if found.current != found.newest:
        command.upgrade(_config(connection), "head")
    return found


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("tekton_migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _schema(connection: Connection) -> Schema:
    script = ScriptDirectory.from_config(_config(connection))
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {step.revision for step in script.walk_revisions()}:
        raise SchemaTooNewError(
            f"the database has schema {current}, which this Tekton does not know; run the Tekton that made it, or newer"
        )
    return Schema(current, script.get_current_head() or "")
