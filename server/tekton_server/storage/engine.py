"""Connections: the pool for reads, and the arguments of the writer's own connection."""

from __future__ import annotations

from typing import Any

import asyncpg
from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30.0
# A stalled server must not stop the others (DESIGN §3.7): the writer's sessions give up their locks by themselves.
WRITER_SETTINGS = {
    "application_name": "tekton-writer",
    "lock_timeout": "5000",
    "statement_timeout": "10000",
    "idle_in_transaction_session_timeout": "2000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


def parse_url(text: str) -> URL:
    """Read a database address such as postgresql://user:password@host:5432/tekton.

    Raises:
        ValueError: it is not one, or not PostgreSQL's.
    """
    try:
        url = make_url(text)
    except Exception as error:
        raise ValueError("the database URL cannot be read; use postgresql://user:password@host:5432/name") from error
    if url.get_backend_name() != "postgresql":
        raise ValueError("the database URL must start with postgresql://")
    return url.set(drivername="postgresql+asyncpg")


def create_engine(url: URL) -> AsyncEngine:
    """Make the pool that everything but the writer uses."""
    return create_async_engine(
        url,
        pool_size=8,
        max_overflow=8,
        pool_timeout=5.0,
        pool_pre_ping=False,
        connect_args={"timeout": CONNECT_TIMEOUT, "command_timeout": COMMAND_TIMEOUT},
    )


async def connect(url: URL, settings: dict[str, str]) -> asyncpg.Connection[Any]:
    """Open one connection of its own."""
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT, command_timeout=COMMAND_TIMEOUT, server_settings=settings
    )
    return connection


async def driver(connection: AsyncConnection) -> asyncpg.Connection[Any]:
    """Give the driver's connection. One that died in the pool, during an outage, is thrown away for a new one."""
    while True:
        found: asyncpg.Connection[Any] | None = (await connection.get_raw_connection()).driver_connection
        if found is not None and not found.is_closed():
            return found
        await connection.invalidate()
