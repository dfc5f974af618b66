"""Bring the schema up to date, one server at a time."""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tekton_server.storage.errors import translated

# Any fixed number that no other program uses in this database: "tekton" and 1 in ASCII.
_MIGRATION_LOCK = 0x74656B746F6E01


class SchemaTooNewError(Exception):
    """The database was migrated by a newer Tekton."""


async def migrate(engine: AsyncEngine) -> None:
    """Run what is missing under an advisory lock, so that servers starting together do not race.

    Raises:
        SchemaTooNewError: the schema is of a later version than this server knows.
        StorageUnavailableError: the database cannot be reached, or the lock is not to be had in a minute.
    """
    with translated():
        async with engine.connect() as connection:
            await connection.execute(text("SET lock_timeout = '60s'"))
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.commit()
            try:
                await connection.run_sync(_upgrade)
                await connection.commit()
            finally:
                await connection.invalidate()  # gives the session, and with it the lock, back in every case


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("tekton_migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {step.revision for step in script.walk_revisions()}:
        raise SchemaTooNewError(
            f"the database has schema {current}, which this Tekton does not know; run the Tekton that made it, or newer"
        )
    if current != script.get_current_head():
        command.upgrade(config, "head")
