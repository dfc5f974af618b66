"""Connections: the pool for reads, the writer's own connection, and one for migrations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tekton_server.storage.database import Database, Terms
from tekton_server.storage.errors import StorageTooOldError, translated

OLDEST = 15
"""The oldest major version of PostgreSQL that will do."""


def _keepalives(terms: Terms) -> dict[str, str]:
    return {
        "tcp_keepalives_idle": str(terms.keepalives_idle),
        "tcp_keepalives_interval": str(terms.keepalives_interval),
        "tcp_keepalives_count": str(terms.keepalives_count),
    }


def writer_settings(database: Database) -> dict[str, str]:
    """A stalled server must not stop the others (DESIGN §3.7): the writer's sessions give up locks by themselves."""
    terms = database.terms
    return {
        "application_name": f"{database.application}-writer",
        "lock_timeout": _milliseconds(terms.lock_timeout),
        "statement_timeout": _milliseconds(terms.write_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(terms.idle_in_transaction_timeout),
        **_keepalives(terms),
    }


def listener_settings(database: Database) -> dict[str, str]:
    """The session that waits for notices has nothing to lock."""
    return {"application_name": f"{database.application}-listener", **_keepalives(database.terms)}


def create_engine(database: Database) -> AsyncEngine:
    """Make the pool that everything but the writer uses."""
    terms = database.terms
    settings = {"application_name": database.application, **_keepalives(terms)}
    return create_async_engine(
        database.url.set(query={}),
        async_creator=partial(connect, database, settings),
        pool_size=terms.pool_size,
        max_overflow=terms.max_overflow,
        pool_timeout=terms.pool_timeout,
        pool_pre_ping=False,
    )


def migration_engine(database: Database) -> AsyncEngine:
    """Make what migrates: its statements, and its wait for another server that migrates, may take their time."""
    settings = {"application_name": f"{database.application}-migrate", "lock_timeout": "60000"}
    return create_async_engine(
        database.url.set(query={}),
        async_creator=partial(connect, database, settings, patient=True),
        poolclass=NullPool,
    )


async def connect(database: Database, settings: Mapping[str, str], *, patient: bool = False) -> asyncpg.Connection[Any]:
    """Open one connection; a `patient` one waits for each answer as long as it takes.

    Raises:
        StorageTooOldError: the server is of a version that lacks what is needed.
    """
    terms = database.terms
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        database.dsn,
        timeout=terms.connect_timeout,
        command_timeout=None if patient else terms.read_timeout,
        server_settings=_first(database, settings),
    )
    try:
        version = connection.get_server_version()
        if version.major < OLDEST:
            raise StorageTooOldError(f"it is PostgreSQL {version.major}.{version.minor}")
        await _set(connection, settings, terms.connect_timeout)
    except BaseException:
        connection.terminate()
        raise
    return connection


def _first(database: Database, settings: Mapping[str, str]) -> dict[str, str]:
    """What goes with the start of a session: only what poolers let through as well."""
    found = {"application_name": settings.get("application_name", database.application)}
    return found | ({"options": database.options} if database.options else {})


async def _set(connection: asyncpg.Connection[Any], settings: Mapping[str, str], timeout: float) -> None:
    names = [name for name in settings if name != "application_name"]
    if names:
        await connection.execute("; ".join(f"SET {name} = '{settings[name]}'" for name in names), timeout=timeout)


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))


@asynccontextmanager
async def driven(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Take the driver's connection out of the pool for a while; what fails there comes as one of the storage errors."""
    with translated():
        async with engine.connect() as connection:
            yield await _driver(connection)


async def _driver(connection: AsyncConnection) -> asyncpg.Connection[Any]:
    """Give the driver's connection. One that died in the pool, during an outage, is thrown away for a new one."""
    while True:
        found: asyncpg.Connection[Any] | None = (await connection.get_raw_connection()).driver_connection
        if found is not None and not found.is_closed():
            return found
        await connection.invalidate()
