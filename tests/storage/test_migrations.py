"""The schema: what migrating an empty database gives is what the tables say, and servers may start together."""

from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, make_url, text

from tekton_server.storage.database import Database
from tekton_server.storage.engine import create_engine
from tekton_server.storage.migrate import SchemaTooNewError, migrate
from tekton_server.storage.tables import metadata
from tests.support.postgres import Cluster


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


async def test_an_empty_database_migrates_to_exactly_the_tables(cluster: Cluster) -> None:
    """Nothing is missing in the migrations, and nothing in the metadata."""
    database = Database(make_url(cluster.new_database()))
    engine = create_engine(database)
    await migrate(database)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


async def test_servers_that_start_together_migrate_once(cluster: Cluster) -> None:
    """The advisory lock lets one after the other; migrating again does nothing."""
    database = Database(make_url(cluster.new_database()))
    await asyncio.gather(*(migrate(database) for _ in range(4)))
    await migrate(database)


async def test_a_schema_from_the_future_is_refused(cluster: Cluster) -> None:
    """An older server never runs on a newer schema."""
    database = Database(make_url(cluster.new_database()))
    engine = create_engine(database)
    await migrate(database)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNewError, match="9999"):
        await migrate(database)
    await engine.dispose()
